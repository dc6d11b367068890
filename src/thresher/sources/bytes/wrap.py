"""Byte sources made of others: parts in a row, gzip unpacked, a checksum checked on the way."""

import hashlib
import zlib
from collections.abc import Sequence

from thresher.model.errors import FormatError, VerificationError
from thresher.model.units import KIB, Bytes
from thresher.ports import ByteSource, ByteStream, Checksum
from thresher.sources.bytes.reading import cut, opened_past


class Concatenated:
    """Several files that are one: the chunks of an OVF file (DSP0243 7.1, ``ovf:chunkSize``).

    Args:
        parts: in order; at least one.
        name: what to call the whole.
    """

    def __init__(self, parts: Sequence[ByteSource], name: str) -> None:
        self._parts = tuple(parts)
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    @property
    def size(self) -> Bytes | None:
        """The sum of the parts, or None where one of them does not say."""
        total = 0
        for part in self._parts:
            size = part.size
            if size is None:
                return None
            total += size
        return Bytes(total)

    @property
    def seekable(self) -> bool:
        """Whether every part is, and says its size."""
        return all(part.seekable and part.size is not None for part in self._parts)

    def open(self, offset: int = 0) -> ByteStream:
        """Open from ``offset`` on: parts that lie before it and say their size are not touched."""
        first = 0
        for part in self._parts[:-1]:
            size = part.size
            if size is None or offset < size:
                break
            offset -= size
            first += 1
        within = offset if first == len(self._parts) - 1 or self._parts[first].size is not None else 0
        stream = _ConcatenatedStream(self._parts[first:], within)
        return opened_past(stream, offset - within, self._name)


class _ConcatenatedStream:
    def __init__(self, parts: Sequence[ByteSource], offset: int) -> None:
        self._waiting = list(parts)
        self._current: ByteStream | None = self._waiting.pop(0).open(offset)

    def readinto(self, buffer: memoryview, /) -> int:
        if not len(buffer):
            return 0
        while self._current is not None:
            count = self._current.readinto(buffer)
            if count:
                return count
            self._current.close()
            self._current = None
            if self._waiting:
                self._current = self._waiting.pop(0).open()
        return 0

    def close(self) -> None:
        self._waiting.clear()
        if self._current is not None:
            self._current.close()
            self._current = None


class Gunzip:
    """A gzip file (RFC 1952, of one or more members) unpacked while it is read.

    Its length is unknown before its end: gzip states it at the end, modulo 4 GiB, per member.
    """

    seekable = False

    def __init__(self, source: ByteSource) -> None:
        self._source = source

    @property
    def name(self) -> str:
        """The name of the packed file."""
        return self._source.name

    @property
    def size(self) -> None:
        """Unknown until the end."""
        return

    def open(self, offset: int = 0) -> ByteStream:
        """Unpack from the start, past the first ``offset`` bytes."""
        return opened_past(_GunzipStream(self._source.open(), self.name), offset, self.name)


_GZIP = 31
"""zlib's window bits for a gzip wrapper and a window of any size (zlib.h, inflateInit2: 15 + 16)."""
_PACKED = 256 * KIB


class _GunzipStream:
    def __init__(self, stream: ByteStream, name: str) -> None:
        self._stream = stream
        self._name = name
        self._buffer = memoryview(bytearray(_PACKED))
        self._packed = b""
        self._read = 0
        self._inflate = zlib.decompressobj(_GZIP)
        self._begun = False
        self._members = 0

    def readinto(self, buffer: memoryview, /) -> int:
        if not len(buffer):
            return 0
        while self._begun or self._more():
            out = self._unpack(len(buffer))
            if out:
                buffer[: len(out)] = out
                return len(out)
        return 0

    def _more(self) -> bool:
        """Whether another member follows; zeros after the last are padding, as gzip(1) has it."""
        self._packed = self._packed.lstrip(b"\0") if self._members else self._packed
        while not self._packed:
            if not self._receive():
                if not self._members:
                    raise cut(self._name, self._read, None)
                return False
            self._packed = self._packed.lstrip(b"\0") if self._members else self._packed
        self._inflate = zlib.decompressobj(_GZIP)
        self._begun = True
        return True

    def _receive(self) -> int:
        count = self._stream.readinto(self._buffer)
        self._packed = bytes(self._buffer[:count])
        self._read += count
        return count

    def _unpack(self, limit: int) -> bytes:
        """Some output, at most ``limit`` bytes; the output's bound is what keeps a zip bomb harmless."""
        before = self._read - len(self._packed)
        try:
            out = self._inflate.decompress(self._packed, limit)
        except zlib.error as error:
            raise FormatError(f"{self._name} is not valid gzip: {error}", offset=before) from error
        self._packed = self._inflate.unconsumed_tail
        if self._inflate.eof:
            self._packed = self._inflate.unused_data
            self._begun = False
            self._members += 1
        elif not out and not self._packed and not self._receive():
            raise cut(self._name, self._read, None)
        return out

    def close(self) -> None:
        self._stream.close()


class Verified:
    """A file whose checksum is compared while it passes.

    Opening it in the middle reads it from its start all the same: a checksum covers the whole file.
    """

    seekable = False

    def __init__(self, source: ByteSource, checksum: Checksum) -> None:
        self._source = source
        self._checksum = checksum

    @property
    def name(self) -> str:
        """The name of the file."""
        return self._source.name

    @property
    def size(self) -> Bytes | None:
        """The length of the file."""
        return self._source.size

    def open(self, offset: int = 0) -> ByteStream:
        """Open it; reading its last byte raises VerificationError where the checksum does not agree."""
        stream = _VerifiedStream(self._source.open(), self._checksum, self.name, self._source.size)
        return opened_past(stream, offset, self.name)


class _VerifiedStream:
    def __init__(self, stream: ByteStream, checksum: Checksum, name: str, size: int | None) -> None:
        self._stream = stream
        self._stated = checksum
        self._name = name
        self._left = size
        self._digest = hashlib.new(checksum.algorithm, usedforsecurity=False)

    def readinto(self, buffer: memoryview, /) -> int:
        if not len(buffer):
            return 0
        count = self._stream.readinto(buffer)
        self._digest.update(buffer[:count])
        if self._left is not None:
            self._left -= count
        if not count or self._left == 0:
            verify(self._name, self._stated, self._digest.hexdigest())
        return count

    def close(self) -> None:
        self._stream.close()


def verify(name: str, stated: Checksum, found: str) -> None:
    """Compare a checksum with the one stated.

    Raises:
        VerificationError: they differ.
    """
    if found != stated.hexdigest:
        raise VerificationError(
            f"{name} has the {stated.algorithm} checksum {found}, but its manifest says {stated.hexdigest}; "
            "it was changed or damaged after it was made: export or download it again"
        )
