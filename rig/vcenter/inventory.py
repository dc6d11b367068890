"""What a simulated vCenter holds. The fields are those of ``inventory.go``, which says more about them."""

from dataclasses import dataclass
from pathlib import Path

POWERED_ON = "poweredOn"
POWERED_OFF = "poweredOff"
SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Network:
    """A network: kind ``standard``, ``distributed`` (with its switch) or ``opaque`` (NSX, with its id)."""

    name: str
    kind: str = "standard"
    switch: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Datacenter:
    """A datacenter at a path of folders and its name, such as ``EU/Berlin``."""

    path: str = "DC0"
    hosts: tuple[str, ...] = ("esx-1",)
    datastores: tuple[str, ...] = ("datastore1",)
    networks: tuple[Network, ...] = (Network("VM Network"),)


@dataclass(frozen=True, slots=True)
class Disk:
    """A virtual disk.

    Attributes:
        bytes: its capacity.
        stream: the stream-optimized VMDK that an export serves.
        raw: the file that the datastore serves as the ``-flat.vmdk``.
        controller: pvscsi, lsilogic, lsilogicsas, buslogic, ahci, ide or nvme.
        bus: the controller's number.
        unit: its place on the controller.
        mode: as VirtualDiskMode: persistent, independent_persistent, independent_nonpersistent.
        sharing: as VirtualDiskSharing: sharingNone, sharingMultiWriter.
        rdm: physicalMode or virtualMode for a raw device mapping.
        parent: the datastore path of the disk that a linked clone depends on.
        content_id: what the backing states of its content; "" where it states nothing, so nothing is resumed.
    """

    bytes: int
    stream: Path | None = None
    raw: Path | None = None
    controller: str = "pvscsi"
    bus: int = 0
    unit: int = 0
    mode: str = "persistent"
    sharing: str = "sharingNone"
    rdm: str = ""
    parent: str = ""
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card: model vmxnet3, vmxnet2, e1000, e1000e, pcnet32 or sriov; no network, no backing.

    ``addresses`` are those of a guest that runs when the simulator starts, such as ``10.0.0.5/24``.
    """

    network: str = "VM Network"
    mac: str = "00:50:56:80:00:01"
    model: str = "vmxnet3"
    connected: bool = True
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shutdown:
    """How a guest answers a request to shut down: after so many seconds, or never."""

    seconds: float = 0
    never: bool = False


@dataclass(frozen=True, slots=True)
class Vm:
    """A virtual machine, or ``count`` of them, named ``name-00001`` and on.

    Attributes:
        folder: where it lies below the datacenter's VM folder, ``%2f`` for a slash in a name.
        host: its ESXi host; the hosts take turns where it is empty.
        cdrom: the datastore path of an ISO in its drive.
        tools: as VirtualMachineToolsStatus: toolsOk, toolsOld, toolsNotRunning, toolsNotInstalled.
        fault_tolerance: as VirtualMachineFaultToleranceState.
    """

    name: str
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = (Nic(),)
    datacenter: str = ""
    folder: str = ""
    host: str = ""
    count: int = 1
    guest_id: str = "ubuntu64Guest"
    cpus: int = 1
    cores_per_socket: int = 1
    memory_mb: int = 64
    firmware: str = "bios"
    secure_boot: bool = False
    tpm: bool = False
    hardware_version: str = "vmx-19"
    uuid: str = ""
    instance_uuid: str = ""
    annotation: str = ""
    cdrom: str = ""
    usb: bool = False
    pci_passthrough: bool = False
    snapshots: tuple[str, ...] = ()
    encryption_key: str = ""
    fault_tolerance: str = "notConfigured"
    change_tracking: bool = False
    tools: str = "toolsOk"
    power: str = POWERED_OFF
    shutdown: Shutdown = Shutdown()


@dataclass(frozen=True, slots=True)
class Inventory:
    """All of it. ``esxi`` makes it a standalone host with one datacenter, whatever is named here."""

    vms: tuple[Vm, ...] = ()
    datacenters: tuple[Datacenter, ...] = (Datacenter(),)
    esxi: bool = False
