"""Disks in memory as a source would serve them, and one transfer of one of them."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from thresher.model.errors import StreamCut
from thresher.model.units import Bytes
from thresher.model.vm import Disk, DiskFormat
from thresher.ports import ByteStream, Checksum, DiskResult, DiskStream, ProgressSink
from thresher.transfer.disk import DiskTransfer, Options

DURABLE = Options()


@dataclass
class MemoryBytes:
    """A ByteSource over bytes, which can break off.

    Attributes:
        data: the content.
        seekable: whether it may be opened in the middle at no cost.
        version: what changes with the content.
        known: whether it tells its size.
        cuts: places in the content where a stream breaks off with StreamCut, once each, in order.
        opened: where it was opened, in order.
        served: bytes given out.
        on_read: called before each read with the place in the content.
    """

    data: bytes
    seekable: bool = True
    version: str = "v1"
    known: bool = True
    cuts: list[int] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    served: int = 0
    name: str = "memory"
    on_read: Callable[[int], None] = lambda _: None

    @property
    def size(self) -> Bytes | None:
        """Its length, where it tells."""
        return Bytes(len(self.data)) if self.known else None

    def open(self, offset: int = 0) -> ByteStream:
        """Open it from ``offset`` on."""
        self.opened.append(offset)
        return _MemoryStream(self, offset)


class _MemoryStream:
    def __init__(self, source: MemoryBytes, offset: int) -> None:
        self._source = source
        self._at = offset

    def readinto(self, buffer: memoryview, /) -> int:
        source = self._source
        source.on_read(self._at)
        if source.cuts and self._at >= source.cuts[0]:
            raise StreamCut(f"{source.name} broke off at byte {source.cuts.pop(0)}")
        end = self._at + len(buffer)
        if source.cuts:
            end = min(end, source.cuts[0])
        data = source.data[self._at : end]
        buffer[: len(data)] = data
        self._at += len(data)
        source.served += len(data)
        return len(data)

    def close(self) -> None:
        """Nothing to give back."""


def disk_stream(
    source: MemoryBytes | None,
    form: DiskFormat,
    *,
    capacity: int | None = None,
    checksum: Checksum | None = None,
) -> DiskStream:
    """A disk as a source opens it."""
    disk = Disk("disk-1", None if capacity is None else Bytes(capacity))
    return DiskStream(disk, form, source, checksum)


def transfer(
    stream: DiskStream,
    path: Path,
    *,
    options: Options = DURABLE,
    stop: threading.Event | None = None,
    progress: ProgressSink = lambda _: None,
) -> DiskResult:
    """Transfer one disk with two workers. Raises ThresherError."""
    with ThreadPoolExecutor(2) as workers:
        return DiskTransfer(
            stream,
            path,
            workers,
            options=options,
            progress=progress,
            stop=stop or threading.Event(),
        ).run()
