"""A file on a web server, or a region of it, read in place by Range requests (RFC 9110, section 14)."""

import http.client
import re
import threading
import urllib.error
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from urllib.request import Request

from thresher.model.errors import SourceError
from thresher.model.units import Bytes
from thresher.ports import ByteStream
from thresher.sources.bytes.access import HttpAccess, credentials, locate, opener
from thresher.sources.bytes.failures import FAILURES, interrupted, refused, unreachable
from thresher.sources.bytes.reading import cut, opened_past

_CONTENT_RANGE = re.compile(r"\s*bytes\s+(?:(\d+)-(\d+)|\*)/(\d+|\*)\s*", re.ASCII | re.IGNORECASE)
_PAGE = (b"<!doctype", b"<html")
_PEEK = 64


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the server says of the file. It must stay what it was when the file was first looked at."""

    etag: str | None
    modified: str | None
    total: int | None
    ranges: bool

    @property
    def validator(self) -> str | None:
        """What If-Range may carry: a strong ETag, else the date (RFC 9110, 13.1.5)."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.modified

    def differs(self, other: "_Seen") -> bool:
        """Whether ``other`` is another file; what one of the two does not say is no difference."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        return any(a is not None and b is not None and a != b for a, b in pairs)


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that holds the bytes: where in the file they begin, and where the file ends, if it says.

    ``response`` is None where the range begins at the file's end.
    """

    response: http.client.HTTPResponse | None
    begin: int
    end: int | None


class _Remote:
    """One URL, shared by all regions of its file. Safe for threads."""

    def __init__(self, url: str, access: HttpAccess, *, ranges: bool) -> None:
        location = locate(url)
        self.url = location.url
        self.shown = location.shown
        self.access = access
        self.ranges = ranges
        self._private = credentials(access, location)
        self._opener = opener(access, location)
        self._lock = threading.Lock()
        self._seen: _Seen | None = None

    def look(self) -> _Seen:
        """What is known of the file; the server is asked for its first byte where nothing is."""
        known = self._seen
        if known is None:
            answer = self.get(0, 0, self.shown)
            if answer.response is not None:
                answer.response.close()
            return self.look()
        return known

    def get(self, first: int, last: int | None, name: str) -> _Answer:
        """Ask for the bytes from ``first`` to ``last``. Raises SourceError."""
        request = Request(self.url)  # noqa: S310 - locate() lets http and https pass only
        if self.ranges:
            request.add_header("Range", f"bytes={first}-{'' if last is None else last}")
        request.add_header("Accept-Encoding", "identity")
        request.add_header("User-Agent", "thresher")
        known = self._seen
        if known is not None and known.ranges and known.validator is not None:
            request.add_header("If-Range", known.validator)
        for key, value in self._private.items():
            request.add_unredirected_header(key, value)
        try:
            response = self._opener.open(request, timeout=self.access.timeout_s or None)
        except urllib.error.HTTPError as error:
            with closing(error):
                if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return self._beyond(error, first, name)
                raise refused(error, name, tried=bool(self._private)) from error
        except FAILURES as error:
            raise unreachable(error, name, self.url, self.access) from error
        try:
            return self._judge(response, first, name)
        except BaseException:
            response.close()
            raise

    def _beyond(self, error: urllib.error.HTTPError, first: int, name: str) -> _Answer:
        """A range that begins at or after the end; at the end is an answer, as of an empty file."""
        total = _content_range(error.headers.get("Content-Range"))[2]
        if total is not None:
            self._remember(_seen(error.headers, total, ranges=True), name)
        if total != first:
            raise SourceError(
                f"{name} has no byte {first} on the server ({total} bytes there); it was replaced: start over"
            ) from error
        return _Answer(None, first, first)

    def _judge(self, response: http.client.HTTPResponse, first: int, name: str) -> _Answer:
        self._refuse_encoding(response, name)
        if response.status == HTTPStatus.PARTIAL_CONTENT:
            begin, end, total = _content_range(response.headers.get("Content-Range"))
            if begin != first or end is None:
                raise SourceError(
                    f"the server sends other bytes of {name} than it was asked for (from {begin}, "
                    f"not {first}): its Range requests are broken; serve the file with another server"
                )
            answer, ranges = _Answer(response, begin, total or end + 1), total is not None
        elif response.status == HTTPStatus.OK:
            total = None if response.chunked else response.length
            answer, ranges = _Answer(response, 0, total), False
        else:
            raise SourceError(f"the server answers {response.status} for {name}; check the URL")
        if answer.begin == 0:
            self._refuse_page(response, name)
        self._remember(_seen(response.headers, total, ranges=ranges), name)
        return answer

    def _remember(self, seen: _Seen, name: str) -> None:
        with self._lock:
            if self._seen is None:
                self._seen = seen
            elif self._seen.differs(seen):
                raise SourceError(f"{name} was changed on the server while it was read; start the import over")

    def _refuse_encoding(self, response: http.client.HTTPResponse, name: str) -> None:
        coding = response.headers.get("Content-Encoding", "identity").lower()
        if coding != "identity" and not self.url.lower().endswith(".gz"):
            raise SourceError(
                f"the server packs {name} with {coding} though it was asked not to; switch that off for this file"
            )

    def _refuse_page(self, response: http.client.HTTPResponse, name: str) -> None:
        kind = response.headers.get_content_type() if "Content-Type" in response.headers else ""
        try:
            begins = response.peek(_PEEK)[:_PEEK].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        except FAILURES as error:
            raise interrupted(error, name, 0, response.length, self.access) from error
        if kind == "text/html" or begins.startswith(_PAGE):
            raise SourceError(
                f"a web page came in place of {name}; the URL is wrong, or it leads to a login page: "
                "check the URL and the source's credentials"
            )


def _seen(headers: Message, total: int | None, *, ranges: bool) -> _Seen:
    return _Seen(headers.get("ETag"), headers.get("Last-Modified"), total, ranges)


def _content_range(value: str | None) -> tuple[int | None, int | None, int | None]:
    """First byte, last byte and total of a Content-Range; None for each that it does not give."""
    match = _CONTENT_RANGE.fullmatch(value or "")
    if match is None:
        return None, None, None
    first, last, total = (int(part) if part and part.isdigit() else None for part in match.groups())
    return first, last, total


class HttpFile:
    """A file on a web server, or a region of it.

    ``size`` and ``seekable`` ask the server for one byte at their first use, where nothing was read before.

    Args:
        url: http or https; credentials in it are used, and never shown.
        access: how the server is reached.
        offset: where the region begins.
        size: how long it is; None for the rest of the file.
        name: what to call it in messages, where the URL itself is a secret.
        ranges: false for a server that is known to have no Range requests, which is then never asked for a part.

    Raises:
        UsageError: the URL, the CA or the fingerprint cannot be used as written.
    """

    def __init__(
        self,
        url: str,
        access: HttpAccess,
        offset: int = 0,
        size: int | None = None,
        *,
        name: str = "",
        ranges: bool = True,
    ) -> None:
        self._remote = _Remote(url, access, ranges=ranges)
        self._offset = offset
        self._size = size
        self._name = name or self._remote.shown

    @property
    def name(self) -> str:
        """The URL without credentials and query, or the name that the region was given."""
        return self._name

    @property
    def size(self) -> Bytes | None:
        """Its length, or None where the server does not say. Raises SourceError."""
        if self._size is not None:
            return Bytes(self._size)
        total = self._remote.look().total
        return None if total is None else Bytes(max(0, total - self._offset))

    @property
    def seekable(self) -> bool:
        """Whether the server has Range requests and says how long the file is. Raises SourceError."""
        return self._remote.look().ranges

    @property
    def version(self) -> str:
        """The strong ETag, else the date of the last change; "" where the server gives none. Raises SourceError."""
        return self._remote.look().validator or ""

    def region(self, offset: int, size: int, name: str) -> "HttpFile":
        """The ``size`` bytes from ``offset`` on; it must stay the same file for all of its regions."""
        part = object.__new__(HttpFile)
        part._remote, part._name = self._remote, name
        part._offset, part._size = self._offset + offset, size
        return part

    def open(self, offset: int = 0) -> ByteStream:
        """Open from ``offset`` on. Raises SourceError."""
        first = self._offset + offset
        if self._size is not None and offset >= self._size:
            return _HttpStream(None, self, offset, offset)
        last = None if self._size is None else self._offset + self._size - 1
        answer = self._remote.get(first, last, self._name)
        end = None if answer.end is None else answer.end - self._offset
        if self._size is not None:
            end = self._size
        stream = _HttpStream(answer.response, self, answer.begin - self._offset, end)
        return opened_past(stream, first - answer.begin, self._name)

    def interrupted(self, error: Exception, done: int, total: int | None) -> SourceError:
        """The error for this file, broken off after ``done`` bytes."""
        return interrupted(error, self._name, max(0, done), total, self._remote.access)


class _HttpStream:
    """An answer read straight into the caller's buffer.

    http.client's ``readinto`` returns 0 where a connection was closed too early: the bytes are counted here.

    Args:
        response: what is read; None for nothing.
        file: whose bytes these are.
        position: where in the file the next byte lies; negative while the server sends what lies before.
        end: where the last one ends; None where only the server's silence tells.
    """

    def __init__(
        self, response: http.client.HTTPResponse | None, file: HttpFile, position: int, end: int | None
    ) -> None:
        self._response = response
        self._file = file
        self._position = position
        self._end = end

    def readinto(self, buffer: memoryview, /) -> int:
        wanted = len(buffer) if self._end is None else min(len(buffer), self._end - self._position)
        if wanted <= 0 or self._response is None:
            return 0
        try:
            count = self._response.readinto(buffer[:wanted])
        except FAILURES as error:
            raise self._file.interrupted(error, self._position, self._end) from error
        if not count and self._end is not None:
            raise cut(self._file.name, max(0, self._position), self._end)
        self._position += count
        return count

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
