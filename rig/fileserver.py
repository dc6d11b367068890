"""Files over HTTP on loopback, from a server that can misbehave in the ways servers do."""

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Self

_STEP = 64 * 1024


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server behaves.

    Attributes:
        ranges: whether it honours Range and says so; else every answer is the whole file.
        status: in place of 200 or 206, with a page in HTML.
        content_type: what it calls its files.
        stop_at: a place in the file that it never gets past: there the connection ends.
        stop_after: how many bytes it sends in one answer before the connection ends.
        rate: bytes a second, for each answer; None for as fast as it goes.
    """

    ranges: bool = True
    status: int | None = None
    content_type: str = "application/octet-stream"
    stop_at: int | None = None
    stop_after: int | None = None
    rate: int | None = None


@dataclass(slots=True)
class Request:
    """One line of the log; ``sent`` grows while the answer goes out."""

    method: str
    path: str
    range: str | None
    sent: int = 0


@dataclass(slots=True)
class FileServer:
    """Serves ``files`` (a name in the URL to a path) from entering to leaving it."""

    files: Mapping[str, Path]
    manners: Manners = Manners()
    log: list[Request] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        """Listen on a free port."""
        owner: FileServer = self

        class Handler(_Handler):
            rig = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop listening."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def url(self, name: str) -> str:
        """Where a file is."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}"

    @property
    def sent(self) -> int:
        """The bytes of files that went out so far."""
        return sum(request.sent for request in self.log)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    rig: FileServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """The rig keeps its own log."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        asked = self.headers.get("Range")
        request = Request(self.command, self.path, asked)
        self.rig.log.append(request)
        manners, path = self.rig.manners, self.rig.files.get(self.path.lstrip("/"))
        status = manners.status or (200 if path else 404)
        if path is None or status != 200:  # noqa: PLR2004 - HTTP's own number
            self._page(status, body=body)
            return
        size = path.stat().st_size
        start, end = self._span(asked if manners.ranges else None, size)
        if start >= size > 0:
            self._page(416, body=body)
            return
        self._headers(start, end, size, partial=bool(asked and manners.ranges))
        if body:
            with suppress(ConnectionError):
                self._send(path, start, end, request)

    @staticmethod
    def _span(asked: str | None, size: int) -> tuple[int, int]:
        """The bytes asked for (RFC 9110, section 14.1.2), as start and end."""
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked or "")
        if not match or match.group(0) == "bytes=-":
            return 0, size
        first, last = match.groups()
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(size, int(last) + 1) if last else size

    def _headers(self, start: int, end: int, size: int, *, partial: bool) -> None:
        self.send_response(206 if partial else 200)
        self.send_header("Content-Type", self.rig.manners.content_type)
        self.send_header("Content-Length", str(end - start))
        self.send_header("ETag", f'"{size}"')
        if self.rig.manners.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()

    def _send(self, path: Path, start: int, end: int, request: Request) -> None:
        manners = self.rig.manners
        stops = [end, manners.stop_at, None if manners.stop_after is None else start + manners.stop_after]
        stop = min(place for place in stops if place is not None)
        began, position = time.monotonic(), start
        with path.open("rb") as handle:
            while position < stop:
                data = os.pread(handle.fileno(), min(_STEP, stop - position), position)
                self.wfile.write(data)
                position += len(data)
                request.sent += len(data)
                if manners.rate:
                    time.sleep(max(0.0, (position - start) / manners.rate - (time.monotonic() - began)))
        self.close_connection = self.close_connection or stop < end

    def _page(self, status: int, *, body: bool) -> None:
        page = f"<!DOCTYPE html><html><title>{status}</title><p>Something else.</html>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        if status == 401:  # noqa: PLR2004 - HTTP's own number
            self.send_header("WWW-Authenticate", 'Basic realm="disks"')
        self.end_headers()
        if body:
            self.wfile.write(page)
