"""Writes a stream-optimized VMDK in vCenter's layout: tables behind the grains, and a footer."""

import struct
import zlib
from collections.abc import Iterable, Iterator

from thresher.formats.vmdk.header import GD_AT_END, GTES_PER_GT, pack_header
from thresher.model.extent import Extent
from thresher.model.units import SECTOR, Bytes, Sectors

GRAIN = Sectors(128)
_GRAIN_BYTES = GRAIN * SECTOR
_OVERHEAD = Sectors(128)
_DESCRIPTOR = (1, 20)
"""The descriptor's place and size, in sectors."""
_EMPTY_TABLE = [0] * GTES_PER_GT

_DESCRIPTOR_TEXT = """\
# Disk DescriptorFile
version=1
CID={cid:08x}
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RDONLY {sectors} SPARSE "disk.vmdk"

# The Disk Data Base
ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "{cylinders}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.virtualHWVersion = "13"
"""


def write_stream(extents: Iterable[Extent], capacity: Bytes, *, level: int = 6) -> Iterator[bytes]:
    """Yield the bytes of a VMDK that holds ``extents``; what they leave out is zero.

    Args:
        extents: in ascending order, not overlapping, within ``capacity``.
        capacity: of the disk, in bytes; a multiple of 512.
        level: of compression, 0 to 9 as in zlib.

    Raises:
        ValueError: the extents or the capacity are not as said above.
    """
    if capacity % SECTOR:
        raise ValueError(f"a disk's capacity is a multiple of {SECTOR} bytes, not {capacity}")
    sectors = Sectors(capacity // SECTOR)
    yield _front(sectors)
    at = int(_OVERHEAD)  # where the next element goes, in sectors
    tables = -(-sectors // (GRAIN * GTES_PER_GT))
    directory = [0] * tables
    table, entries = 0, _EMPTY_TABLE.copy()
    for index, data in grains(extents, capacity):
        number, entry = divmod(index, GTES_PER_GT)
        if number != table:
            if any(entries):
                yield _metadata(1, entries)
                directory[table] = at + 1
                at += 1 + _sectors_of(entries)
            table, entries = number, _EMPTY_TABLE.copy()
        element = grain(Sectors(index * GRAIN), zlib.compress(data, level))
        entries[entry] = at
        at += len(element) // SECTOR
        yield element
    if any(entries):
        yield _metadata(1, entries)
        directory[table] = at + 1
        at += 1 + _sectors_of(entries)
    yield _metadata(2, directory)
    yield marker(3, 1)
    yield _header(sectors, at + 1)
    yield marker(0, 0)


def grain(lba: Sectors, payload: bytes) -> bytes:
    """One grain element, padded to a sector."""
    return _pad(struct.pack("<QI", lba, len(payload)) + payload)


def marker(kind: int, sectors: int) -> bytes:
    """One marker element: 0 end of stream, 1 grain table, 2 grain directory, 3 footer."""
    return _pad(struct.pack("<QII", sectors, 0, kind))


def grains(extents: Iterable[Extent], capacity: Bytes) -> Iterator[tuple[int, bytes]]:
    """Cut extents into whole grains of 64 KiB, leaving out those that are all zero; the last may be short.

    Raises:
        ValueError: the extents are not in ascending order, overlap, or exceed ``capacity``.
    """
    index, buffer, end = -1, bytearray(), 0
    for extent in extents:
        if extent.offset < end or extent.end > capacity:
            raise ValueError(f"the extent at {extent.offset} overlaps, goes back or exceeds the disk")
        end = extent.end
        if extent.data is None:
            continue
        data, place = memoryview(extent.data), int(extent.offset)
        while data:
            number, inside = divmod(place, _GRAIN_BYTES)
            if number != index:
                yield from _if_data(index, buffer)
                index, buffer = number, bytearray(min(_GRAIN_BYTES, capacity - number * _GRAIN_BYTES))
            step = min(len(data), _GRAIN_BYTES - inside)
            buffer[inside : inside + step] = data[:step]
            data, place = data[step:], place + step
    yield from _if_data(index, buffer)


def _if_data(index: int, buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    if buffer.count(0) != len(buffer):
        yield index, bytes(buffer)


def _front(sectors: Sectors) -> bytes:
    text = _DESCRIPTOR_TEXT.format(cid=0xFFFFFFFE, sectors=sectors, cylinders=sectors // (255 * 63))
    return (_header(sectors, GD_AT_END) + text.encode()).ljust(_OVERHEAD * SECTOR, b"\0")


def _header(sectors: Sectors, gd_offset: int) -> bytes:
    return pack_header(capacity=sectors, grain=GRAIN, descriptor=_DESCRIPTOR, gd_offset=gd_offset, overhead=_OVERHEAD)


def _metadata(kind: int, entries: list[int]) -> bytes:
    body = _pad(struct.pack(f"<{len(entries)}I", *entries))
    return marker(kind, len(body) // SECTOR) + body


def _sectors_of(entries: list[int]) -> int:
    return -(-len(entries) * 4 // SECTOR)


def _pad(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // SECTOR) * SECTOR, b"\0")
