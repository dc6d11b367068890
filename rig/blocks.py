"""A byte source in memory, with the faults of real ones."""

import threading
from collections.abc import Callable
from pathlib import Path

from thresher.model.errors import SourceUnreachable, StreamCut
from thresher.model.units import Bytes


class MemorySource:
    """Implements ByteSource over bytes.

    Args:
        data: what it holds.
        fails_at: reading this byte raises SourceUnreachable.
        stated: the size it claims, where that is a lie.
        cuts_after: each stream is cut after so many bytes.
        on_read: called with the place before each read.

    Attributes:
        opened: the offsets it was opened at.
        open_streams: how many streams are open.
    """

    name = "memory"
    version = ""

    def __init__(
        self,
        data: bytes,
        *,
        fails_at: int | None = None,
        stated: int | None = None,
        cuts_after: int | None = None,
        on_read: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.data = data
        self.seekable = True
        self.size = Bytes(len(data) if stated is None else stated)
        self.fails_at = len(data) + 1 if fails_at is None else fails_at
        self.cuts_after = cuts_after
        self.on_read = on_read
        self.opened: list[int] = []
        self.open_streams = 0
        self.lock = threading.Lock()

    @classmethod
    def of(cls, path: Path) -> "MemorySource":
        """The bytes of a file."""
        return cls(path.read_bytes())

    def open(self, offset: int = 0) -> "_MemoryStream":
        """Open the bytes from ``offset`` on."""
        with self.lock:
            self.opened.append(offset)
            self.open_streams += 1
        return _MemoryStream(self, offset)


class _MemoryStream:
    def __init__(self, source: MemorySource, offset: int) -> None:
        self._source = source
        self._start = self._position = offset
        self._closed = False

    def readinto(self, buffer: memoryview) -> int:
        source, position = self._source, self._position
        source.on_read(position)
        end = min(position + len(buffer), max(position, source.fails_at))
        if source.cuts_after is not None:
            end = min(end, self._start + source.cuts_after)
            if end <= position:
                raise StreamCut("memory was cut")
        if position >= source.fails_at:
            raise SourceUnreachable(f"memory broke at byte {position}")
        piece = source.data[position:end]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            with self._source.lock:
                self._source.open_streams -= 1
