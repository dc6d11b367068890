"""Quantities with their unit in the type, so that MiB can never be taken for bytes or for megabytes.

vSphere's "MB" and OpenStack's "GB" are both binary: VirtualHardware.memoryMB counts MiB and a Cinder
volume's size counts GiB.
"""

from typing import NewType

Bytes = NewType("Bytes", int)
"""A count of 8-bit bytes."""
MiB = NewType("MiB", int)
"""A count of mebibytes, 2**20 bytes each."""
GiB = NewType("GiB", int)
"""A count of gibibytes, 2**30 bytes each."""
Sectors = NewType("Sectors", int)
"""A count of 512-byte sectors, the unit of VMDK headers."""

SECTOR = 512
KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40


def bytes_of_sectors(sectors: Sectors) -> Bytes:
    """Convert sectors of 512 bytes to bytes."""
    return Bytes(sectors * SECTOR)


def bytes_of_mib(size: MiB) -> Bytes:
    """Convert mebibytes to bytes."""
    return Bytes(size * MIB)


def bytes_of_gib(size: GiB) -> Bytes:
    """Convert gibibytes to bytes."""
    return Bytes(size * GIB)


def mib_of_bytes(size: Bytes) -> MiB:
    """Convert bytes to mebibytes, rounding up: a VM never gets less memory than it had."""
    return MiB(-(-size // MIB))


def gib_of_bytes(size: Bytes) -> GiB:
    """Convert bytes to gibibytes, rounding up: a volume is never smaller than its disk."""
    return GiB(-(-size // GIB))


def human(size: int) -> str:
    """Format a byte count for people, in binary units: ``human(1536) == "1.5 KiB"``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < KIB or unit == "TiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= KIB
    raise AssertionError("unreachable: the last unit always returns")
