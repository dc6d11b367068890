"""One disk of a package: its bytes put together, its head looked at, its size compared."""

from dataclasses import dataclass, replace

from thresher.formats.ovf import OvfFile
from thresher.model.vm import Disk, DiskFormat, Loss
from thresher.ports import ByteSource, Checksum, DiskStream
from thresher.sources.bytes import Gunzip
from thresher.sources.ova.package import Described, Package


@dataclass(frozen=True, slots=True)
class _Stored:
    """A disk's file as it lies in the package."""

    name: str
    bytes: ByteSource
    checksum: Checksum | None
    composed: bool


@dataclass(frozen=True, slots=True)
class Examined:
    """A disk with what its bytes say of themselves.

    Attributes:
        stream: for the export.
        losses: where descriptor and bytes disagree.
        place: where in the package it begins; see :meth:`Package.place`.
    """

    stream: DiskStream
    losses: tuple[Loss, ...] = ()
    place: int = -1


def examine(package: Package, described: Described, disk: Disk) -> Examined:
    """Open one disk for reading.

    Raises:
        SourceNotFound: a file that the descriptor or the disk names is not in the package.
        VerificationError: a size is not as stated, and no checksum vouches for the file.
        FormatError: a name leads out of the package, or the file is packed in a way nobody knows.
    """
    if disk.file is None:
        return Examined(DiskStream(disk, DiskFormat.BLANK, None))
    file = described.ovf.files.get(disk.file) or OvfFile(disk.file, None, None, None)
    stored = _stored(package, described, file)
    losses = _size_losses(described, disk, file, stored)
    probe = _probe(package, stored)
    if probe is not None:
        losses += _capacity_losses(disk, probe)
        disk = replace(disk, format=probe.format, capacity=probe.capacity or disk.capacity)
    if file.compression:
        stored = replace(stored, bytes=Gunzip(stored.bytes))
    stream = DiskStream(
        disk,
        disk.format,
        stored.bytes,
        stored.checksum,
        _siblings(package, described, stored.name, probe),
    )
    return Examined(stream, losses, package.place(stored.name))
