"""References and DiskSection: which files the package has, and what disks they hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from thresher.formats.ovf.units import number, size, truth
from thresher.formats.ovf.xml import Element, shown
from thresher.model.units import GIB, Bytes
from thresher.model.vm import DiskFormat

_NO_PARENT = "00000000-0000-0000-0000-000000000000"
_FORMATS = (
    # (a part of the URI in lower case, what it means); the first that fits counts
    ("vmdk.html#streamoptimized", DiskFormat.VMDK_STREAM),  # VMware's and VirtualBox's exports
    ("vmdk", DiskFormat.VMDK),  # #sparse, #monolithicSparse, #monolithicFlat, #twoGbMaxExtentSparse
    ("qcow", DiskFormat.QCOW2),  # http://www.gnome.org/~markmc/qcow-image-format.html: oVirt, QEMU
    ("vhdx", DiskFormat.VHDX),
    ("vhd", DiskFormat.VHD),
    ("bb676673", DiskFormat.VHD),  # http://technet.microsoft.com/en-us/library/bb676673.aspx: VirtualBox
    ("wikipedia.org/wiki/byte", DiskFormat.RAW),  # oVirt, virt-v2v
    ("ecma-119", DiskFormat.RAW),  # VirtualBox's URI of an ISO image
)


@dataclass(frozen=True, slots=True)
class OvfFile:
    """A file of the package.

    Attributes:
        href: its name as written, relative to the descriptor and never outside its folder. It may be
            percent-encoded (``my%20disk.vmdk``): look for it as written first, then decoded.
        size: in bytes as stored, or None where unstated (oVirt, chunked files).
        compression: "gzip", or "" for none.
        chunk_size: where the file is split, the size of each piece; the pieces are called
            ``<href>.000000000`` and so on (DSP0243, References).
    """

    href: str
    size: Bytes | None
    compression: str
    chunk_size: Bytes | None


@dataclass(frozen=True, slots=True)
class OvfDisk:
    """A row of the DiskSection.

    Attributes:
        id: its diskId.
        interface: oVirt's word for the bus, lower case, or "".
        boot: whether oVirt boots from it.
        delta: the disk it depends on, or "".
        shared: whether several VMs write to it.
    """

    id: str
    capacity: Bytes | None
    format: DiskFormat
    file: str | None
    interface: str = ""
    boot: bool = False
    delta: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class References:
    """What the package has.

    Attributes:
        files: by href.
        file_ids: a File's id to its href.
        disks: by diskId.
    """

    files: Mapping[str, OvfFile]
    file_ids: Mapping[str, str]
    disks: Mapping[str, OvfDisk]
    by_href: Mapping[str, OvfDisk]


def read_references(envelope: Element, properties: Mapping[str, str]) -> References:
    """Read References, DiskSection and OVF 2.0's SharedDiskSection.

    Raises:
        OvfError: a file lies outside the package, or a disk names what is not there.
    """
    files: dict[str, OvfFile] = {}
    ids: dict[str, str] = {}
    for references in envelope.all("References"):
        for element in references.all("File"):
            file = _file(element)
            if files.setdefault(file.href, file) != file:
                raise element.error(f"the file {shown(file.href)} is described twice, differently; keep one")
            identity = element.get("id") or file.href
            if ids.setdefault(identity, file.href) != file.href:
                raise element.error(f"the file id {shown(identity)} stands for two files; make it unique")
    disks: dict[str, OvfDisk] = {}
    for kind in ("DiskSection", "SharedDiskSection"):
        for section in envelope.sections(kind):
            for element in section.all("Disk", "SharedDisk"):
                disk = _disk(element, files, ids, properties)
                if disk.id in disks:
                    raise element.error(f"the diskId {shown(disk.id)} stands for two disks; make it unique")
                disks[disk.id] = disk
    by_href = {disk.file: disk for disk in reversed(disks.values()) if disk.file}
    return References(files, ids, disks, by_href)


def _file(element: Element) -> OvfFile:
    href = element.get("href")
    check_href(href, element)
    compression = element.get("compression").lower()
    if compression not in ("", "identity", "gzip"):
        raise element.error(
            f"the file {shown(href)} is compressed with {shown(compression)}, not gzip; export it again"
        )
    stored, chunk = element.get("size"), element.get("chunkSize")
    return OvfFile(
        href,
        Bytes(number(stored, f"the size of file {shown(href)}", element)) if stored else None,
        "gzip" if compression == "gzip" else "",
        Bytes(number(chunk, f"the chunk size of file {shown(href)}", element)) or None if chunk else None,
    )


def check_href(href: str, at: Element) -> None:
    """Refuse every name that could reach outside the descriptor's folder, also once it is percent-decoded.

    A plain subfolder (``disks/disk1.vmdk``, oVirt's ``<group>/<volume>``) is allowed.

    Raises:
        OvfError: naming the href.
    """
    if not href:
        raise at.error("a File of the OVF descriptor has no href; give it the name of its file")
    for name in (href, unquote(href)):
        if "://" in name or name.split(":", 1)[0].lower() in ("http", "https", "ftp", "file", "data"):
            raise at.error(f"the file {shown(href)} is a remote reference, which is refused; put it into the package")
        parts = name.split("/")
        unsafe = "\\" in name or any(ord(c) < ord(" ") or ord(c) == 0x7F for c in name)  # noqa: PLR2004 (DEL)
        drive = len(parts[0]) > 1 and parts[0][1] == ":"
        if unsafe or drive or any(part in ("", ".", "..") for part in parts):
            raise at.error(f"the file {shown(href)} lies outside the package, which is refused; put it beside the OVF")


def _disk(
    element: Element, files: Mapping[str, OvfFile], ids: Mapping[str, str], properties: Mapping[str, str]
) -> OvfDisk:
    identity = element.get("diskId")
    if not identity:
        raise element.error("a Disk of the OVF descriptor has no diskId; give it one")
    reference = element.get("fileRef")
    # oVirt's export domains and virt-v2v refer to a file by its href, everybody else by its id
    href = ids.get(reference, reference if reference in files else None)
    if reference and href is None:
        raise element.error(
            f"disk {shown(identity)} names the file {shown(reference)}, which References does not have; "
            "the package is incomplete, export it again"
        )
    capacity = _capacity(element, identity, properties)
    if href is None and capacity is None:
        raise element.error(f"the blank disk {shown(identity)} has no capacity; state one")
    parent = element.get("parentRef")
    return OvfDisk(
        id=identity,
        capacity=capacity,
        format=_format(element) if href else DiskFormat.BLANK,
        file=href,
        interface=element.get("disk-interface").lower(),
        boot=truth(element.get("boot")),
        delta="" if parent == _NO_PARENT else parent,
        shared=element.name == "SharedDisk" or truth(element.get("shareable")),
    )


def _capacity(element: Element, identity: str, properties: Mapping[str, str]) -> Bytes | None:
    what = f"the capacity of disk {shown(identity)}"
    text = element.get("capacity")
    if text.startswith("${") and text.endswith("}"):
        # DSP0243 allows a property in its place; its default is what a deployment without answers takes
        text = properties.get(text[2:-1], text)
    if text:
        return size(text, element.get("capacityAllocationUnits"), what, element)
    # oVirt's export domains state ovf:size, in GiB (oVirt engine's OvfReader, virt-v2v)
    legacy = element.get("size")
    if not legacy:
        return None
    return size(legacy, f"byte * {GIB}", what, element)


def _format(element: Element) -> DiskFormat:
    uri = element.get("format").lower()
    found = next((meaning for part, meaning in _FORMATS if part in uri), DiskFormat.UNKNOWN)
    volume = element.get("volume-format").lower()
    if not volume:
        return found
    # oVirt's own attribute is the truth there: its URI was VMDK's for years, and virt-v2v's is always raw's
    if volume == "cow":
        return DiskFormat.QCOW2
    return DiskFormat.UNKNOWN if found in (DiskFormat.VMDK, DiskFormat.VMDK_STREAM) else found
