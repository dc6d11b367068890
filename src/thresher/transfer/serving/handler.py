"""One connection: reads a head in bounded time, answers, and sends a file plainly or as gzip."""

import io
import logging
import os
import select
import socket
import time
from contextlib import AbstractContextManager
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final, Protocol

from thresher.model.units import MIB
from thresher.transfer.serving.gzip import BUFFER, Buffers, gzipped
from thresher.transfer.serving.limits import Limits
from thresher.transfer.serving.ranges import Extent, Span, accepts_gzip, asked_span

log = logging.getLogger(__name__)

_SENDFILE_MAX: Final = 64 * MIB
"""Bytes that one call may move: a call returns once the socket's buffer is full anyway."""


class HasDisks(Protocol):
    """What a connection needs of its server."""

    @property
    def limits(self) -> Limits:
        """What clients may cost."""
        ...

    def file_of(self, target: str) -> tuple[str, Path] | None:
        """The name and place of the file that a request's target means, or None."""
        ...

    def trust(self, connection: socket.socket) -> None:
        """It has shown the token."""
        ...

    def opened(self, path: Path) -> AbstractContextManager[int]:
        """A descriptor of a published file. Raises OSError."""
        ...


class _HeadReader(io.RawIOBase):
    """Reads from a socket until a deadline, however slowly the bytes drop in."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request's head did not come in time")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class DiskHandler(BaseHTTPRequestHandler):
    """Answers HEAD and GET of published files; everything else does not exist or is not allowed."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Read heads through the deadline."""
        super().setup()
        self._disks: HasDisks = self.server  # type: ignore[assignment]  # typeshed knows only the base class
        self._head = _HeadReader(self.connection)
        self.rfile = io.BufferedReader(self._head)

    def handle_one_request(self) -> None:
        """Give each request's head its time. A client that is gone, or too slow, ends the connection."""
        self._head.deadline = time.monotonic() + self._disks.limits.idle_s
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def version_string(self) -> str:
        """Say no more of ourselves than a name."""
        return "thresher"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing here: a request line holds the token."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a head that is none, without the base class's page, which repeats the request and so the token."""
        del message, explain
        self.request_version = self.protocol_version  # what could not be read is answered with a status all the same
        self.close_connection = True
        self._refuse(HTTPStatus(code))

    def do_HEAD(self) -> None:
        """Answer what a GET without Range and without coding would."""
        self._answer()

    def do_GET(self) -> None:
        """Answer with the file, or a span of it."""
        self._answer()

    def parse_request(self) -> bool:
        """Go on with nothing but GET and HEAD."""
        if not super().parse_request():
            return False
        if self.command in ("GET", "HEAD"):
            return True
        self._not_allowed()
        return False

    def _not_allowed(self) -> None:
        if self._disks.file_of(self.path) is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, ("Allow", "GET, HEAD"))

    def _answer(self) -> None:
        if self.headers.get("Content-Length") or self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # nobody reads the body, so what follows it cannot be told from it
        found = self._disks.file_of(self.path)
        if found is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        name, path = found
        self._disks.trust(self.connection)
        try:
            with self._disks.opened(path) as descriptor:
                self.connection.settimeout(self._disks.limits.idle_s)
                self._answer_with(name, descriptor)
        except FileNotFoundError:
            self._refuse(HTTPStatus.NOT_FOUND)
        except TimeoutError:
            self._cut(name, f"took nothing for {self._disks.limits.idle_s:g} s")
        except ConnectionError:
            self._cut(name, "closed the connection")
        except OSError as error:
            log.error("%s cannot be read: %s; the connection is cut", name, error)  # noqa: TRY400 - in words
            self.close_connection = True

    def _cut(self, name: str, why: str) -> None:
        log.warning("%s %s while %s was sent; the connection is cut", self.client_address[0], why, name)
        self.close_connection = True

    def _answer_with(self, name: str, descriptor: int) -> None:
        stat = os.fstat(descriptor)
        etag = f'"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        wanted: Span | Extent = Extent.WHOLE
        ranged = self.command == "GET" and "Range" in self.headers  # without meaning in a HEAD: RFC 9110, section 14.2
        if ranged and self.headers.get("If-Range", etag) == etag:
            wanted = asked_span(self.headers.get("Range"), stat.st_size)
        if wanted is Extent.NOTHING:
            self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, ("Content-Range", f"bytes */{stat.st_size}"))
            return
        modern = self.request_version == "HTTP/1.1"  # older ones could not tell a stream that was cut from its end
        coded = modern and not ranged and self.command == "GET" and accepts_gzip(self.headers.get("Accept-Encoding"))
        began = time.monotonic()
        if coded:
            self._start(HTTPStatus.OK, stat, f'{etag[:-1]}-gzip"')
            sent = self._send_gzip(descriptor, stat.st_size)
        else:
            sent = self._send_plain(descriptor, stat, etag, wanted)
        if self.command == "GET":
            log.info(
                "%s was sent to %s: %d bytes %sin %.1f s",
                *(name, self.client_address[0], sent, "as gzip " if coded else "", time.monotonic() - began),
            )

    def _start(self, status: HTTPStatus, stat: os.stat_result, etag: str) -> None:
        """The status line and what every answer says. RFC 9110, section 8.8.3.3: each coding has its own ETag."""
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", etag)
        self.send_header("Last-Modified", formatdate(stat.st_mtime, usegmt=True))
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("Cache-Control", "no-store")

    def _refuse(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        """Answer without a body. A stranger's connection is not kept."""
        self.connection.settimeout(self._disks.limits.idle_s)
        self.send_response(status)
        for header, value in (*headers, ("Content-Length", "0"), ("Connection", "close")):
            self.send_header(header, value)
        self.end_headers()

    def _send_plain(self, descriptor: int, stat: os.stat_result, etag: str, wanted: Span | Extent) -> int:
        span = wanted if isinstance(wanted, Span) else Span(0, stat.st_size)
        self._start(HTTPStatus.PARTIAL_CONTENT if isinstance(wanted, Span) else HTTPStatus.OK, stat, etag)
        if isinstance(wanted, Span):
            last = span.start + span.length - 1
            self.send_header("Content-Range", f"bytes {span.start}-{last}/{stat.st_size}")
        self.send_header("Content-Length", str(span.length))
        self.end_headers()
        return self._sendfile(descriptor, span) if self.command == "GET" else 0

    def _sendfile(self, descriptor: int, span: Span) -> int:
        """Let the kernel send a span of the file. Raises OSError, TimeoutError."""
        done = 0
        while done < span.length:
            try:
                count = os.sendfile(
                    self.connection.fileno(), descriptor, span.start + done, min(span.length - done, _SENDFILE_MAX)
                )
            except BlockingIOError:
                self._wait_writable()
                continue
            if count == 0:
                raise OSError(f"the file ended at byte {span.start + done}, before its size")
            done += count
        return done

    def _wait_writable(self) -> None:
        poll = select.poll()
        poll.register(self.connection, select.POLLOUT)
        if not poll.poll(self._disks.limits.idle_s * 1000):
            raise TimeoutError("the client took nothing")

    def _send_gzip(self, descriptor: int, size: int) -> int:
        """Send the gzip stream in chunks (RFC 9112, section 7.1); where it is cut, clients miss the last chunk."""
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        for buffers in gzipped(descriptor, size, memoryview(bytearray(BUFFER))):
            length = sum(map(len, buffers))
            self._send_all((b"%x\r\n" % length, *buffers, b"\r\n"))
            sent += length
        self._send_all((b"0\r\n\r\n",))
        return sent

    def _send_all(self, buffers: Buffers) -> None:
        pending = [memoryview(buffer) for buffer in buffers]
        while pending:
            sent = self.connection.sendmsg(pending)
            while pending and sent >= len(pending[0]):
                sent -= len(pending.pop(0))
            if sent:
                pending[0] = pending[0][sent:]
