"""Rules over one VM that neither its source nor its translation knows.

Each is a small function of what is asked for and of the VM; :data:`RULES` names them.
"""

from collections.abc import Callable, Iterator

from thresher.model.spec import DiskBus, ImportSpec, NicModel
from thresher.model.vm import FirmwareType, Loss, SourceVM
from thresher.plan.rules.guests import UNTESTED, Support, support
from thresher.targets.manifests import plan

Check = Callable[[ImportSpec, SourceVM], Iterator[Loss]]
_SCSI_MISSING = (Support.NONE, Support.NO_SCSI, Support.UPDATES, Support.OLD_NO_SCSI)
_OLD = {Support.OLD_DRIVERS: (DiskBus.VIRTIO, DiskBus.SCSI), Support.OLD_NO_SCSI: (DiskBus.VIRTIO,)}
"""The buses that virtio-win's old drivers drive."""


def guest_disk_driver(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """A disk would hang on a bus that the guest has no driver for, as far as its name tells.

    A warning, whatever the table says: the name is what somebody once chose at the source, vendors and owners add
    drivers, and a disk's bus can still be changed in the new VM, with nothing lost.
    """
    known = support(vm.guest_os)
    for disk in vm.disks:
        bus = plan.disk_bus(spec, disk)
        missing = (bus is DiskBus.SCSI and known in _SCSI_MISSING) or (bus is DiskBus.VIRTIO and known is Support.NONE)
        if missing:
            message = (
                f"{vm.guest_os} as its vendor ships it has no driver for the bus {bus.value}, and would not find this "
                "disk: move it to an IDE or SATA controller at the source first, or set its bus to sata in the new VM."
            )
            yield Loss("GuestDiskDriver", f"disk {disk.key}", message)
        elif bus is DiskBus.VIRTIO and known is Support.UPDATES:
            message = (
                f"Only late updates of {vm.guest_os} have a driver for the bus {bus.value}: update the guest and its "
                "initial RAM disk before the import."
            )
            yield Loss("GuestDiskDriver", f"disk {disk.key}", message)


def guest_nic_driver(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """A network card would be one that the guest has no driver for."""
    known = support(vm.guest_os)
    for planned in plan.nics(spec, vm):
        if planned.model is NicModel.VIRTIO and known in (Support.NONE, Support.UPDATES):
            late = " before its late updates" if known is Support.UPDATES else ""
            message = (
                f"{vm.guest_os} has no driver for VirtIO network cards{late}: set networkInterfaceModel e1000 in "
                "networkMapping."
            )
            yield Loss("GuestNicDriver", f"NIC {planned.nic.key}", message)


def windows_drivers_old(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """VirtIO's drivers for this Windows are old ones, and no installer brings them."""
    buses = _OLD.get(support(vm.guest_os))
    if buses is None:
        return
    disks = any(plan.disk_bus(spec, disk) in buses for disk in vm.disks)
    nics = any(planned.model is NicModel.VIRTIO for planned in plan.nics(spec, vm))
    if disks or nics:
        message = (
            f"virtio-win builds no drivers for {vm.guest_os} any more: install the last ones by hand before the "
            "import. They are on its ISO, but its installer passes over this Windows."
        )
        yield Loss("WindowsDriversOld", "guest", message)


def guest_untested(_: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """A system that nobody promises to run on KVM."""
    if vm.guest_os.lower().startswith(UNTESTED):
        message = f"Nobody promises that {vm.guest_os} runs on KVM: try a copy first."
        yield Loss("GuestUntested", "guest", message)


def hot_add(_: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """Memory or vCPUs can be added at the source while the VM runs."""
    kinds = (("memory", vm.usage.memory_hot_add), ("vCPUs", vm.usage.cpu_hot_add))
    for what, on in kinds:
        if on:
            message = (
                f"At the source {what} can be added while it runs; the new VM starts again with more: set what it "
                "needs before the import."
            )
            yield Loss("HotAdd", what, message)


def nested_virtualization(_: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """Its guest runs VMs of its own."""
    if vm.usage.nested_virtualization:
        message = (
            "Its guest sees the processor's virtualization, and the new VM's does only where the cluster's hosts "
            "allow it: see that they do, and set the VM's CPU model to host-passthrough."
        )
        yield Loss("NestedVirtualization", "CPU", message)


def secure_boot_keys(_: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """Keys that the owner enrolled for Secure Boot are in the EFI variables, which stay behind."""
    if vm.firmware.secure_boot and vm.firmware.type is FirmwareType.EFI:
        message = (
            "The new VM's Secure Boot trusts Microsoft's keys only: where the guest boots by keys of your own, enroll "
            "them again."
        )
        yield Loss("SecureBootKeys", "firmware", message)


RULES: dict[str, Check] = {
    "GuestDiskDriver": guest_disk_driver,
    "GuestNicDriver": guest_nic_driver,
    "WindowsDriversOld": windows_drivers_old,
    "GuestUntested": guest_untested,
    "HotAdd": hot_add,
    "NestedVirtualization": nested_virtualization,
    "SecureBootKeys": secure_boot_keys,
}
"""By the rule that each finds."""


def machine_findings(spec: ImportSpec, vm: SourceVM) -> tuple[Loss, ...]:
    """What the rules of this module find."""
    return tuple(loss for check in RULES.values() for loss in check(spec, vm))
