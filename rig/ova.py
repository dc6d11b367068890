"""OVF packages for tests: descriptors, manifests, archives in any order, and heads of disks."""

import hashlib
import io
import struct
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

SECTOR = 512
STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"


@dataclass(frozen=True)
class PackedDisk:
    """A disk in a package.

    Attributes:
        href: its file's name as the descriptor writes it.
        content: the file's bytes.
        capacity: the disk's size in bytes, as the descriptor states it.
        size: the file's size as the descriptor states it; None states none.
        attributes: further attributes of its File element.
        format: the URI of its format.
    """

    href: str
    content: bytes
    capacity: int = 1 << 20
    size: int | None = None
    attributes: str = ""
    format: str = STREAM


def vmdk(seed: int, length: int = 200_000, capacity: int = 1 << 20) -> bytes:
    """A stream-optimized VMDK by its header (VMware's Virtual Disk Format 5.0), then noise."""
    flags, compressed = 0x30001, 1
    fields = (b"KDMV", 3, flags, capacity // SECTOR, 128, 0, 0, 512, 0, (1 << 64) - 1, 128, 0)
    header = struct.pack("<4sIIQQQQIQQQB4sH", *fields, b"\n \r\n", compressed)
    return header.ljust(128 * SECTOR, b"\0") + Random(seed).randbytes(length)  # noqa: S311 - noise, no secret


def ovf(vms: Mapping[str, Iterable[PackedDisk]]) -> bytes:
    """A descriptor (DSP0243 1.1) of VMs with one SCSI controller and these disks."""
    disks = [disk for held in vms.values() for disk in held]
    files = "".join(_file(index, disk) for index, disk in enumerate(disks))
    rows = "".join(
        f'<Disk ovf:diskId="d{index}" ovf:fileRef="f{index}" ovf:capacity="{disk.capacity}" '
        f'ovf:format="{disk.format}"/>'
        for index, disk in enumerate(disks)
    )
    numbers = iter(range(len(disks)))
    systems = [_system(name, [next(numbers) for _ in held]) for name, held in vms.items()]
    body = systems[0]
    if len(systems) > 1:
        inner = "".join(systems)
        body = f'<VirtualSystemCollection ovf:id="all"><Info/>{inner}</VirtualSystemCollection>'
    return (
        '<?xml version="1.0"?><Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" '
        'xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/'
        'cim-schema/2/CIM_ResourceAllocationSettingData">'
        f"<References>{files}</References><DiskSection><Info/>{rows}</DiskSection>{body}</Envelope>"
    ).encode()


def _file(index: int, disk: PackedDisk) -> str:
    size = "" if disk.size is None else f' ovf:size="{disk.size}"'
    return f'<File ovf:id="f{index}" ovf:href="{disk.href}"{size} {disk.attributes}/>'


def _system(name: str, disks: Iterable[int]) -> str:
    items = _item(3, 1, "<rasd:VirtualQuantity>2</rasd:VirtualQuantity>")
    unit = "<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>"
    items += _item(4, 2, f"{unit}<rasd:VirtualQuantity>512</rasd:VirtualQuantity>")
    items += _item(6, 3, "<rasd:Address>0</rasd:Address><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>")
    for place, disk in enumerate(disks):
        where = (
            f"<rasd:AddressOnParent>{place}</rasd:AddressOnParent><rasd:HostResource>ovf:/disk/d{disk}"
            "</rasd:HostResource><rasd:Parent>3</rasd:Parent>"
        )
        items += _item(17, 10 + place, where)
    return (
        f'<VirtualSystem ovf:id="{name}"><Info/><Name>{name}</Name>'
        f"<VirtualHardwareSection><Info/>{items}</VirtualHardwareSection></VirtualSystem>"
    )


def _item(kind: int, identity: int, more: str) -> str:
    named = f"<rasd:ElementName>item {identity}</rasd:ElementName><rasd:InstanceID>{identity}</rasd:InstanceID>"
    return f"<Item>{named}<rasd:ResourceType>{kind}</rasd:ResourceType>{more}</Item>"


def manifest(files: Mapping[str, bytes], algorithm: str = "sha256") -> bytes:
    """A manifest as ovftool writes it."""
    digests = ((name, hashlib.new(algorithm, data).hexdigest()) for name, data in files.items())
    lines = (f"{algorithm.upper()}({name})= {digest}\n" for name, digest in digests)
    return "".join(lines).encode()


def archive(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """A tar archive of these files in this order."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path
