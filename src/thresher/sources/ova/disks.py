"""One disk of a package: its bytes put together, its head looked at, its size compared."""

from dataclasses import dataclass, replace
from posixpath import dirname, join

from thresher.formats.ovf import OvfFile
from thresher.formats.probe import HEAD_BYTES, TAIL_BYTES, ImageProbe, probe_image
from thresher.model.errors import ImageError, SourceNotFound, VerificationError
from thresher.model.units import Bytes
from thresher.model.vm import Disk, DiskFormat, Loss
from thresher.ports import ByteSource, Checksum, DiskStream
from thresher.sources.bytes import Concatenated, Gunzip, Verified, read_up_to
from thresher.sources.bytes.reading import fill
from thresher.sources.ova.package import Described, Package, spellings


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


@dataclass(frozen=True, slots=True)
class _Stored:
    """A disk's file: where it begins, its bytes as the disk's format has them, and what vouches for them.

    ``checksum`` is what the transfer has to check; what is made of several files, or unpacked, checks itself.
    """

    name: str
    bytes: ByteSource
    stored_size: Bytes | None
    vouched: bool
    plain: bool
    checksum: Checksum | None = None


def examine(package: Package, described: Described, disk: Disk) -> Examined:
    """Open one disk for reading.

    Raises:
        SourceNotFound: a file that the descriptor or the disk names is not in the package.
        VerificationError: a size is not as stated, and no checksum vouches for the file.
        FormatError: the image is broken or reaches for files outside the package.
    """
    if disk.file is None:
        return Examined(DiskStream(disk, DiskFormat.BLANK, None))
    file = described.ovf.files.get(disk.file)
    if file is None:
        raise SourceNotFound(f"the OVF no longer names the file {disk.file!r} of disk {disk.key}; start over")
    stored = _chunked(package, described, file) if file.chunk_size else _plain(package, described, file)
    losses = _compare_size(disk, file, stored)
    probe = _probe(package, disk, stored)
    siblings: tuple[tuple[str, ByteSource], ...] = ()
    if probe is not None:
        losses += _compare_capacity(disk, probe)
        capacity = disk.capacity if probe.capacity is None else probe.capacity
        disk = replace(disk, format=probe.format, capacity=capacity)
        siblings = tuple((name, _sibling(package, described, stored.name, name)) for name in probe.extents)
    stream = DiskStream(disk, disk.format, stored.bytes, stored.checksum, siblings)
    return Examined(stream, losses, package.place(stored.name))


def _plain(package: Package, described: Described, file: OvfFile) -> _Stored:
    name, found = _find(package, file.href)
    stated = described.checksum(name)
    size = found.size
    if not file.compression:
        return _Stored(name, found, size, stated is not None, plain=True, checksum=stated)
    packed = found if stated is None else Verified(found, stated)
    return _Stored(name, Gunzip(packed), size, stated is not None, plain=False)


def _chunked(package: Package, described: Described, file: OvfFile) -> _Stored:
    """Put the chunks of a file in a row: ``<href>.000000000`` and so on (DSP0243, clause "References")."""
    names = _chunk_names(package, file)
    parts: list[ByteSource] = []
    vouched = True
    for name in names:
        part = package.file(name)
        if part is None:
            raise _missing(name)
        stated = described.checksum(name)
        vouched = vouched and stated is not None
        parts.append(part if stated is None else Verified(part, stated))
    whole: ByteSource = Concatenated(parts, file.href)
    size = whole.size
    packed = Gunzip(whole) if file.compression else whole
    return _Stored(names[0], packed, size, vouched, plain=False)


def _chunk_names(package: Package, file: OvfFile) -> list[str]:
    """The names of a file's chunks: as many as its size asks for, or where it states none, as there are."""
    href = next((one for one in spellings(file.href) if package.file(_chunk(one, 0)) is not None), file.href)
    if file.size is not None and file.chunk_size:
        return [_chunk(href, index) for index in range(max(1, -(-file.size // file.chunk_size)))]
    names = [_chunk(href, 0)]
    while package.parallel and package.file(_chunk(href, len(names))) is not None:
        names.append(_chunk(href, len(names)))
    return names


def _chunk(href: str, index: int) -> str:
    return f"{href}.{index:09d}"


def _find(package: Package, href: str) -> tuple[str, ByteSource]:
    for name in spellings(href):
        found = package.file(name)
        if found is not None:
            return name, found
    raise _missing(href)


def _missing(name: str) -> SourceNotFound:
    return SourceNotFound(f"the OVF names the file {name!r}, which the package does not hold; export the VM again")


def _sibling(package: Package, described: Described, main: str, extent: str) -> ByteSource:
    """A further file that an image needs. It lies beside the image, and may not reach for others itself."""
    name, found = _find(package, join(dirname(main), extent))
    head = package.head(name, HEAD_BYTES)
    if head is not None and probe_image(head, name=name).extents:
        raise ImageError(f"the extent {name!r} of {main!r} is a descriptor itself; export the VM again")
    stated = described.checksum(name)
    return found if stated is None else Verified(found, stated)


def _compare_size(disk: Disk, file: OvfFile, stored: _Stored) -> tuple[Loss, ...]:
    """Compare the stated size with the real one.

    Where a checksum vouches for the bytes, the descriptor is what is wrong, and that is told. Without one
    the size is all that is stated of the file, and one that differs is a file that was cut or replaced.

    Raises:
        VerificationError: they differ and nothing vouches for the file.
    """
    found = stored.stored_size
    if file.size is None or found is None or found == file.size:
        return ()
    text = f"{file.href!r} has {found} bytes, but the OVF states {file.size}"
    if not stored.vouched:
        raise VerificationError(f"{text}; it was cut or replaced: export or download it again")
    message = f"{text}; its checksum is the manifest's, so the disk is taken as it is."
    return (Loss("FileSizeDiffers", f"disk {disk.key}", message),)


def _compare_capacity(disk: Disk, probe: ImageProbe) -> tuple[Loss, ...]:
    if disk.capacity is None or probe.capacity is None or disk.capacity == probe.capacity:
        return ()
    message = (
        f"The OVF states a capacity of {disk.capacity} bytes, but the image has {probe.capacity}; "
        "the new disk gets what the image has."
    )
    return (Loss("CapacityDiffers", f"disk {disk.key}", message),)


def _probe(package: Package, disk: Disk, stored: _Stored) -> ImageProbe | None:
    """What the bytes are; None where they are not at hand.

    A disk that the descriptor calls raw is not looked at: its first bytes are the guest's to choose.
    """
    if disk.format is DiskFormat.RAW:
        return None
    if stored.plain:
        head = package.head(stored.name, HEAD_BYTES)
    else:
        head = read_up_to(stored.bytes, HEAD_BYTES) if package.parallel else None
    if head is None:
        return None
    probe = probe_image(head, name=stored.name)
    if probe.format is DiskFormat.RAW and stored.plain and stored.bytes.seekable:
        return probe_image(head, name=stored.name, tail=_tail(stored.bytes))
    return probe


def _tail(source: ByteSource) -> bytes:
    """The last bytes: all that tells a fixed VHD from a raw image."""
    size = source.size
    if size is None or size < TAIL_BYTES:
        return b""
    stream = source.open(size - TAIL_BYTES)
    try:
        buffer = bytearray(TAIL_BYTES)
        return bytes(buffer[: fill(stream, memoryview(buffer))])
    finally:
        stream.close()
