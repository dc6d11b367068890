"""Walking over the members of an archive, either hopping from header to header or reading past what lies between."""

from typing import Protocol

from thresher.formats.ova import EndOfArchive, Member, OvaReader
from thresher.model.units import KIB
from thresher.ports import ByteStream
from thresher.sources.bytes import Regional
from thresher.sources.bytes.reading import drop, fill

_BLOCK = 512
_WINDOW = 64 * KIB
"""How much is read around a header: as a rule the descriptor and the manifest come with it."""


class Cursor(Protocol):
    """A place in an archive that moves forward."""

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes; fewer only at the end."""
        ...

    def go_to(self, offset: int) -> None:
        """Move forward to ``offset``."""
        ...


class HoppingCursor:
    """Reads windows of an archive that is seekable; what lies between them is never asked for."""

    def __init__(self, archive: Regional, size: int) -> None:
        self._archive = archive
        self._size = size
        self._offset = 0
        self._window = b""
        self._begin = 0

    def read(self, count: int) -> bytes:
        out = bytearray()
        while len(out) < count and self._offset < self._size:
            at = self._offset - self._begin
            if at >= len(self._window):
                self._fetch(count - len(out))
                continue
            piece = self._window[at : at + count - len(out)]
            out += piece
            self._offset += len(piece)
        return bytes(out)

    def go_to(self, offset: int) -> None:
        self._offset = offset

    def _fetch(self, wanted: int) -> None:
        size = min(max(wanted, _WINDOW), self._size - self._offset)
        stream = self._archive.region(self._offset, size, self._archive.name).open()
        try:
            buffer = bytearray(size)
            self._window = bytes(buffer[: fill(stream, memoryview(buffer))])
        finally:
            stream.close()
        self._begin = self._offset


class StreamCursor:
    """Reads one stream from its start and drops what is passed over."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._offset = 0

    def read(self, count: int) -> bytes:
        buffer = bytearray(count)
        got = fill(self._stream, memoryview(buffer))
        self._offset += got
        return bytes(buffer[:got])

    def readinto(self, buffer: memoryview) -> int:
        """As ByteStream.readinto."""
        count = self._stream.readinto(buffer)
        self._offset += count
        return count

    def go_to(self, offset: int) -> None:
        self._offset += drop(self._stream, offset - self._offset)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


class Walk:
    """The members of an archive, in their order."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._reader = OvaReader()
        self._next = 0

    def advance(self) -> Member | None:
        """Move to the next member's first byte; None at the archive's end.

        Raises:
            OvaError: the archive is malformed or cut short.
            SourceError: it cannot be read.
        """
        self._cursor.go_to(self._next)
        while block := self._cursor.read(_BLOCK):
            for event in self._reader.receive(block):
                if isinstance(event, Member):
                    self._next = self._reader.skip_member()
                    return event
                if isinstance(event, EndOfArchive):
                    return None
        self._reader.receive_eof()
        return None
