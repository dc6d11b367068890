"""A small web server on loopback that hands out the files of one folder, with Range (RFC 9110)."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Span:
    """Which bytes go out, and with which status."""

    status: HTTPStatus
    start: int
    length: int


def _span(header: str | None, size: int) -> _Span:
    """What a Range header asks for. Absent, malformed or several ranges mean everything."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return _Span(HTTPStatus.OK, 0, size)
    first, last = match.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if first and last and int(last) < start:
        return _Span(HTTPStatus.OK, 0, size)
    if start >= size:
        return _Span(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, 0)
    return _Span(HTTPStatus.PARTIAL_CONTENT, start, end - start)


class _Server(ThreadingHTTPServer):
    """Hands out one folder; closing it ends open connections and waits for their threads."""

    daemon_threads = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve(strict=True)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        with self._lock:
            for connection in self._open:
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def file_of(self, target: str) -> Path | None:
        """The file that a request names, or None where there is none inside the folder."""
        path = unquote(urlsplit(target).path)
        if "\0" in path:
            return None
        file = (self.folder / path.lstrip("/")).resolve()
        return file if file.is_relative_to(self.folder) and file.is_file() else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        file = self.server.file_of(self.path)
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file.open("rb") as content:
            span = self._head(file)
            if body and span.length:
                self._send(content, span)

    def _head(self, file: Path) -> _Span:
        stat = file.stat()
        etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        unchanged = self.headers.get("If-Range", etag) == etag
        # A Range in a HEAD has no meaning (RFC 9110, section 14.2).
        wanted = self.headers.get("Range") if unchanged and self.command == "GET" else None
        span = _span(wanted, stat.st_size)
        self.send_response(span.status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(span.length))
        if span.status is HTTPStatus.PARTIAL_CONTENT:
            last = span.start + span.length - 1
            self.send_header("Content-Range", f"bytes {span.start}-{last}/{stat.st_size}")
        elif span.status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self.send_header("Content-Range", f"bytes */{stat.st_size}")
        self.end_headers()
        return span

    def _send(self, content: BinaryIO, span: _Span) -> None:
        try:
            self.connection.sendfile(content, span.start, span.length)
        except ConnectionError:  # the client has what it wanted
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Say nothing: the importer tells what matters."""


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve the files of ``folder`` on a free port of 127.0.0.1 while the context lasts.

    Only regular files inside the folder are handed out, by GET and HEAD; there are no listings, and links
    that lead outside are not followed.

    Yields:
        The base URL, without a slash at its end.
    """
    server = _Server(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
