"""What the user asked for, validated and free of Kubernetes: the input of decisions and translation."""

from dataclasses import dataclass
from enum import StrEnum

from thresher.model.units import MiB


class NicModel(StrEnum):
    """NIC models that KubeVirt knows."""

    E1000 = "e1000"
    E1000E = "e1000e"
    NE2K_PCI = "ne2k_pci"
    PCNET = "pcnet"
    RTL8139 = "rtl8139"
    VIRTIO = "virtio"


class DiskBus(StrEnum):
    """Disk buses that KubeVirt knows."""

    VIRTIO = "virtio"
    SATA = "sata"
    SCSI = "scsi"
    USB = "usb"


class Verify(StrEnum):
    """What is proved beyond what always is (grain checksums, stream end, sizes, manifest)."""

    DEFAULT = "default"
    SHA512 = "sha512"
    BOOT = "boot"


class DiskMode(StrEnum):
    """What a disk's bytes are written to in a cluster."""

    IMAGE = "image"
    VOLUME = "volume"


class RunStrategy(StrEnum):
    """KubeVirt's run strategies that an import may ask for."""

    ALWAYS = "Always"
    RERUN_ON_FAILURE = "RerunOnFailure"
    MANUAL = "Manual"
    HALTED = "Halted"


@dataclass(frozen=True, slots=True)
class NetworkMapping:
    """One row of ``networkMapping``."""

    source: str
    destination: str
    model: NicModel | None = None


@dataclass(frozen=True, slots=True)
class ImportSpec:
    """One import, as asked for.

    Attributes:
        namespace: of the import; the new VM is made there.
        name: of the import object.
        uid: of the import object; derived from namespace and name where there is no cluster.
        vm_name: the source VM's name (or UUID).
        folder: where to look for it; "" for everywhere.
        target_name: what the new VM is to be called; None derives it from the source's name.
        networks: the mapping, in the order written.
        nic_model: for NICs whose model the source does not tell and no mapping names; None means virtio.
        storage_class: for every disk; None takes Harvester's default.
        storage_mapping: datastore to storage class, before ``storage_class``.
        disk_bus: for disks whose bus the source does not tell; None means virtio.
        vcpus: overrides the source's vCPU count.
        memory: overrides the source's memory, in MiB.
        run_strategy: overrides what the source's power state asks for.
        verify: what is proved beyond what always is.
        start: whether this run starts the new VM; None does as the run strategy says.
        suspend: whether the import is to rest, with what it has, until this is false again.
        disk_mode: whether Harvester makes each volume of an image that it downloads, or the worker writes the new VM's
            volumes themselves.
    """

    namespace: str
    name: str
    uid: str
    vm_name: str
    folder: str = ""
    target_name: str | None = None
    networks: tuple[NetworkMapping, ...] = ()
    nic_model: NicModel | None = None
    storage_class: str | None = None
    storage_mapping: tuple[tuple[str, str], ...] = ()
    disk_bus: DiskBus | None = None
    force_power_off: bool = False
    graceful_shutdown_timeout_s: int = 60
    skip_preflight: bool = False
    vcpus: int | None = None
    memory: MiB | None = None
    run_strategy: RunStrategy | None = None
    verify: Verify = Verify.DEFAULT
    start: bool | None = None
    suspend: bool = False
    disk_mode: DiskMode = DiskMode.IMAGE

    @property
    def writes_volumes(self) -> bool:
        """Whether the worker writes the new VM's volumes themselves."""
        return self.disk_mode is DiskMode.VOLUME
