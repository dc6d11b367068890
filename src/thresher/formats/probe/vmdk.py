"""VMDK: descriptors, hosted sparse extents and ESX sparse extents of VMware's Virtual Disk Format 5.0.

Where qemu-img is laxer than the specification, what counts is where it would look for files: QEMU,
block/vmdk.c.
"""

import re

from thresher.formats.names import fault_of_name
from thresher.formats.probe.found import HEAD_BYTES, Head, ImageProbe
from thresher.model.errors import ImageError
from thresher.model.units import SECTOR, Bytes, Sectors, bytes_of_sectors
from thresher.model.vm import DiskFormat

_COMPRESSED = 1 << 16
_MARKERS = 1 << 17
_DEFLATE = 1
_MAX_VERSION = 3
_NO_PARENT = 0xFFFFFFFF
_SECTOR_DIGITS = 18
_QEMU_DESCRIPTOR = SECTOR, 20 * SECTOR
"""QEMU looks for a parent in these bytes of any sparse extent, whatever its header says."""

_TITLE = re.compile(rb"# *disk +descriptorfile", re.IGNORECASE)
_VERSION = re.compile(rb"(?:[ \t]*(?:#[^\n]*|\r)?\n)*[ \t]*version[ \t]*=", re.IGNORECASE)
_PARENT_CID = re.compile(rb"parentCID[ \t]*=[ \t]*([0-9a-f]{1,16})", re.IGNORECASE)
_PARENT_HINT = re.compile(rb'parentFileNameHint(?!="")', re.IGNORECASE)
# QEMU reads an extent with sscanf, for which the end of a line is a blank like any other, and the blanks
# before the type and before the name may be missing.
_EXTENT = re.compile(
    rb'^[ \t\r\v\f]*(?:RW|RDONLY|NOACCESS)\s+\+?([0-9]+)\s*([A-Za-z]\w*)(?:\s*"([^"\r\n]*)")?',
    re.IGNORECASE | re.MULTILINE,
)


def is_descriptor(head: bytes) -> bool:
    """Whether this is a text descriptor: by its first line, or by the version that QEMU goes by."""
    return bool(_TITLE.match(head) or _VERSION.match(head))


def probe_descriptor(head: Head) -> ImageProbe:
    """Read a text descriptor.

    Raises:
        ImageError: it has a parent or names an extent that is no plain file beside it, or is too long.
    """
    text, ended, _ = head.data[:HEAD_BYTES].partition(b"\0")
    if not ended and len(head.data) >= HEAD_BYTES:
        raise head.refused(f"is a VMDK descriptor of more than {HEAD_BYTES} bytes")
    return _probe_text(head, text)


def probe_sparse(head: Head) -> ImageProbe:
    """Read a hosted sparse extent.

    Its own grains are the disk, and what an embedded descriptor calls them does not matter, unless the header
    states no capacity: then QEMU follows the descriptor.

    Raises:
        ImageError: it is damaged, has a parent, or names an extent that is no plain file beside it.
    """
    version, flags, capacity = head.little(4, 4), head.little(8, 4), head.little(12, 8)
    if not 1 <= version <= _MAX_VERSION:
        raise head.refused(f"is a VMDK of version {version}; known are 1 to {_MAX_VERSION}", 4)
    algorithm = head.little(77, 2)
    text = _embedded_descriptor(head)
    _refuse_parent(head, text)
    _refuse_parent_for_qemu(head)
    if not capacity:
        return _probe_text(head, text)
    stream = flags & _COMPRESSED and flags & _MARKERS and algorithm == _DEFLATE
    return ImageProbe(DiskFormat.VMDK_STREAM if stream else DiskFormat.VMDK, bytes_of_sectors(Sectors(capacity)))


def probe_cowd(head: Head) -> ImageProbe:
    """Read an ESX sparse extent. Raises ImageError where QEMU would find a parent in it."""
    _refuse_parent_for_qemu(head)
    return ImageProbe(DiskFormat.VMDK, bytes_of_sectors(Sectors(head.little(12, 4))))


def _embedded_descriptor(head: Head) -> bytes:
    start, length = SECTOR * head.little(28, 8), SECTOR * head.little(36, 8)
    if not start:
        return b""
    if start + length > len(head.data):
        raise head.refused(f"has its descriptor beyond its first {len(head.data)} bytes", 28)
    return head.data[start : start + length].partition(b"\0")[0]


def _probe_text(head: Head, text: bytes) -> ImageProbe:
    _refuse_parent(head, text)
    sectors, names = 0, list[str]()
    for extent in _EXTENT.finditer(text):
        if len(extent[1]) > _SECTOR_DIGITS:
            raise head.refused("is a VMDK descriptor with an extent too large for any disk", extent.start())
        sectors += int(extent[1])
        if extent[3] is not None:
            names.append(_extent_name(head, extent[3]))
        elif extent[2].upper() != b"ZERO":
            raise head.refused("is a VMDK descriptor with an extent without a file name", extent.start())
    if not sectors:
        raise head.refused("is a VMDK descriptor without extents")
    return ImageProbe(DiskFormat.VMDK, Bytes(sectors * SECTOR), tuple(names))


def _refuse_parent(head: Head, text: bytes) -> None:
    cids = (int(found[1], 16) for found in _PARENT_CID.finditer(text))
    if any(cid != _NO_PARENT for cid in cids) or _PARENT_HINT.search(text):
        raise _parent(head)


def _refuse_parent_for_qemu(head: Head) -> None:
    start, length = _QEMU_DESCRIPTOR
    if _PARENT_HINT.search(head.data[start : start + length]):
        raise _parent(head)


def _parent(head: Head) -> ImageError:
    return head.refused("is the snapshot or linked clone of a parent outside the image: consolidate it first")


def _extent_name(head: Head, raw: bytes) -> str:
    """Check that an extent is a plain file beside the descriptor: no path, device or URL of qemu-img's."""
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise head.refused("names an extent that is not UTF-8: rename it") from None
    fault = fault_of_name(name)
    if fault is None and "/" in name:
        fault = "is in another directory"
    if fault is None and ":" in name:
        fault = "qemu-img takes for a URL, by its colon"
    if fault is not None:
        raise head.refused(
            f"names the extent {name!r}, which {fault}: make one file of it with 'qemu-img convert' first"
        )
    return name
