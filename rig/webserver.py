"""A real web server on loopback, with the faults that real web servers have, on demand.

It knows Range, If-Range, ETag and Last-Modified (RFC 9110), basic authentication and TLS, and
records every request.
"""

import base64
import hashlib
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import Enum
from functools import cache, partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import trustme

BLOCK = 64 << 10


class Length(Enum):
    """How a response says where it ends."""

    STATED = "Content-Length"
    CHUNKED = "chunked transfer coding"
    CLOSED = "the connection is closed"


@dataclass(frozen=True)
class Faults:
    """What the server does wrong, or strictly.

    Attributes:
        ranges: whether it knows Range requests.
        shifted: its answer to a Range request begins this many bytes too late.
        length: how its answers end.
        credentials: user name and password without which it answers 401.
        status: answer this status to everything, with a short text.
        unavailable: answer 503 to the first so many requests.
        page: answer a web page to everything; with ``page_type`` as its Content-Type.
        encoding: a Content-Encoding to claim.
        cut_after: close the connection after so many bytes of a body, ``cuts`` times.
        stop_at: a place in the file that no answer gets past: there the connection is closed. What lies beyond it can
            be asked for.
        stall_after: send nothing for ``stall_s`` after so many bytes of a body.
        rate: bytes a second.
        validators: whether it sends ETag and Last-Modified.
        changing: another ETag for every answer.
        redirect_host: send whoever asks another host than this one to it, with the same port.
        redirect_to: send everybody to this URL.
    """

    ranges: bool = True
    shifted: int = 0
    length: Length = Length.STATED
    credentials: tuple[str, str] | None = None
    status: int | None = None
    unavailable: int = 0
    page: bool = False
    page_type: str = "text/html; charset=utf-8"
    encoding: str = ""
    cut_after: int | None = None
    cuts: int = 1
    stop_at: int | None = None
    stall_after: int | None = None
    stall_s: float = 5.0
    rate: int | None = None
    validators: bool = True
    changing: bool = False
    redirect_host: str = ""
    redirect_to: str = ""


@dataclass(frozen=True)
class Seen:
    """One request as it came. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class WebServer:
    """A running server.

    Attributes:
        url: its root, with a slash at the end.
        port: where it listens on 127.0.0.1.
        ca_pem: the authority that signed its certificate, PEM; "" without TLS.
        fingerprint: SHA-256 of its certificate, 64 hexadecimal digits; "" without TLS.
        requests: all that came, in order.
        faults: what it does wrong from the next request on.
        sent: how many bytes of files went out so far.
        generation: of connections; those of an earlier one are cut.
    """

    url: str
    port: int
    ca_pem: str = ""
    fingerprint: str = ""
    requests: list[Seen] = field(default_factory=list)
    faults: Faults = Faults()
    sent: int = 0
    generation: int = 0
    _counts: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, what: str, limit: int) -> bool:
        """Whether ``what`` happened fewer than ``limit`` times yet; it counts as happening now."""
        with self._lock:
            count = self._counts[what] = self._counts.get(what, 0) + 1
            return count <= limit

    def count(self, length: int) -> None:
        """Note that so many bytes of a file went out."""
        with self._lock:
            self.sent += length

    def cut(self) -> None:
        """Cut the connections of all answers under way."""
        self.generation += 1

    def happened(self, what: str) -> int:
        """How often it was asked whether ``what`` should happen."""
        return self._counts.get(what, 0)


@contextmanager
def serve(folder: Path, *, faults: Faults = Faults(), tls: bool = False) -> Iterator[WebServer]:
    """Serve the files of ``folder`` on a free port of 127.0.0.1 (also called localhost)."""
    web = WebServer("", 0, faults=faults)
    server = _Server(("127.0.0.1", 0), partial(_Handler, web, folder))
    web.port = server.server_address[1]
    if tls:
        _secure(server, web)
    web.url = f"{'https' if tls else 'http'}://127.0.0.1:{web.port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a stalled answer must not hold the test up

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, or distrusts the certificate, is what the tests are about."""


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


def _secure(server: _Server, web: WebServer) -> None:
    authority = _authority()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    # the handshake belongs to the connection's thread: a client that never speaks must not stop the others
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    web.ca_pem = authority.cert_pem.bytes().decode()
    web.fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer's body waits 40 ms for the client to acknowledge its head

    def __init__(self, web: WebServer, folder: Path, *args: object) -> None:
        self._web = web
        self._folder = folder
        super().__init__(*args)  # type: ignore[arg-type] # socketserver passes what it always passes

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """The requests are recorded in place of logged."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        self._web.requests.append(Seen(self.command, self.path, headers))
        faults = self._web.faults
        host = headers.get("host", "").rpartition(":")[0]
        path = self._folder / unquote(urlsplit(self.path).path).lstrip("/")
        if faults.redirect_to:
            self._short(HTTPStatus.FOUND, location=faults.redirect_to)
        elif faults.redirect_host and host != faults.redirect_host:
            here = f"{urlsplit(self._web.url).scheme}://{faults.redirect_host}:{self._web.port}{self.path}"
            self._short(HTTPStatus.FOUND, location=here)
        elif faults.unavailable and self._web.take("unavailable", faults.unavailable):
            self._short(HTTPStatus.SERVICE_UNAVAILABLE)
        elif faults.status is not None:
            self._short(faults.status)
        elif faults.credentials and headers.get("authorization") != _basic(*faults.credentials):
            self._short(HTTPStatus.UNAUTHORIZED, www_authenticate='Basic realm="rig"')
        elif faults.page:
            self._short(HTTPStatus.OK, b"<!DOCTYPE html>\n<title>Log in</title>\n", content_type=faults.page_type)
        elif not path.is_file():
            self._short(HTTPStatus.NOT_FOUND)
        else:
            with path.open("rb") as file:
                self._file(path, file, headers, body=body)

    def _short(self, status: int, body: bytes = b"no\n", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, path: Path, file: BinaryIO, headers: dict[str, str], *, body: bool) -> None:
        faults, stat = self._web.faults, path.stat()
        etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        if faults.changing:
            etag = f'"{len(self._web.requests)}"'
        modified = formatdate(stat.st_mtime, usegmt=True)
        current = headers.get("if-range") in {None, etag, modified}
        asked = _asked(headers.get("range", ""), stat.st_size) if faults.ranges and current else None
        first, last = asked or (0, stat.st_size - 1)
        if first > last and asked:
            self._short(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, content_range=f"bytes */{stat.st_size}")
            return
        first += faults.shifted if asked else 0
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{stat.st_size}")
        if faults.validators:
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", modified)
        if faults.encoding:
            self.send_header("Content-Encoding", faults.encoding)
        self.send_header("Content-Type", "application/octet-stream")
        self._announce(last - first + 1)
        if body:
            file.seek(first)
            self._send(file, last - first + 1)

    def _announce(self, size: int) -> None:
        length = self._web.faults.length
        if length is Length.STATED:
            self.send_header("Content-Length", str(size))
        elif length is Length.CHUNKED:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()

    def _send(self, file: BinaryIO, size: int) -> None:
        faults = self._web.faults
        cut = faults.cut_after
        if cut is None or size <= cut or not self._web.take("cut", faults.cuts):
            cut = None
        if faults.stop_at is not None and file.tell() <= faults.stop_at < file.tell() + size:
            cut = faults.stop_at - file.tell()
        chunked = faults.length is Length.CHUNKED
        sent, generation = 0, self._web.generation
        while sent < size and sent != cut:
            if generation != self._web.generation:
                self.close_connection = True
                return
            stops = [n for n in (size, cut, faults.stall_after) if n is not None and n > sent]
            block = file.read(min(BLOCK, min(stops) - sent))
            self.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            sent += len(block)
            self._web.count(len(block))
            if rate := self._web.faults.rate:  # as it is now: a link slows down while it is in use
                time.sleep(len(block) / rate)
            if sent == faults.stall_after:
                time.sleep(faults.stall_s)
        if sent == cut:
            self.close_connection = True
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _asked(value: str, size: int) -> tuple[int, int] | None:
    """The one range of a Range header; first after last where the file has no such bytes."""
    unit, _, span = value.partition("=")
    first, dash, last = span.partition("-")
    if unit != "bytes" or not dash or not first.isdigit():
        return None
    if int(first) >= size:
        return size, size - 1
    return int(first), min(int(last), size - 1) if last else size - 1
