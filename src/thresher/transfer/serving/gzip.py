"""A sparse file as gzip (RFC 1952): data in stored blocks, holes as ready-made deflate blocks.

Nothing is compressed but zeros: whoever unpacks is the bottleneck, and stored blocks cost it least. A hole costs next
to nothing on either side: a MiB of it is about a KiB on the wire, and its CRC is computed without reading it.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from thresher.model.units import MIB
from thresher.transfer.serving.crc import crc_of, crc_of_zeros
from thresher.transfer.serving.extents import runs

Buffers = Sequence[bytes | memoryview]

_HEADER: Final = bytes.fromhex("1f8b08000000000000ff")
"""RFC 1952, section 2.3: gzip, deflate, no flags, no time, no extra flags, unknown system."""
_STORED_MAX: Final = 0xFFFF
"""RFC 1951, section 3.2.4: LEN of a stored block has 16 bits."""
_LAST_BLOCK: Final = bytes.fromhex("010000ffff")
"""RFC 1951, sections 3.2.3 and 3.2.4: an empty stored block with BFINAL."""
_BLOCKS: Final = 16
BUFFER: Final = _BLOCKS * _STORED_MAX
"""Bytes of memory that one client costs."""
_MODULUS: Final = 1 << 32


def gzipped(descriptor: int, size: int, buffer: memoryview) -> Iterator[Buffers]:
    """Yield the gzip stream of the file's first ``size`` bytes, a list of buffers at a time.

    Args:
        descriptor: of the open file.
        size: its length.
        buffer: BUFFER bytes to read into; what was yielded is valid until the next step.

    Raises:
        OSError: the file cannot be read, or its length is no longer ``size``. The stream has no trailer then.
    """
    crc = 0
    yield (_HEADER,)
    for offset, length, is_data in runs(descriptor, size):
        if is_data:
            for chunk in _chunks(descriptor, offset, length, buffer):
                crc = crc_of(chunk, crc)
                yield _stored(chunk)
        else:
            crc = crc_of_zeros(length, crc)
            yield from _hole(length)
    if os.fstat(descriptor).st_size != size:  # what was cut off it looked like a hole
        raise OSError(f"the file has no longer the {size} bytes that it had")
    yield (_LAST_BLOCK, struct.pack("<II", crc, size % _MODULUS))


def _chunks(descriptor: int, offset: int, length: int, buffer: memoryview) -> Iterator[memoryview]:
    end = offset + length
    while offset < end:
        count = os.preadv(descriptor, [buffer[: end - offset]], offset)
        if count == 0:
            raise OSError(f"the file ended at byte {offset}, before its size")
        yield buffer[:count]
        offset += count


def _stored(chunk: memoryview) -> Buffers:
    """Stored blocks (RFC 1951, section 3.2.4): each begins at a byte, as the one before ends at one."""
    parts: list[bytes | memoryview] = []
    for start in range(0, len(chunk), _STORED_MAX):
        block = chunk[start : start + _STORED_MAX]
        parts += (struct.pack("<BHH", 0, len(block), len(block) ^ _STORED_MAX), block)
    return parts


def _hole(length: int) -> Iterator[Buffers]:
    whole, rest = divmod(length, MIB)
    for start in range(0, whole, _BLOCKS):
        yield (_zeros(MIB),) * min(_BLOCKS, whole - start)
    if rest:
        yield (_zeros(rest),)


@lru_cache(maxsize=256)
def _zeros(length: int) -> bytes:
    """Deflate blocks of so many zeros that end at a byte and refer to nothing before them."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return deflater.compress(bytes(length)) + deflater.flush(zlib.Z_FULL_FLUSH)
