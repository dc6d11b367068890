"""What the new VM gets: each decision of the translation once, for every target and for the findings.

The meaning of ``defaultDiskBusType`` and ``defaultNetworkInterfaceModel`` is the add-on's (its API's
comments and Harvester's page "VM Import"): they apply only where the source does not tell ("if
auto-detection fails"), as of an OpenStack image without ``hw_disk_bus`` or ``hw_vif_model``.
``networkInterfaceModel`` of a mapping's row overrides what the source says.
"""

from dataclasses import dataclass

from thresher.model.matching import match_network
from thresher.model.spec import DiskBus, ImportSpec, NicModel, RunStrategy
from thresher.model.units import MiB
from thresher.model.vm import Bus, CpuTopology, Disk, Nic, PowerState, SourceVM

_BUSES = {
    Bus.VIRTIO: DiskBus.VIRTIO,
    Bus.SATA: DiskBus.SATA,
    Bus.SCSI: DiskBus.SCSI,
    Bus.USB: DiskBus.USB,
    Bus.IDE: DiskBus.SATA,
    Bus.NVME: DiskBus.VIRTIO,
}
"""As the add-on's ``detectDiskBusType``: KubeVirt has neither IDE nor NVMe. A guest that drives IDE drives
SATA."""
_PVSCSI = ("pvscsi", "virtualscsi", "paravirtual")
"""Words for VMware's paravirtual controller: vSphere's ``ParaVirtualSCSIController``, OVF's
``VirtualSCSI``."""
_NICS = {
    "vmxnet": NicModel.VIRTIO,
    "vmxnet2": NicModel.VIRTIO,
    "vmxnet3": NicModel.VIRTIO,
    "virtio": NicModel.VIRTIO,
    "e1000": NicModel.E1000,
    "e1000e": NicModel.E1000E,
    "ne2k_pci": NicModel.NE2K_PCI,
    "pcnet": NicModel.PCNET,
    "pcnet32": NicModel.PCNET,
    "rtl8139": NicModel.RTL8139,
}
"""As the add-on's vCenter and OVA sources detect them."""


@dataclass(frozen=True, slots=True)
class PlannedNic:
    """One NIC of the new VM.

    Attributes:
        nic: the source's.
        index: its place among the source's NICs, from 0.
        model: what the guest will see.
        destination: ``namespace/name`` of a NetworkAttachmentDefinition; None for the management network.
    """

    nic: Nic
    index: int
    model: NicModel
    destination: str | None


def cpu(spec: ImportSpec, vm: SourceVM) -> CpuTopology:
    """The source's topology, or the count asked for, grouped as the source's where that divides."""
    return vm.cpu if spec.vcpus is None else CpuTopology.of(spec.vcpus, vm.cpu.cores_per_socket)


def memory(spec: ImportSpec, vm: SourceVM) -> MiB:
    """The memory the guest sees."""
    return vm.memory if spec.memory is None else spec.memory


def run_strategy(spec: ImportSpec, vm: SourceVM) -> RunStrategy:
    """What was asked for; else a VM that ran will run, and one that did not will not.

    ``vm.power`` has to be what it was before the import shut the source down.
    """
    if spec.run_strategy is not None:
        return spec.run_strategy
    return RunStrategy.RERUN_ON_FAILURE if vm.power is PowerState.ON else RunStrategy.HALTED


def disk_bus(spec: ImportSpec, disk: Disk) -> DiskBus:
    """The bus a disk will hang on.

    A disk of VMware's paravirtual controller becomes SATA: KubeVirt's ``scsi`` is virtio-scsi, and a guest
    that only ever loaded pvscsi does not boot from it (the add-on's ``detectDiskBusType``). Whoever names a
    default knows the guest's drivers better, so that it wins here: KubeVirt has no such bus either way.
    """
    if is_pvscsi(disk):
        return spec.disk_bus or DiskBus.SATA
    return _BUSES.get(disk.bus) or spec.disk_bus or DiskBus.VIRTIO


def is_pvscsi(disk: Disk) -> bool:
    """Whether the disk hung on VMware's paravirtual SCSI controller."""
    return disk.bus is Bus.SCSI and any(word in disk.controller.lower() for word in _PVSCSI)


def boot_positions(vm: SourceVM) -> tuple[int, ...]:
    """For each disk its KubeVirt ``bootOrder``, from 1: the source's order first, then as the disks come."""
    last = len(vm.disks) + 1
    stated = [disk.boot_order if disk.boot_order is not None else last for disk in vm.disks]
    order = sorted(range(len(vm.disks)), key=lambda index: (stated[index] >= last, stated[index], index))
    return tuple(order.index(index) + 1 for index in range(len(vm.disks)))


def detected_model(nic: Nic) -> NicModel | None:
    """What KubeVirt calls the source's NIC model, or None where it has nothing like it."""
    return _NICS.get(nic.model)


def nics(spec: ImportSpec, vm: SourceVM) -> tuple[PlannedNic, ...]:
    """Every NIC of the source, in its order. More than one without a destination is a blocker (findings)."""
    planned = []
    for index, nic in enumerate(vm.nics):
        row = match_network(spec.networks, nic.network)
        model = (row and row.model) or detected_model(nic) or spec.nic_model or NicModel.VIRTIO
        planned.append(PlannedNic(nic, index, model, _qualified(spec, row.destination) if row else None))
    return tuple(planned)


def attachable_nics(spec: ImportSpec, vm: SourceVM) -> tuple[PlannedNic, ...]:
    """Those NICs that one VM can have in KubeVirt: at most one on the management network."""
    planned = nics(spec, vm)
    surplus = {nic.index for nic in [nic for nic in planned if nic.destination is None][1:]}
    return tuple(nic for nic in planned if nic.index not in surplus)


def _qualified(spec: ImportSpec, destination: str) -> str:
    return destination if "/" in destination else f"{spec.namespace}/{destination}"


def storage_class(spec: ImportSpec, disk: Disk) -> str | None:
    """The storage class of a disk: by its datastore, else the import's, else None for Harvester's default."""
    return dict(spec.storage_mapping).get(disk.datastore, spec.storage_class)
