"""Serves byte sources on loopback, with Range, to a program that reads disks at random places: qemu-img.

So qemu-img reads a disk inside an OVA, behind a login or behind a private CA in place, and never sees a credential or
a path of this machine. The address is unguessable, lives as long as the conversion, and names nothing but the sources.
"""

import re
import secrets
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from thresher.model.errors import SourceError
from thresher.model.units import MIB
from thresher.ports import ByteSource, ByteStream

_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{0,19})\Z")
_CHUNK = 256 << 10
_IDLE_STREAMS = 4
_SKIP_LIMIT = MIB
"""Reading on over so many bytes costs less than a new connection."""


class _StreamPool:
    """Open streams of one source, waiting at the place they got to, so that reading on needs no new connection."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.read = 0
        self._idle: list[tuple[int, ByteStream]] = []
        self._lock = threading.Lock()

    def take(self, offset: int) -> ByteStream:
        """A stream positioned at ``offset``. Raises SourceError."""
        found = self._nearest(offset)
        if found is None:
            return self.source.open(offset)
        position, stream = found
        skip = memoryview(bytearray(_CHUNK))
        while position < offset:
            step = stream.readinto(skip[: offset - position])
            if step == 0:
                raise SourceError(f"{self.source.name} ended at byte {position}; it changed while it was read")
            position += step
        return stream

    def _nearest(self, offset: int) -> tuple[int, ByteStream] | None:
        """Take the stream that waits closest before ``offset``, if one is close enough."""
        with self._lock:
            near = [item for item in self._idle if item[0] <= offset <= item[0] + _SKIP_LIMIT]
            if not near:
                return None
            best = max(near, key=lambda item: item[0])
            self._idle.remove(best)
            return best

    def give(self, position: int, stream: ByteStream) -> None:
        """Take a stream back; the one that waited longest is closed where there are too many."""
        with self._lock:
            self._idle.append((position, stream))
            surplus = self._idle[:-_IDLE_STREAMS]
            del self._idle[:-_IDLE_STREAMS]
        for _, old in surplus:
            old.close()

    def close(self) -> None:
        """Close every stream that waits."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, stream in idle:
            stream.close()


class SourceServer:
    """A loopback HTTP server over named byte sources, each of a known size. A context manager.

    Attributes:
        failures: what sources raised while they were read, in order.
    """

    def __init__(self, sources: Mapping[str, ByteSource]) -> None:
        self._pools = {name: _StreamPool(source) for name, source in sources.items()}
        self._token = secrets.token_urlsafe(24)
        self.failures: list[SourceError] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="serve", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for pool in self._pools.values():
            pool.close()

    @property
    def read(self) -> int:
        """Bytes given out so far."""
        return sum(pool.read for pool in self._pools.values())

    def url(self, name: str) -> str:
        """The address of one source."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{self._token}/{name}"

    def pool(self, path: str) -> _StreamPool | None:
        """The source that a request's path means, if it knows the token."""
        token, _, name = unquote(path).lstrip("/").partition("/")
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            return None
        return self._pools.get(name)


class _Handler(BaseHTTPRequestHandler):
    owner: SourceServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the requests are our own."""

    def _answer(self, *, body: bool) -> None:
        pool = self.owner.pool(self.path)
        size = pool.source.size if pool else None
        if pool is None or size is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        first, last = 0, size - 1
        match = _RANGE.match(self.headers.get("Range", ""))
        if match:
            first = int(match[1])
            last = min(int(match[2] or last), last)
            if first > last:
                self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                return
        self.send_response(HTTPStatus.PARTIAL_CONTENT if match else HTTPStatus.OK)
        if match:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if body:
            self._send(pool, first, last + 1)

    def _send(self, pool: _StreamPool, position: int, end: int) -> None:
        try:
            stream = pool.take(position)
            try:
                self._copy(pool, stream, position, end)
            except BaseException:
                stream.close()
                raise
            pool.give(end, stream)
        except SourceError as error:
            self.owner.failures.append(error)
            self.close_connection = True
        except OSError:  # the reader went away, which is its right
            self.close_connection = True

    def _copy(self, pool: _StreamPool, stream: ByteStream, position: int, end: int) -> None:
        buffer = memoryview(bytearray(_CHUNK))
        while position < end:
            count = stream.readinto(buffer[: end - position])
            if count == 0:
                raise SourceError(f"{pool.source.name} ended at byte {position}, before its stated size")
            self.wfile.write(buffer[:count])
            position += count
            pool.read += count
