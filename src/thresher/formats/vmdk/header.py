"""The sparse extent header, which is also the footer: 512 bytes, little-endian.

Source: VMware, *Virtual Disk Format 5.0*, "Hosted Sparse Extent Header".
"""

import struct
from dataclasses import dataclass
from typing import Self

from thresher.model.errors import VmdkError
from thresher.model.units import KIB, SECTOR, TIB, Bytes, Sectors, bytes_of_sectors, human

MAGIC = b"KDMV"
VERSIONS = range(1, 4)
FLAG_NEWLINES = 1 << 0
FLAG_COMPRESSED = 1 << 16
FLAG_MARKERS = 1 << 17
COMPRESSION_DEFLATE = 1
GD_AT_END = (1 << 64) - 1
"""A gdOffset of all ones: the footer holds the real header."""
NEWLINES = b"\n \r\n"
"""What a transfer in text mode would have broken."""

MAX_CAPACITY = Bytes(64 * TIB)
"""No platform makes a larger VMDK: vSphere's maximum is 62 TiB ("Configuration Maximums", vSphere 8)."""
MIN_GRAIN = Sectors(8)
"""The format asks for a power of 2 "greater than 8" sectors; 8 itself is met in the field."""
MAX_GRAIN = Sectors(4096)
"""2 MiB, sixteen times what platforms write; it bounds the memory for one grain."""
MAX_GRAINS = 1 << 30
"""As many as MAX_CAPACITY has of the usual 64 KiB; what remembers them stays bounded, whatever a header states."""
GTES_PER_GT = 512
MAX_PREFACE = 1 << 14
"""8 MiB for the header, the descriptor and padding in front of the data; platforms use 64 KiB."""

_LAYOUT = struct.Struct("<4sIIQQQQIQQQB4sH433x")
assert _LAYOUT.size == SECTOR  # noqa: S101  a wrong layout must not even import


@dataclass(frozen=True, slots=True)
class SparseHeader:
    """What of the header matters for a stream.

    Attributes:
        version: 1 to 3.
        capacity: of the disk, in sectors.
        grain: size of a grain, in sectors.
        overhead: where data begins, in sectors from the start of the file.
        directory: where the grain directory stands, in sectors; 0 where only the footer tells.
        footer: whether a footer has to come, because only it tells where the grain directory stands.
    """

    version: int
    capacity: Sectors
    grain: Sectors
    overhead: Sectors
    directory: Sectors
    footer: bool = False

    @property
    def capacity_bytes(self) -> Bytes:
        """The size of the disk in bytes."""
        return bytes_of_sectors(self.capacity)

    @property
    def grain_bytes(self) -> Bytes:
        """The size of a grain in bytes."""
        return bytes_of_sectors(self.grain)

    @property
    def longest_payload(self) -> int:
        """No compressed grain is as long as this, in bytes: what does not compress is stored in a little more."""
        return 2 * self.grain_bytes + 64 * KIB

    @property
    def metadata_sectors(self) -> int:
        """How many sectors one whole set of grain directory and grain tables takes."""
        tables = -(-self.capacity // (self.grain * GTES_PER_GT))
        return tables * (GTES_PER_GT * 4 // SECTOR) + -(-tables * 4 // SECTOR)

    @classmethod
    def parse(cls, data: bytes, *, offset: int = 0) -> Self:
        """Read and check the 512 bytes of a header or footer found at ``offset``.

        Raises:
            VmdkError: it is not a header of a stream-optimized VMDK, or it states what cannot be.
        """
        fields = _LAYOUT.unpack(data)
        magic, version, flags, capacity, grain, _, _, gtes, _, directory, overhead, _, newlines, algorithm = fields
        if magic != MAGIC:
            raise VmdkError("this is not a VMDK: the magic KDMV is missing", offset=offset)
        if version not in VERSIONS:
            raise VmdkError(f"VMDK version {version} is unknown (1 to 3 are known)", offset=offset)
        if not flags & FLAG_COMPRESSED or not flags & FLAG_MARKERS:
            raise VmdkError("this VMDK is not stream-optimized: it must be read with qemu-img", offset=offset)
        if flags & FLAG_NEWLINES and newlines != NEWLINES:
            raise VmdkError("the VMDK was damaged by a transfer in text mode: copy it anew", offset=offset)
        if algorithm != COMPRESSION_DEFLATE:
            raise VmdkError(f"VMDK compression {algorithm} is unknown (1, deflate, is)", offset=offset)
        _check_sizes(capacity, grain, gtes, offset)
        at_end = directory == GD_AT_END
        front = Sectors(0 if at_end else directory)
        header = cls(version, Sectors(capacity), Sectors(grain), Sectors(max(overhead, 1)), front, at_end)
        if header.overhead > 2 * header.metadata_sectors + MAX_PREFACE:
            raise VmdkError(f"the VMDK header states that data begins at sector {overhead}", offset=offset)
        return header


def _check_sizes(capacity: int, grain: int, gtes: int, offset: int) -> None:
    if not MIN_GRAIN <= grain <= MAX_GRAIN or grain & (grain - 1):
        raise VmdkError(
            f"the VMDK header states grains of {grain} sectors: a power of two from 8 to 4096 is valid",
            offset=offset,
        )
    if capacity > MAX_CAPACITY // SECTOR:
        raise VmdkError(
            f"the VMDK header states {capacity} sectors: a disk has {human(MAX_CAPACITY)} at most",
            offset=offset,
        )
    if capacity > grain * MAX_GRAINS:
        raise VmdkError(
            f"the VMDK header states {capacity} sectors in grains of {grain}: too many to keep in mind; export the"
            " disk with grains of 64 KiB",
            offset=offset,
        )
    if gtes != GTES_PER_GT:
        raise VmdkError(f"the VMDK header states {gtes} entries per grain table: 512 is valid", offset=offset)


def pack_header(
    *, capacity: Sectors, grain: Sectors, descriptor: tuple[int, int], gd_offset: int, overhead: Sectors
) -> bytes:
    """Make the 512 bytes of a stream-optimized header or footer; all places are in sectors."""
    return _LAYOUT.pack(
        MAGIC,
        3,
        FLAG_NEWLINES | FLAG_COMPRESSED | FLAG_MARKERS,
        capacity,
        grain,
        *descriptor,
        GTES_PER_GT,
        0,
        gd_offset,
        overhead,
        0,
        NEWLINES,
        COMPRESSION_DEFLATE,
    )
