"""VHD and VHDX.

VHD: Microsoft, Virtual Hard Disk Image Format Specification (2006), "Hard Disk Footer Format"; dynamic disks
begin with a copy of the footer. VHDX: [MS-VHDX], sections 2.2 (header section) and 2.6 (metadata region).
"""

from thresher.formats.probe.found import Head, ImageProbe
from thresher.model.units import KIB, Bytes
from thresher.model.vm import DiskFormat

TAIL_BYTES = 512
"""The length of a VHD's footer."""

_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4

_REGION_TABLE = 192 * KIB
_METADATA_REGION = bytes.fromhex("06a27c8b90479a4bb8fe575f050f886e")  # 8B7CA206-4790-4B9A-B8FE-575F050F886E
_FILE_PARAMETERS = bytes.fromhex("3767a1ca36fa434db3b633f0aa44e76b")  # CAA16737-FA36-4D43-B3B6-33F0AA44E76B
_VIRTUAL_DISK_SIZE = bytes.fromhex("2442a52f1bcd7648b2115dbed83bf4b8")  # 2FA54224-CD1B-4876-B211-5DBED83BF4B8
_HAS_PARENT = 1 << 1
_MAX_ENTRIES = 2047
"""As many entries as each of the tables may hold ([MS-VHDX] 2.2.3.1 and 2.6.1.1)."""


def probe_vhd(head: Head) -> ImageProbe:
    """Read a VHD's footer, or the copy that a dynamic one begins with.

    Raises:
        ImageError: it is damaged, or a differencing disk, whose parent is another file.
    """
    footer = head.data[:TAIL_BYTES]
    kind = head.big(60, 4)
    # The checksum is the ones' complement of the sum of the footer's bytes without the checksum.
    if head.big(64, 4) != ~(sum(footer) - sum(footer[64:68])) & 0xFFFFFFFF:
        raise head.refused("has a VHD footer with a wrong checksum: fetch it again", 64)
    if kind == _DIFFERENCING:
        raise head.refused("is a differencing VHD, whose parent is outside the image: merge it first", 60)
    if kind not in (_FIXED, _DYNAMIC):
        raise head.refused(f"is a VHD of the unknown type {kind}", 60)
    return ImageProbe(DiskFormat.VHD, Bytes(head.big(48, 8)))


def probe_fixed_vhd(head: Head, tail: bytes) -> ImageProbe | None:
    """Recognise a fixed VHD: raw data with a footer behind it. Raises ImageError."""
    footer = tail[-TAIL_BYTES:]
    return probe_vhd(Head(footer, head.name)) if footer.startswith(b"conectix") else None


def probe_vhdx(head: Head) -> ImageProbe:
    """Read as much of a VHDX's metadata as the head holds.

    Raises:
        ImageError: it is a differencing disk, whose parent is another file.
    """
    metadata = _entry(head.data, _REGION_TABLE, b"regi", _METADATA_REGION)
    if metadata is None:
        return ImageProbe(DiskFormat.VHDX, None)
    region = int.from_bytes(metadata[:8], "little")
    parameters = _item(head.data, region, _FILE_PARAMETERS)
    if parameters and int.from_bytes(parameters[4:8], "little") & _HAS_PARENT:
        raise head.refused("is a differencing VHDX, whose parent is outside the image: merge it first")
    size = _item(head.data, region, _VIRTUAL_DISK_SIZE)
    return ImageProbe(DiskFormat.VHDX, Bytes(int.from_bytes(size, "little")) if size else None)


def _item(data: bytes, region: int, guid: bytes) -> bytes | None:
    """The eight bytes of a metadata item, where the head holds them."""
    entry = _entry(data, region, b"metadata", guid)
    if entry is None:
        return None
    at = region + int.from_bytes(entry[:4], "little")
    item = data[at : at + 8]
    return item if len(item) == 8 else None  # noqa: PLR2004 (both items are eight bytes long)


def _entry(data: bytes, table: int, signature: bytes, guid: bytes) -> bytes | None:
    """What follows ``guid`` in its 32-byte entry of a region table or a metadata table."""
    if not data.startswith(signature, table):
        return None
    # A region table has a header of 16 bytes with the count at 8, a metadata table one of 32 with it at 10.
    first, count_at, count_size = (16, 8, 4) if signature == b"regi" else (32, 10, 2)
    count = int.from_bytes(data[table + count_at : table + count_at + count_size], "little")
    for at in range(table + first, table + first + 32 * min(count, _MAX_ENTRIES), 32):
        if data.startswith(guid, at):
            return data[at + 16 : at + 32]
    return None
