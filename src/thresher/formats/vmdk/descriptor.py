"""The text descriptor of a VMDK whose data lie in other files.

Source: VMware, *Virtual Disk Format 5.0*, "The Extent Descriptions".
"""

import re
from dataclasses import dataclass

from thresher.model.errors import VmdkError
from thresher.model.units import Sectors

FLAT_TYPES = frozenset({"FLAT", "VMFS"})
"""Extents that hold the disk's bytes as they are."""
SPARSE_TYPES = frozenset({"SPARSE", "VMFSSPARSE"})
"""Extents with a header of their own, which states their capacity."""

_ACCESS = re.compile(r"\s*(RW|RDONLY|NOACCESS)\b", re.IGNORECASE)
_EXTENT = re.compile(
    r'\s*(?:RW|RDONLY)\s+([0-9]{1,18})\s+([A-Z]+)(?:\s+"([^"]+)"(?:\s+([0-9]{1,18}))?)?\s*\Z', re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class DescriptorExtent:
    """One extent of a split disk.

    Attributes:
        sectors: its length, in sectors.
        type: ``ZERO``, or one of FLAT_TYPES or SPARSE_TYPES.
        name: the file that holds it; "" for ``ZERO``.
        offset: where in that file a flat extent begins, in sectors.
    """

    sectors: Sectors
    type: str
    name: str = ""
    offset: int = 0


def parse_extents(text: str) -> tuple[DescriptorExtent, ...]:
    """The extents of a descriptor, in the disk's order.

    Raises:
        VmdkError: an extent may not be read, or is of a kind that is not known.
    """
    return tuple(_extent(line) for line in text.splitlines() if _ACCESS.match(line))


def _extent(line: str) -> DescriptorExtent:
    found = _EXTENT.match(line)
    if found is None:
        raise VmdkError(f"the VMDK descriptor has an extent that cannot be read: {line.strip()[:100]!r}")
    kind, name = found[2].upper(), found[3] or ""
    known = name if kind in FLAT_TYPES | SPARSE_TYPES else kind == "ZERO" and not name
    if not known:
        raise VmdkError(
            f"the VMDK descriptor has an extent of the type {kind}, which is not read: make one file of the disk with"
            " vmware-vdiskmanager or vmkfstools first"
        )
    return DescriptorExtent(Sectors(int(found[1])), kind, name, int(found[4] or 0))
