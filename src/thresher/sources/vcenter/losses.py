"""What a VM of vCenter has and the new one will not have, told before anything is touched.

What depends on the target, such as an empty TPM or a driver that Windows needs, the target's translation tells.
Sources: vSphere Web Services API; "Virtual Machine Encryption Interoperability" and "Export an OVF Template" of
vSphere's documentation for what cannot be exported.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from pyVmomi import vim

from thresher.model.vm import Loss, PowerState, Severity
from thresher.sources.vcenter.devices import is_disk, kind
from thresher.sources.vcenter.rows import Row

_NEWEST_HARDWARE = 21
"""Of vSphere 8.0 U2, the newest whose devices are all known here."""
_DEVICES = {
    "VirtualPCIPassthrough": (
        "PciPassthrough",
        "A device of the ESXi host is passed through to the VM and not carried over; give the new VM one of its host.",
    ),
    "VirtualUSB": ("UsbPassthrough", "The USB device is not carried over; attach it to the new VM."),
    "VirtualSCSIPassthrough": (
        "ScsiPassthrough",
        "A SCSI device of the ESXi host is passed through to the VM and not carried over.",
    ),
    "VirtualSerialPort": (
        "SerialPort",
        "What its serial port is connected to is not carried over; a console is.",
    ),
    "VirtualParallelPort": ("ParallelPort", "Harvester VMs have no parallel port."),
    "VirtualFloppy": ("Floppy", "Harvester VMs have no floppy drive; copy its image into a disk if it matters."),
    "VirtualSoundCard": ("Sound", "The sound card is not carried over."),
    "VirtualSriovEthernetCard": (
        "SriovNic",
        "The function of a physical network card behind it is not carried over: it becomes a plain virtual one.",
    ),
}
_ORDINARY = {
    "VirtualController",
    "VirtualEthernetCard",
    "VirtualKeyboard",
    "VirtualPointingDevice",
    "VirtualPrecisionClock",
    "VirtualTPM",
    "VirtualVideoCard",
    "VirtualVMCIDevice",
    "VirtualWDT",
}
"""Devices, with all that derive from them, that are read elsewhere or that hold nothing of the user's."""


def losses(vm: Row, power: PowerState) -> tuple[Loss, ...]:
    """Everything of a VM that cannot be carried over, or not as it was."""
    devices = vm.get("config.hardware.device", ())
    return (
        *_machine(vm),
        *_encryption(vm, devices),
        *_tools(vm, power),
        *_snapshots(vm),
        *_disks(devices, snapshot_depth(vm.get("snapshot"))),
        *_others(devices),
    )


def _blocker(rule: str, subject: str, message: str) -> Loss:
    return Loss(rule, subject, message, Severity.BLOCKER)


def unreadable(vm: Row) -> Loss:
    """A VM whose configuration cannot be read at all."""
    fault: Any = next(iter(vm.refused.values()), None)
    if kind(fault) in ("NoPermission", "NotAuthenticated"):
        why = f"the user lacks the privilege {fault.privilegeId or 'System.Read'} on it: add it to the user's role"
    else:
        why = f"vCenter calls it {vm.get('runtime.connectionState', 'unknown')}: mend it there"
    return _blocker("ConfigurationUnreadable", "VM", f"Its configuration cannot be read, because {why}.")


def _machine(vm: Row) -> Iterator[Loss]:
    version = vm.get("config.version", "")
    number = version.removeprefix("vmx-")
    if number.isdigit() and int(number) > _NEWEST_HARDWARE:
        message = (
            f"Its hardware version {version} is newer than vmx-{_NEWEST_HARDWARE}: it may have devices that are not "
            "known here; look at them after the import."
        )
        yield Loss("HardwareVersionNew", "VM", message)
    if vm.get("runtime.faultToleranceState", "notConfigured") != "notConfigured":
        message = "Fault Tolerance is not carried over; turn it off first, or vCenter may refuse the export."
        yield Loss("FaultTolerance", "VM", message)
    if vm.get("config.template", default=False):
        yield Loss("Template", "VM", "It is a template, and becomes an ordinary VM.")


def _encryption(vm: Row, devices: Sequence[Any]) -> Iterator[Loss]:
    if vm.get("config.keyId") is None:
        return
    encrypted = [device for device in devices if is_disk(device) and getattr(device.backing, "keyId", None)]
    if any(kind(device) == "VirtualTPM" for device in devices) and not encrypted:
        # A vTPM makes vSphere encrypt the files beside the disks, not the disks.
        message = (
            "Its configuration files are encrypted for the vTPM: if vCenter refuses the export, remove the vTPM first "
            "(with BitLocker suspended or its recovery key at hand)."
        )
        yield Loss("EncryptedVm", "VM", message)
        return
    message = "It is encrypted, and vSphere exports no encrypted VM: decrypt it (VM Storage Policy) before the import."
    yield _blocker("EncryptedVm", "VM", message)


def _tools(vm: Row, power: PowerState) -> Iterator[Loss]:
    if power is not PowerState.ON:
        return
    if vm.get("guest.toolsVersionStatus2") == "guestToolsNotInstalled":
        why = "VMware Tools are not installed"
    elif vm.get("guest.toolsRunningStatus", "guestToolsNotRunning") == "guestToolsNotRunning":
        why = "VMware Tools do not run"
    else:
        return
    message = f"{why}, so its guest cannot be asked to shut down: shut it down by hand, or set forcePowerOff."
    yield Loss("ToolsMissing", "guest", message)


def _snapshots(vm: Row) -> Iterator[Loss]:
    count = snapshot_count(vm)
    if count:
        message = (
            f"Its {count} snapshot{'s' * (count != 1)} stay at the source: the export consolidates each disk, "
            "and the new VM has the present state only."
        )
        yield Loss("Snapshots", "VM", message)
    elif vm.get("runtime.consolidationNeeded", default=False):
        message = "Its disks have leftovers of snapshots, which the export consolidates; vCenter suggests it, too."
        yield Loss("Snapshots", "VM", message)


def snapshot_count(vm: Row) -> int:
    """How many snapshots a VM has."""
    tree = vm.get("snapshot")
    return 0 if tree is None else _count(tree.rootSnapshotList)


def _count(trees: Sequence[Any]) -> int:
    return sum(1 + _count(tree.childSnapshotList) for tree in trees)


def snapshot_depth(info: Any) -> int:
    """How many snapshots lie below the present state: each put one file on top of a disk's others."""

    def depth(trees: Sequence[Any], above: int) -> int:
        for tree in trees:
            if tree.snapshot == info.currentSnapshot:
                return above + 1
            found = depth(tree.childSnapshotList, above + 1)
            if found:
                return found
        return 0

    return depth(info.rootSnapshotList, 0) if info is not None else 0


def _disks(devices: Sequence[Any], snapshots: int) -> Iterator[Loss]:
    controllers = {device.key: device for device in devices if hasattr(device, "busNumber")}
    for device in devices:
        if is_disk(device):
            subject = f"disk {device.key}"
            yield from _sharing(subject, device, controllers.get(device.controllerKey))
            yield from _backing(subject, device.backing, snapshots)


def _sharing(subject: str, device: Any, controller: Any) -> Iterator[Loss]:
    shared = getattr(device.backing, "sharing", None) not in (None, "sharingNone")
    bus = str(getattr(controller, "sharedBus", None) or "noSharing")
    if shared or bus != "noSharing":
        how = "multi-writer" if shared else bus
        message = (
            f"Several VMs may write to it at once ({how}), and a copy would not be shared: detach it before the import."
        )
        yield _blocker("SharedDisk", subject, message)


def _backing(subject: str, backing: Any, snapshots: int) -> Iterator[Loss]:
    mode = getattr(backing, "compatibilityMode", None)
    if kind(backing).startswith("RawDiskMapping"):
        if mode == "virtualMode":
            message = "It is a raw device mapping: its contents are copied, and the LUN itself stays with the source."
            yield Loss("RawDeviceMapping", subject, message)
        else:
            message = (
                "It is a raw device mapping in physical mode, which vSphere does not export: detach it and copy the "
                "LUN by other means, or make the mapping virtual."
            )
            yield _blocker("RawDeviceMapping", subject, message)
    elif kind(backing).startswith(("RawDisk", "PartitionedRawDisk")):
        message = "It is a physical disk of the host, which vSphere does not export: copy it by other means."
        yield _blocker("RawDeviceMapping", subject, message)
    disk_mode = str(getattr(backing, "diskMode", None) or "persistent")
    if disk_mode == "independent_persistent":
        message = "It is independent, so no snapshot holds it: it can be copied only while the VM is off."
        yield Loss("IndependentDisk", subject, message)
    elif disk_mode != "persistent":
        message = f"At the source it forgets what is written ({disk_mode}); the new disk keeps it."
        yield Loss("IndependentDisk", subject, message)
    if _parents(backing) > snapshots:
        message = "It is a linked clone of another disk: the copy holds both and depends on nothing."
        yield Loss("LinkedClone", subject, message)


def _parents(backing: Any) -> int:
    count = 0
    while (backing := getattr(backing, "parent", None)) is not None:
        count += 1
    return count


def _others(devices: Sequence[Any]) -> Iterator[Loss]:
    for device in devices:
        if isinstance(device, vim.vm.device.VirtualCdrom):
            if kind(device.backing) == "IsoBackingInfo":
                message = f"The medium {device.backing.fileName!r} in it is not carried over; attach it again."
                yield Loss("CdromMedia", f"CD drive {device.key}", message)
        elif not is_disk(device):
            yield from _other(device)


def _other(device: Any) -> Iterator[Loss]:
    kinds = [base.__name__.rpartition(".")[2] for base in type(device).__mro__]
    known = next((name for name in kinds if name in _DEVICES), None)
    if known is not None:
        rule, message = _DEVICES[known]
        yield Loss(rule, f"NIC {device.key}" if rule == "SriovNic" else f"device {label(device)}", message)
    elif "VirtualNVDIMM" in kinds:
        message = "vSphere does not export an NVDIMM, so its contents would be lost: copy them to a disk first."
        yield _blocker("Nvdimm", f"device {label(device)}", message)
    elif _ORDINARY.isdisjoint(kinds):
        message = (
            f"Hardware of the kind {kinds[0]} is not known here and not carried over; set it up by hand if needed."
        )
        yield Loss("UnknownHardware", f"device {label(device)}", message)


def label(device: Any) -> str:
    """What vSphere's own pages call a device, else its key."""
    info = device.deviceInfo
    return str(info.label) if info is not None and info.label else str(device.key)
