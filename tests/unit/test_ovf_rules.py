"""Single rules of the format, on the smallest descriptor that shows them; and everything malformed."""

import pytest

from thresher.formats.ovf import MAX_OVF_BYTES, parse_ovf
from thresher.model.errors import OvfError
from thresher.model.units import GIB, MIB
from thresher.model.vm import Bus, DiskFormat, Firmware, FirmwareType, Severity, SourceVM

NAMESPACE = "http://schemas.dmtf.org/ovf/envelope/1"
STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
FILE = '<File ovf:id="f" ovf:href="a.vmdk"/>'
DISK = (
    '<Disk ovf:diskId="d" ovf:capacity="1" ovf:capacityAllocationUnits="byte * 2^30" ovf:fileRef="f" '
    f'ovf:format="{STREAM}"/>'
)
ON_SCSI = "<Address>0</Address><ResourceSubType>lsilogic</ResourceSubType>"


def item(identity: object, kind: int, inside: str = "", attributes: str = "") -> str:
    numbers = f"<InstanceID>{identity}</InstanceID><ResourceType>{kind}</ResourceType>"
    return f"<Item {attributes}>{numbers}{inside}</Item>"


def drive(identity: object, resource: str, more: str = "<Parent>c</Parent>") -> str:
    return item(identity, 17, f"<HostResource>{resource}</HostResource>{more}")


CPU = item("cpu", 3, "<VirtualQuantity>1</VirtualQuantity>")
MEMORY = item("mem", 4, "<AllocationUnits>MB</AllocationUnits><VirtualQuantity>512</VirtualQuantity>")
SCSI = item("c", 6, ON_SCSI)


def envelope(
    *,
    files: str = FILE,
    disks: str = DISK,
    cpu: str = CPU,
    memory: str = MEMORY,
    items: str = "",
    sections: str = "",
) -> bytes:
    hardware = f"<VirtualHardwareSection>{cpu}{memory}{items}</VirtualHardwareSection>"
    return (
        f'<Envelope xmlns="{NAMESPACE}" xmlns:ovf="{NAMESPACE}">'
        f"<References>{files}</References><DiskSection>{disks}</DiskSection>"
        f'<VirtualSystem ovf:id="vm"><Name>vm</Name>{sections}{hardware}</VirtualSystem></Envelope>'
    ).encode()


def vm_of(data: bytes) -> SourceVM:
    (vm,) = parse_ovf(data).vms
    return vm


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("byte * 2^30", 1 << 30), ("byte*2^20", 1 << 20), ("byte * 2 ^ 10", 1 << 10), ("byte * 10^9", 10**9),
        ("byte*1024*1024", 1 << 20), ("byte", 1), ("bytes", 1), ("", 1), ("KB", 1 << 10),
        ("KiloBytes", 1 << 10),
        ("MB", 1 << 20), ("MegaBytes", 1 << 20), ("MiB", 1 << 20), ("GigaBytes", 1 << 30), ("GB", 1 << 30),
        ("TeraBytes", 1 << 40),
    ],
)  # fmt: skip
def test_allocation_units(unit: str, factor: int) -> None:
    disk = DISK.replace("byte * 2^30", unit).replace('capacity="1"', 'capacity="3"')
    assert vm_of(envelope(disks=disk, items=SCSI + drive(1, "ovf:/disk/d"))).disks[0].capacity == 3 * factor


@pytest.mark.parametrize(
    "resource", ["ovf:/disk/d", "/disk/d", "disk/d", "ovf://disk/d", "d", "ovf:/file/f", "/file/f", "a.vmdk"]
)
def test_every_spelling_of_a_host_resource(resource: str) -> None:
    (disk,) = vm_of(envelope(items=SCSI + drive(1, resource))).disks
    assert (disk.key, disk.file, disk.capacity, disk.bus) == ("d", "a.vmdk", GIB, Bus.SCSI)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (STREAM, DiskFormat.VMDK_STREAM),
        ("http://www.vmware.com/specifications/vmdk.html#sparse", DiskFormat.VMDK),
        ("http://www.gnome.org/~markmc/qcow-image-format.html", DiskFormat.QCOW2),
        ("http://technet.microsoft.com/en-us/library/bb676673.aspx", DiskFormat.VHD),
        ("http://example.com/specs/VHDX", DiskFormat.VHDX),
        ("http://en.wikipedia.org/wiki/Byte", DiskFormat.RAW),
        ("http://example.com/else", DiskFormat.UNKNOWN),
    ],
)
def test_disk_formats(uri: str, expected: DiskFormat) -> None:
    assert vm_of(envelope(disks=DISK.replace(STREAM, uri), items=drive(1, "/disk/d"))).disks[0].format is expected


def test_the_older_vmdk_uri_of_ovirt_is_no_proof() -> None:
    disk = DISK.replace("<Disk ", '<Disk ovf:volume-format="RAW" ')
    assert vm_of(envelope(disks=disk, items=drive(1, "/disk/d"))).disks[0].format is DiskFormat.UNKNOWN


def test_disks_without_a_place_take_free_ones_and_leave_the_controllers_own_scsi_id() -> None:
    disks = "".join(DISK.replace('"d"', f'"d{n}"') for n in range(9))
    drives = "".join(drive(n, f"/disk/d{n}") for n in range(8))
    last = drive(8, "/disk/d8", "<Parent>c</Parent><AddressOnParent>0</AddressOnParent>")
    found = vm_of(envelope(disks=disks, items=SCSI + drives + last)).disks
    assert [disk.unit for disk in found] == [1, 2, 3, 4, 5, 6, 8, 9, 0]


def test_a_disk_attached_twice_gets_a_key_of_its_own() -> None:
    vm = vm_of(envelope(items=SCSI + drive(1, "/disk/d") + drive(2, "/disk/d")))
    assert len({disk.key for disk in vm.disks}) == 2
    assert [loss.rule for loss in vm.losses] == ["CopiedDisk"]


def test_boot_order_of_items_is_made_dense() -> None:
    disks = DISK + DISK.replace('"d"', '"e"')
    first = drive(1, "/disk/d", "<BootOrder>7</BootOrder>")
    second = drive(2, "/disk/e", "<BootOrder>3</BootOrder>")
    assert [disk.boot_order for disk in vm_of(envelope(disks=disks, items=first + second)).disks] == [2, 1]


@pytest.mark.parametrize(
    ("disk", "more", "rule"),
    [
        (DISK.replace("<Disk ", '<Disk ovf:parentRef="base" '), "", "DeltaDisk"),
        (DISK.replace("<Disk ", '<Disk ovf:shareable="true" '), "", "SharedDisk"),
        (DISK, '<Config ovf:key="backing.sharing" ovf:value="sharingMultiWriter"/>', "SharedDisk"),
    ],
)
def test_what_would_lose_data_blocks(disk: str, more: str, rule: str) -> None:
    (loss,) = vm_of(envelope(disks=disk, items=drive(1, "/disk/d", more))).losses
    assert (loss.rule, loss.subject, loss.severity) == (rule, "disk d", Severity.BLOCKER)


@pytest.mark.parametrize(
    ("attributes", "severity"),
    [
        ('ovf:required="true"', Severity.BLOCKER),
        ('ovf:required="false"', Severity.WARNING),
        ("", Severity.WARNING),
    ],
)
def test_unknown_hardware_blocks_where_it_is_said_to_be_required(attributes: str, severity: Severity) -> None:
    exotic = item("x", 4711, "<ElementName>Flux capacitor</ElementName>", attributes)
    (loss,) = vm_of(envelope(items=exotic + drive(1, "/disk/d"))).losses
    assert (loss.rule, loss.subject, loss.severity) == ("UnknownHardware", "device Flux capacitor", severity)


@pytest.mark.parametrize(("kind", "rule"), [(14, "Floppy"), (21, "SerialPort"), (22, "ParallelPort"), (35, "Sound")])
def test_devices_that_are_not_carried_over_are_told(kind: int, rule: str) -> None:
    assert [loss.rule for loss in vm_of(envelope(items=item("x", kind) + drive(1, "/disk/d"))).losses] == [rule]


def test_a_disk_that_no_vm_has_is_told() -> None:
    assert [(loss.rule, loss.subject) for loss in vm_of(envelope()).losses] == [("UnattachedDisk", "disk d")]


def test_defect_17_a_disk_without_a_file_is_a_finding_and_no_crash() -> None:
    losses = vm_of(envelope(disks="", items=item(1, 17, "<ElementName>RDM</ElementName>"))).losses
    assert [(loss.rule, loss.severity) for loss in losses] == [("DiskWithoutBacking", Severity.BLOCKER)]


def test_secure_boot_means_nothing_with_bios() -> None:
    flag = '<Config ovf:key="uefi.secureBoot.enabled" ovf:value="TRUE"/>'
    assert vm_of(envelope(items=flag)).firmware == Firmware(FirmwareType.BIOS)
    efi = '<ExtraConfig ovf:key="firmware" ovf:value="efi"/>'
    assert vm_of(envelope(items=flag + efi)).firmware == Firmware(FirmwareType.EFI, secure_boot=True)


@pytest.mark.parametrize("mac", ["00:50:56:AB:CD:EF", "00-50-56-ab-cd-ef", "005056ABCDEF", "0050.56ab.cdef"])
def test_every_spelling_of_a_mac(mac: str) -> None:
    card = item(1, 10, f"<Address>{mac}</Address><Connection>n</Connection>")
    assert vm_of(envelope(items=card)).nics[0].mac == "00:50:56:ab:cd:ef"


def test_the_dtd_is_refused_before_any_entity_expands() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Envelope>&b;</Envelope>'
    with pytest.raises(OvfError, match="DTD or an entity"):
        parse_ovf(bomb)
    with pytest.raises(OvfError, match="DTD or an entity"):
        parse_ovf(b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><Envelope/>')


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not well-formed"),
        (b"KDMV", "not well-formed"),
        (b"<html/>", "root is 'html'"),
        (b"<Envelope/>", "no VirtualSystem"),
        (b'<?xml version="1.0" encoding="nonsense"?><Envelope/>', "descriptor"),
        (b"<a>" * 65, "nests deeper than 64"),
        (b"<Envelope>" + b"<a/>" * 50_001 + b"</Envelope>", "more than 50000 elements"),
        (b"<Envelope a='" + b"x" * MIB + b"'/>", "larger than 64 KiB"),
        (b"<Envelope xmlns='" + b"u" * 1025 + b"'/>", "namespace is longer than 1024"),
        (b"<Envelope " + b" ".join(b"a%d=''" % n for n in range(257)) + b"/>", "more than 256 attributes"),
        (b"<Envelope>" + b" " * MAX_OVF_BYTES + b"</Envelope>", "16.0 MiB"),
        (b"<Envelope><VirtualSystem/></Envelope>", "no VirtualHardwareSection"),
    ],
)
def test_what_is_no_descriptor(data: bytes, message: str) -> None:
    with pytest.raises(OvfError, match=message):
        parse_ovf(data)


@pytest.mark.parametrize(
    ("href", "message"),
    [
        ("../../etc/passwd", "outside"), ("/etc/passwd", "outside"), ("disks/../../x", "outside"),
        ("./a", "outside"),
        ("..\\a", "outside"), ("C:\\a.vmdk", "outside"), ("%2e%2e%2fetc%2fpasswd", "outside"),
        ("a//b", "outside"),
        ("http://example.com/a.vmdk", "remote"), ("HTTPS://example.com/a", "remote"),
        ("file:///etc/passwd", "remote"),
        ("a&#10;b", "outside"),
    ],
)  # fmt: skip
def test_a_file_outside_the_package_is_refused_by_name(href: str, message: str) -> None:
    with pytest.raises(OvfError, match=message) as caught:
        parse_ovf(envelope(files=f'<File ovf:id="f" ovf:href="{href}"/>'))
    assert repr(href.replace("&#10;", "\n")) in str(caught.value)


def test_a_subfolder_is_inside_the_package() -> None:
    assert list(parse_ovf(envelope(files=FILE.replace("a.vmdk", "disks/a.vmdk"))).files) == ["disks/a.vmdk"]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (envelope(disks=DISK.replace('fileRef="f"', 'fileRef="gone"')), "'gone'"),
        (envelope(disks=DISK.replace("byte * 2^30", "furlongs")), "'furlongs'"),
        (envelope(disks=DISK.replace("byte * 2^30", "byte * 2^99")), "absurd"),
        (envelope(disks=DISK.replace('capacity="1"', 'capacity="-1"')), "'-1'"),
        (envelope(disks=DISK.replace('capacity="1"', f'capacity="{"9" * 5000}"')), "below 2\\^63"),
        (envelope(disks=DISK + DISK), "'d' stands for two disks"),
        (envelope(disks='<Disk ovf:diskId="b"/>'), "blank disk 'b' has no capacity"),
        (envelope(disks='<Disk ovf:capacity="1"/>'), "no diskId"),
        (envelope(files=FILE + FILE.replace("a.vmdk", "b.vmdk")), "'f' stands for two files"),
        (envelope(files=FILE.replace("<File", '<File ovf:compression="bzip2"')), "'bzip2'"),
        (envelope(files="<File/>", disks=""), "no href"),
        (envelope(items=drive(1, "ovf:/disk/gone")), "'ovf:/disk/gone'"),
        (envelope(items=drive(1, "ovf:/file/gone")), "'ovf:/file/gone'"),
        (envelope(items="<Item><ResourceType>x</ResourceType></Item>"), "ResourceType 'x'"),
        (envelope(cpu=CPU.replace(">1<", ">0<")), "0 vCPUs; correct"),
        (envelope(cpu=CPU.replace(">1<", ">100000<")), "100000 vCPUs; correct"),
        (envelope(memory=""), "states no memory"),
        (envelope(memory=MEMORY.replace("512", "0")), "0 bytes of memory; correct"),
        (envelope(memory=MEMORY.replace("MB", "PB")), "bytes of memory; correct"),
    ],
)
def test_what_is_malformed_is_named_with_its_place(data: bytes, named: str) -> None:
    with pytest.raises(OvfError, match=named) as caught:
        parse_ovf(data)
    assert caught.value.offset is not None
    assert data[caught.value.offset : caught.value.offset + 1] == b"<"


def test_the_offset_counts_bytes_and_not_characters() -> None:
    data = "<Envelope><!-- 한국어 --><a></b></Envelope>".encode()
    with pytest.raises(OvfError) as caught:
        parse_ovf(data)
    assert caught.value.offset is not None
    assert data.index(b"</b>") <= caught.value.offset <= data.index(b"</b>") + 2
