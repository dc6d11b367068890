"""Stream-optimized VMDKs made by hand, well-formed or broken on purpose, independent of our own writer.

Written from VMware's "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents": header,
descriptor, grains, grain tables, grain directory, footer and end-of-stream marker, each behind its marker.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from thresher.model.units import SECTOR

GD_AT_END = 0xFFFF_FFFF_FFFF_FFFF
GTES_PER_GT = 512
END_OF_STREAM, GRAIN_TABLE, GRAIN_DIRECTORY, FOOTER = range(4)
_HEADER = "<4sIIQQQQIQQQB4sH"
_COMPRESSED_AND_MARKERS = 0x30001  # flags: valid newline test, compressed grains, markers
_OVERHEAD = 128
_GRAIN_HEADER = 12


def padded(data: bytes) -> bytes:
    """``data`` up to the next sector's edge."""
    return data + b"\0" * (-len(data) % SECTOR)


def grain(lba: int, data: bytes) -> bytes:
    """One compressed grain at sector ``lba``."""
    packed = zlib.compress(data)
    return padded(struct.pack("<QI", lba, len(packed)) + packed)


def marker(kind: int, payload: bytes = b"") -> bytes:
    """A marker and the sectors that follow it."""
    payload = padded(payload)
    return padded(struct.pack("<QII", len(payload) // SECTOR, 0, kind)) + payload


@dataclass(frozen=True, slots=True)
class Header:
    """The sparse extent header's fields that tests turn (all in sectors, where they are lengths)."""

    capacity: int
    grain_size: int = 128
    version: int = 3
    gd_offset: int = GD_AT_END

    def pack(self) -> bytes:
        """The header as its sector."""
        fields = (b"KDMV", self.version, _COMPRESSED_AND_MARKERS, self.capacity, self.grain_size)
        places = (1, 20, GTES_PER_GT, 0, self.gd_offset, _OVERHEAD)
        return padded(struct.pack(_HEADER, *fields, *places, 0, b"\n \r\n", 1))


def descriptor(capacity: int) -> bytes:
    """The embedded descriptor, padded to its twenty sectors."""
    text = (
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        f'createType="streamOptimized"\nRDONLY {capacity} SPARSE "disk.vmdk"\n'
        'ddb.adapterType = "lsilogic"\nddb.virtualHWVersion = "13"\n'
    )
    return text.encode().ljust(20 * SECTOR, b"\0")


@dataclass(slots=True)
class Stream:
    """A stream in the making. ``bytes(stream.finish())`` is a VMDK that qemu-img reads."""

    header: Header
    body: bytearray = field(default_factory=bytearray)
    places: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.body += self.header.pack() + descriptor(self.header.capacity)
        self.body += b"\0" * (_OVERHEAD * SECTOR - len(self.body))

    @property
    def sector(self) -> int:
        """Where the next thing goes."""
        return len(self.body) // SECTOR

    def add(self, lba: int, data: bytes) -> None:
        """Append a grain and note where it lies."""
        self.places[lba // self.header.grain_size] = self.sector
        self.body += grain(lba, data)

    def finish(self) -> bytes:
        """Append tables, directory, footer and end marker, as VMware's exports end."""
        directory = self.tables()
        self.body += marker(GRAIN_DIRECTORY, b"".join(struct.pack("<I", at) for at in directory))
        size = max(1, -(-len(directory) * 4 // SECTOR))
        footer = Header(self.header.capacity, self.header.grain_size, self.header.version, self.sector - size)
        self.body += marker(FOOTER, footer.pack())
        self.body += marker(END_OF_STREAM)
        return bytes(self.body)

    def tables(self) -> list[int]:
        """Append the grain tables and return each one's sector, 0 for one that holds nothing."""
        grains = -(-self.header.capacity // self.header.grain_size)
        directory = []
        for first in range(0, grains, GTES_PER_GT):
            entries = [self.places.get(index, 0) for index in range(first, first + GTES_PER_GT)]
            directory.append(self.sector + 1 if any(entries) else 0)
            if any(entries):
                self.body += marker(GRAIN_TABLE, struct.pack(f"<{GTES_PER_GT}I", *entries))
        return directory


def stream(header: Header, grains: Mapping[int, bytes] | Iterable[tuple[int, bytes]]) -> bytes:
    """A whole stream of ``grains`` (sector and data) in the order given."""
    made = Stream(header)
    for lba, data in grains.items() if isinstance(grains, Mapping) else grains:
        made.add(lba, data)
    return made.finish()


def in_grains(raw: bytes, grain_size: int = 128) -> dict[int, bytes]:
    """Cut a raw disk into the grains that are not zero; the last may be short."""
    size = grain_size * SECTOR
    cuts = {start // SECTOR: raw[start : start + size] for start in range(0, len(raw), size)}
    return {lba: data for lba, data in cuts.items() if any(data)}


def grain_ends(data: bytes) -> list[int]:
    """Where each grain of a stream without markers between its grains ends, padding included."""
    ends = []
    at = struct.unpack_from("<Q", data, 64)[0] * SECTOR  # the header's overHead
    while at < len(data) and (size := struct.unpack_from("<QI", data, at)[1]):
        at += len(padded(bytes(_GRAIN_HEADER + size)))
        ends.append(at)
    return ends
