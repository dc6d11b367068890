"""One disk image by itself, named by a path, a URL, or ``-`` for standard input."""

from pathlib import Path
from posixpath import dirname, join
from urllib.parse import quote

from thresher.formats.probe import HEAD_BYTES, TAIL_BYTES, ImageProbe, probe_image
from thresher.model.errors import ImageError
from thresher.model.units import Bytes
from thresher.model.vm import Disk, DiskFormat
from thresher.ports import ByteSource, ByteStream, DiskStream
from thresher.sources.bytes import HttpAccess, HttpFile, LocalFile, StdinBytes
from thresher.sources.bytes.reading import fill

STDIN = "-"


def open_bytes(location: str, access: HttpAccess) -> ByteSource:
    """The bytes at a location. Nothing is asked of a server yet. Raises UsageError for a URL that is none."""
    if location == STDIN:
        return StdinBytes()
    if "://" in location:
        return HttpFile(location, access)
    return LocalFile(Path(location))


def open_image(location: str, access: HttpAccess) -> DiskStream:
    """A disk image, looked at: its format, its capacity where the header tells, and its further files.

    Only its first bytes are read, and they are not read twice.

    Raises:
        SourceError: it cannot be read.
        FormatError: it is broken, or reaches for files elsewhere.
    """
    source = PeekedBytes(open_bytes(location, access))
    name = location if location != STDIN else source.name
    head = source.head
    probe = probe_image(head, name=name)
    if probe.format is DiskFormat.RAW and source.seekable:
        probe = probe_image(head, name=name, tail=_tail(source))
    if not head:
        raise ImageError(f"{source.name} is empty: it holds no disk image; name another file")
    siblings = tuple((extent, _beside(location, extent, access)) for extent in probe.extents)
    disk = Disk(key=Path(source.name).name, capacity=_capacity(probe), format=probe.format, file=source.name)
    return DiskStream(disk, probe.format, source, siblings=siblings)


def _capacity(probe: ImageProbe) -> Bytes | None:
    """What the header says, where the transfer does not find it out by itself.

    qemu-img takes the size of a VHD from its geometry or its footer, depending on who wrote it.
    """
    return None if probe.format is DiskFormat.VHD else probe.capacity


def _beside(location: str, name: str, access: HttpAccess) -> ByteSource:
    """The file of that plain name next to the image."""
    if location == STDIN:
        raise ImageError(f"the image needs the file {name!r} beside it, so it cannot come from standard input")
    if "://" in location:
        path, mark, query = location.partition("?")
        return HttpFile(join(dirname(path), quote(name)) + mark + query, access)
    return LocalFile(Path(location).parent / name)


def _tail(source: ByteSource) -> bytes:
    """The last bytes: all that tells a fixed VHD from a raw image."""
    if source.size is None or source.size < TAIL_BYTES:
        return b""
    stream = source.open(source.size - TAIL_BYTES)
    try:
        buffer = bytearray(TAIL_BYTES)
        return bytes(buffer[: fill(stream, memoryview(buffer))])
    finally:
        stream.close()


class PeekedBytes:
    """A byte source whose first bytes were looked at. The first to open it at 0 goes on from there.

    So that a pipe can be looked at at all, and a server is not asked twice.

    Args:
        source: opened at once. Raises SourceError.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._stream: ByteStream | None = source.open()
        buffer = bytearray(HEAD_BYTES)
        try:
            self.head = bytes(buffer[: fill(self._stream, memoryview(buffer))])
        except BaseException:
            self._stream.close()
            raise

    @property
    def name(self) -> str:
        """The source's."""
        return self._source.name

    @property
    def size(self) -> Bytes | None:
        """The source's."""
        return self._source.size

    @property
    def seekable(self) -> bool:
        """The source's."""
        return self._source.seekable

    @property
    def version(self) -> str:
        """The source's."""
        return self._source.version

    def open(self, offset: int = 0) -> ByteStream:
        """Go on with what was looked at, once and from 0; else open the source. Raises SourceError."""
        if offset == 0 and self._stream is not None:
            stream, self._stream = self._stream, None
            return _Rewound(self.head, stream)
        return self._source.open(offset)


class _Rewound:
    def __init__(self, head: bytes, rest: ByteStream) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._head:
            return self._rest.readinto(buffer)
        count = min(len(self._head), len(buffer))
        buffer[:count] = self._head[:count]
        self._head = self._head[count:]
        return count

    def close(self) -> None:
        self._rest.close()
