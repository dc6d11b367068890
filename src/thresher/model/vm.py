"""A source VM as facts: what the source platform says, in our words. No phases, no decisions."""

from dataclasses import dataclass, field
from enum import StrEnum

from thresher.model.units import Bytes, MiB


class PowerState(StrEnum):
    """Whether the VM ran when it was looked at. An OVA describes a VM that is off."""

    ON = "on"
    OFF = "off"
    SUSPENDED = "suspended"


class FirmwareType(StrEnum):
    """What the VM boots with."""

    BIOS = "bios"
    EFI = "efi"


class Bus(StrEnum):
    """The bus a disk hung on at the source."""

    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"
    NVME = "nvme"
    VIRTIO = "virtio"
    USB = "usb"
    UNKNOWN = "unknown"


class OsFamily(StrEnum):
    """As Harvester's label ``harvesterhci.io/os`` tells systems apart, as far as translation needs it."""

    LINUX = "linux"
    WINDOWS = "windows"
    OTHER = "other"


class DiskFormat(StrEnum):
    """How a disk's bytes arrive."""

    RAW = "raw"
    VMDK_STREAM = "vmdk-stream"
    VMDK = "vmdk"
    QCOW2 = "qcow2"
    VHD = "vhd"
    VHDX = "vhdx"
    BLANK = "blank"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """How much a loss matters: a blocker stops the import, a warning is told."""

    BLOCKER = "blocker"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that cannot be carried over, or not as it was.

    Attributes:
        rule: a stable word for it, CamelCase, such as ``SharedDisk``.
        subject: what it is about, such as ``disk 2000`` or ``NIC 3``.
        message: what it means and what to do, in a sentence.
        severity: whether the import may go on.
    """

    rule: str
    subject: str
    message: str
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True)
class CpuTopology:
    """vCPUs and how they are grouped. ``sockets * cores_per_socket == vcpus`` always holds.

    Build it with :meth:`of`, which copes with what platforms state.
    """

    vcpus: int
    cores_per_socket: int

    def __post_init__(self) -> None:
        if self.vcpus < 1 or self.cores_per_socket < 1 or self.vcpus % self.cores_per_socket:
            raise ValueError(f"{self.vcpus} vCPUs cannot be grouped by {self.cores_per_socket} per socket")

    @classmethod
    def of(cls, vcpus: int, cores_per_socket: int | None) -> "CpuTopology":
        """Group ``vcpus`` as stated, or one per socket where the statement is absent or does not divide.

        Raises:
            ValueError: ``vcpus`` is below 1.
        """
        cores = cores_per_socket or 1
        return cls(vcpus, cores if cores > 0 and vcpus > 0 and vcpus % cores == 0 else 1)

    @property
    def sockets(self) -> int:
        """The number of sockets."""
        return self.vcpus // self.cores_per_socket


@dataclass(frozen=True, slots=True)
class Firmware:
    """Firmware and what hangs on it."""

    type: FirmwareType = FirmwareType.BIOS
    secure_boot: bool = False
    tpm: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk of a source VM.

    Attributes:
        key: what the source calls it, unique in its VM (an OVF diskId, a vSphere device key, a volume id).
        capacity: its size in bytes as the guest sees it; None where only the disk's own header tells.
        bus: the bus it hung on.
        controller: the controller's type in the platform's word (``lsilogic``, ``pvscsi``, ``ahci``), or "".
        bus_number: which controller of that kind, from 0.
        unit: its place on the controller, from 0.
        boot_order: 1 for the disk to boot from first, 2 for the next; None where it is not booted from.
        format: how its bytes arrive.
        file: the file that holds it, where there is one; None for a blank disk.
        datastore: the datastore or volume type it lies on, for the storage mapping; "" where unknown.
    """

    key: str
    capacity: Bytes | None
    bus: Bus = Bus.UNKNOWN
    controller: str = ""
    bus_number: int = 0
    unit: int = 0
    boot_order: int | None = None
    format: DiskFormat = DiskFormat.UNKNOWN
    file: str | None = None
    datastore: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """A source network by each name a user may write for it.

    Attributes:
        name: the display name, ``%2f`` decoded.
        path: its full path where it has one, such as ``DSwitch/pg``; else "".
        id: the platform's own id (a moref, a UUID); else "".
        vlan: its VLAN ID; 0 for untagged; None where unknown, or where it carries several. It does not tell networks
            apart: only an inventory knows it.
    """

    name: str
    path: str = ""
    id: str = ""
    vlan: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Nic:
    """One network card, in the order the source states.

    Attributes:
        key: what the source calls it, unique in its VM.
        network: where it is plugged in; None for a card without a connection.
        mac: ``aa:bb:cc:dd:ee:ff`` in lower case, or None where the source states none.
        model: the platform's word for it, lower case (``vmxnet3``, ``e1000``), or "".
        connected: whether it is plugged in at power-on.
        subnets: of its addresses, such as ``10.0.0.0/24``, as far as the platform knows them. They do not tell cards
            apart: a guest that is off has none, and only an inventory asks for all of them.
    """

    key: str
    network: Network | None
    mac: str | None = None
    model: str = ""
    connected: bool = True
    subnets: tuple[str, ...] = field(default=(), compare=False)


class GuestTools(StrEnum):
    """The agent by which the platform speaks to the guest (VMware Tools, the QEMU guest agent)."""

    UNKNOWN = "unknown"
    MISSING = "missing"
    STOPPED = "stopped"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Usage:
    """What the platform says of a VM beside its hardware; None where it does not say.

    Attributes:
        used: bytes that its files take, snapshots and swap included.
        snapshots: how many it has.
        tools: the agent in its guest.
        memory_hot_add: whether memory can be added while it runs.
        cpu_hot_add: whether vCPUs can be added while it runs.
        change_tracking: whether the platform keeps account of the changed blocks of its disks.
        nested_virtualization: whether its guest sees the processor's virtualization.
    """

    used: Bytes | None = None
    snapshots: int | None = None
    tools: GuestTools = GuestTools.UNKNOWN
    memory_hot_add: bool | None = None
    cpu_hot_add: bool | None = None
    change_tracking: bool | None = None
    nested_virtualization: bool | None = None


@dataclass(frozen=True, slots=True)
class SourceVM:
    """A virtual machine as its source states it.

    Attributes:
        name: the display name, unchanged.
        guest_os: the platform's own word for the guest system, such as ``ubuntu64Guest``; "" where unstated.
        os_family: what that means for translation.
        cpu: vCPUs and grouping.
        memory: in MiB.
        firmware: BIOS or EFI, Secure Boot, TPM.
        smbios_uuid: the UUID that the guest sees, canonical lower case, or None.
        disks: in the order of the source.
        nics: in the order of the source.
        power: its power state when it was looked at.
        hardware_version: as the platform writes it, such as ``vmx-19``; "" where unstated.
        notes: the user's annotation.
        id: the platform's own id (moref, UUID, OVF id).
        folder: its inventory folder, "" at the top or where there is none.
        host: the hypervisor's host that it is registered on, by its DNS name or address; "" where unknown.
        losses: everything that cannot be carried over, as far as the source can tell.
        usage: what a plan wants to know beside.
    """

    name: str
    cpu: CpuTopology
    memory: MiB
    guest_os: str = ""
    os_family: OsFamily = OsFamily.OTHER
    firmware: Firmware = Firmware()
    smbios_uuid: str | None = None
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    power: PowerState = PowerState.OFF
    hardware_version: str = ""
    notes: str = ""
    id: str = ""
    folder: str = ""
    host: str = ""
    losses: tuple[Loss, ...] = ()
    usage: Usage = Usage()
