"""Source VMs as their platforms state them: the input of the translation's tests and golden files."""

from dataclasses import replace

from thresher.model.spec import ImportSpec, NetworkMapping, NicModel
from thresher.model.units import GIB, Bytes, MiB
from thresher.model.vm import (
    Bus,
    CpuTopology,
    Disk,
    DiskFormat,
    Firmware,
    FirmwareType,
    Network,
    Nic,
    OsFamily,
    PowerState,
    SourceVM,
)

UID = "0d5a6c1e-3f0b-4c9a-9c52-6f1f4f3e2a11"
UUID = "4210c0de-1111-2222-3333-444455556666"
SPEC = ImportSpec("prod", "import-1", UID, "web", networks=(NetworkMapping("VM Network", "vlan1"),))


def disk(number: int, bus: Bus, controller: str = "", boot_order: int | None = None, gib: int = 10) -> Disk:
    """Disk ``number``, keyed as vSphere does."""
    return Disk(
        str(2000 + number),
        Bytes(gib * GIB),
        bus,
        controller,
        unit=number,
        boot_order=boot_order,
        format=DiskFormat.VMDK_STREAM,
        file=f"disk{number}.vmdk",
    )


def nic(number: int, network: Network | None, model: str = "vmxnet3") -> Nic:
    """NIC ``number``, keyed as vSphere does."""
    return Nic(str(4000 + number), network, f"00:50:56:00:00:{number:02x}", model)


VM_NETWORK = Network("VM Network", id="network-7")
DV_PORT_GROUP = Network("pg-blue", "DSwitch/pg-blue", "dvportgroup-11")

LINUX_BIOS = SourceVM(
    "web",
    CpuTopology(4, 2),
    MiB(4096),
    guest_os="ubuntu64Guest",
    os_family=OsFamily.LINUX,
    smbios_uuid=UUID,
    disks=(disk(0, Bus.SCSI, "lsilogic"),),
    nics=(nic(0, VM_NETWORK),),
    power=PowerState.ON,
    notes="The shop's web server\nasked for by Kim",
)
LINUX_EFI = SourceVM(
    "db",
    CpuTopology(2, 1),
    MiB(2048),
    guest_os="debian12_64Guest",
    os_family=OsFamily.LINUX,
    firmware=Firmware(FirmwareType.EFI),
    smbios_uuid=UUID,
    disks=(disk(0, Bus.SATA, "ahci"),),
    nics=(nic(0, DV_PORT_GROUP, "e1000e"),),
    power=PowerState.ON,
)
WINDOWS = SourceVM(
    "win11",
    CpuTopology(4, 4),
    MiB(8192),
    guest_os="windows11_64Guest",
    os_family=OsFamily.WINDOWS,
    firmware=Firmware(FirmwareType.EFI, secure_boot=True, tpm=True),
    smbios_uuid=UUID,
    disks=(disk(0, Bus.NVME, "nvme", gib=64),),
    nics=(nic(0, VM_NETWORK, "e1000e"),),
    power=PowerState.ON,
)
SIX_DISKS = SourceVM(
    "storage",
    CpuTopology(1, 1),
    MiB(1024),
    os_family=OsFamily.LINUX,
    smbios_uuid=UUID,
    disks=(
        disk(0, Bus.SCSI, "lsilogic"),
        disk(1, Bus.SCSI, "pvscsi"),
        disk(2, Bus.SATA, "ahci", boot_order=1),
        disk(3, Bus.SATA, "ahci"),
        disk(4, Bus.NVME, "nvme", boot_order=2),
        Disk("2005", Bytes(3 * GIB + 1), Bus.NVME, "nvme", unit=5, format=DiskFormat.BLANK),
    ),
    power=PowerState.ON,
)
FOUR_NICS = SourceVM(
    "router",
    CpuTopology(1, 1),
    MiB(1000),
    os_family=OsFamily.LINUX,
    smbios_uuid=UUID,
    disks=(disk(0, Bus.VIRTIO),),
    nics=(
        nic(0, VM_NETWORK, "e1000"),
        nic(1, DV_PORT_GROUP),
        nic(2, Network("segment/with slash", id="opaque-uuid-1"), "sriov"),
        nic(3, Network("nobody mapped this"), "pcnet32"),
    ),
    power=PowerState.ON,
)
FOUR_NICS_SPEC = ImportSpec(
    "prod",
    "import-1",
    UID,
    "router",
    networks=(
        NetworkMapping("VM Network", "vlan1", NicModel.RTL8139),
        NetworkMapping("DSwitch/pg-blue", "net/blue"),
        NetworkMapping("segment%2fwith slash", "net/nsx"),
    ),
)
HALTED = SourceVM("archive", CpuTopology(1, 1), MiB(512), disks=(disk(0, Bus.IDE),), power=PowerState.OFF)
ODD_NAME = SourceVM(
    "My VM.01_äö 한글", CpuTopology(2, 2), MiB(3001), disks=(disk(0, Bus.UNKNOWN),), power=PowerState.ON
)
OVERRIDES_SPEC = ImportSpec("prod", "import-1", UID, "web", target_name="shop-web", vcpus=6, memory=MiB(6144))
DV_SPEC = ImportSpec("prod", "import-1", UID, "db", networks=(NetworkMapping("dvportgroup-11", "blue"),))

CASES: dict[str, tuple[ImportSpec, SourceVM]] = {
    "linux-bios": (SPEC, LINUX_BIOS),
    "linux-efi": (DV_SPEC, LINUX_EFI),
    "windows-secure-boot-tpm": (SPEC, WINDOWS),
    "six-disks": (SPEC, SIX_DISKS),
    "four-nics": (FOUR_NICS_SPEC, FOUR_NICS),
    "halted": (SPEC, HALTED),
    "odd-name": (SPEC, ODD_NAME),
    "overrides": (OVERRIDES_SPEC, LINUX_BIOS),
    "cpu-8-by-2": (SPEC, replace(LINUX_BIOS, cpu=CpuTopology(8, 2))),
    "cpu-8-by-4": (SPEC, replace(LINUX_BIOS, cpu=CpuTopology(8, 4))),
    "cpu-8-by-8": (SPEC, replace(LINUX_BIOS, cpu=CpuTopology(8, 8))),
    "two-unmapped-nics": (SPEC, replace(LINUX_BIOS, nics=FOUR_NICS.nics)),
}
"""Every case that has a golden file, by its name."""
