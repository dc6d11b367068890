"""How a random-access image is put together: what is served to qemu-img, and where each piece of the disk goes.

QEMU's vmdk driver follows a split VMDK's descriptor to local files alone (it takes a URL there for a file's name, and
an extent that its options define still gets that name, which the nbd driver refuses; seen with Debian's QEMU 7.2). It
skips extents of zeros and those it may not write as if they were no part of the disk (block/vmdk.c,
vmdk_parse_extents). So the descriptor is read here, and qemu-img gets each extent by itself, with the place where it
belongs.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thresher.formats.probe import HEAD_BYTES, probe_image
from thresher.formats.probe.vmdk import is_descriptor
from thresher.formats.vmdk import SPARSE_TYPES, DescriptorExtent, parse_extents
from thresher.model.errors import ImageError
from thresher.model.units import SECTOR, Bytes, bytes_of_sectors
from thresher.model.vm import DiskFormat
from thresher.ports import ByteSource, DiskStream
from thresher.transfer.buffers import Filler
from thresher.transfer.nbd import Served

DRIVERS = {
    DiskFormat.VMDK: "vmdk",
    DiskFormat.QCOW2: "qcow2",
    DiskFormat.VHD: "vpc",
    DiskFormat.VHDX: "vhdx",
}
"""Our formats by the names of QEMU's block drivers."""
_STATES_ITS_PARENT = frozenset({DiskFormat.VMDK, DiskFormat.QCOW2, DiskFormat.VHDX})
"""Formats that their first bytes tell; a fixed VHD begins with the guest's own."""
_HAS_REDUNDANT_TABLES = 1 << 1
_HOSTED, _ESX = b"KDMV", b"COWD"
_CID_SECTOR = b"CID=fffffffe\nparentCID=ffffffff\n".ljust(SECTOR, b"\0")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of the disk that qemu-img converts at a time.

    Attributes:
        export: what is served to it.
        driver: QEMU's name for the export's format.
        start: where in the export a raw piece begins, in bytes.
        place: where on the disk it belongs, in bytes; None for the whole disk, whose length qemu-img finds out.
        length: in bytes; counts for progress only where ``place`` is None.
    """

    export: str
    driver: str
    start: int = 0
    place: int | None = None
    length: int = 1

    def options(self, socket: str) -> dict[str, Any]:
        """QEMU's block options for this piece."""
        options: dict[str, Any] = {
            "driver": self.driver,
            "file": {"driver": "nbd", "server": {"type": "unix", "path": socket}, "export": self.export},
        }
        if self.driver == "raw":
            options |= {"offset": self.start, "size": self.length}
        return options


@dataclass(frozen=True, slots=True)
class Layout:
    """A disk in pieces.

    Attributes:
        exports: what is served, by name.
        pieces: in the disk's order; what no piece covers is zeros.
        capacity: the disk's size, where the pieces do not tell qemu-img.
    """

    exports: Mapping[str, Served]
    pieces: tuple[Piece, ...] = field(default=())
    capacity: Bytes | None = None


def layout(stream: DiskStream, source: ByteSource, siblings: Mapping[str, ByteSource]) -> Layout:
    """Read the image's head and say how it is put together.

    Raises:
        FormatError: it reaches outside itself, or its files do not fit together.
        SourceError: the bytes could not be had.
    """
    if stream.format in _STATES_ITS_PARENT:
        head = _head(source)
        probe = probe_image(head, name=source.name)
        if is_descriptor(head):
            return _split(head, probe.capacity, source.name, siblings)
        if probe.extents:
            raise ImageError(
                f"the disk image {source.name!r} keeps its data in other files, and its descriptor in a sparse extent:"
                " make one file of it with 'qemu-img convert' first"
            )
    return Layout({"disk": Served(source)}, (Piece("disk", DRIVERS[stream.format]),))


def _head(source: ByteSource) -> bytes:
    buffer = bytearray(min(HEAD_BYTES, HEAD_BYTES if source.size is None else source.size))
    stream = source.open()
    try:
        return bytes(buffer[: Filler(stream, math.inf).fill(buffer)])
    finally:
        stream.close()


def _split(head: bytes, capacity: Bytes | None, name: str, siblings: Mapping[str, ByteSource]) -> Layout:
    extents = parse_extents(head.partition(b"\0")[0].decode(errors="replace"))
    exports: dict[str, Served] = {}
    pieces: list[Piece] = []
    place = 0
    for number, extent in enumerate(extents):
        length = bytes_of_sectors(extent.sectors)
        if extent.name and length:
            export = f"extent-{number}"
            exports[export] = _served(extent, name, siblings)
            driver = "vmdk" if extent.type in SPARSE_TYPES else "raw"
            pieces.append(Piece(export, driver, extent.offset * SECTOR, place, length))
        place += length
    if place != capacity:
        raise ImageError(
            f"the extents of {name!r} add up to {place} bytes, not to {capacity}: its descriptor is damaged"
        )
    return Layout(exports, tuple(pieces), Bytes(place))


def _served(extent: DescriptorExtent, name: str, siblings: Mapping[str, ByteSource]) -> Served:
    source = siblings.get(extent.name)
    if source is None:
        raise ImageError(
            f"the disk image {name!r} needs its extent {extent.name!r}, which is missing: put it beside it"
        )
    if extent.type in SPARSE_TYPES:
        return _sparse_extent(extent, source)
    end = extent.offset * SECTOR + bytes_of_sectors(extent.sectors)
    if source.size is None or source.size < end:
        raise ImageError(
            f"the extent {extent.name!r} of {name!r} has {source.size} bytes where its descriptor needs {end}:"
            " it is cut short; get it again"
        )
    return Served(source)


def _sparse_extent(extent: DescriptorExtent, source: ByteSource) -> Served:
    head = _head(source)
    probe = probe_image(head, name=source.name)
    if not head.startswith((_HOSTED, _ESX)) or probe.extents:
        raise ImageError(f"the extent {extent.name!r} is no sparse extent, as its descriptor says: get it again")
    if probe.capacity != bytes_of_sectors(extent.sectors):
        raise ImageError(
            f"the extent {extent.name!r} holds {probe.capacity} bytes where its descriptor says"
            f" {bytes_of_sectors(extent.sectors)}: one of them belongs to another disk; get both again"
        )
    return Served(source, _with_cid(head, extent.name))


def _with_cid(head: bytes, name: str) -> bytes:
    """The first two sectors of a sparse extent, such that QEMU's vmdk driver opens it by itself.

    It looks for a content ID in the second sector (block/vmdk.c, vmdk_read_cid), which is a descriptor's place in a
    disk of one file, while an extent may have a grain directory there. For reading QEMU goes by the primary one alone,
    so where that is the one, it is told to use the redundant one. The offsets are those of the structures in *Virtual
    Disk Format 5.0*, "Hosted Sparse Extent Header" and "ESX Server Sparse Extents".
    """
    header = bytearray(head[:SECTOR])
    if head.startswith(_HOSTED):
        flags = int.from_bytes(header[8:12], "little")
        redundant, primary = struct.unpack_from("<QQ", header, 48)
        if primary == 1 and flags & _HAS_REDUNDANT_TABLES:
            primary = redundant
        struct.pack_into("<Q", header, 56, primary)
    else:
        primary = int.from_bytes(header[20:24], "little")
    if primary <= 1:
        raise ImageError(f"the extent {name!r} has its grain directory where no tool puts it: get it again")
    return bytes(header) + _CID_SECTOR
