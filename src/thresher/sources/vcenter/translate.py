"""A VM of vCenter as the model has it. Pure: what was read in, :class:`SourceVM` out.

vSphere's words: Web Services API, VirtualMachine. Its megabytes are MiB.
"""

from typing import Any

from thresher.model.matching import unescape
from thresher.model.units import Bytes, MiB
from thresher.model.vm import CpuTopology, Firmware, FirmwareType, GuestTools, PowerState, SourceVM, Usage
from thresher.sources.vcenter import devices
from thresher.sources.vcenter.guest import os_family
from thresher.sources.vcenter.losses import losses, snapshot_count, unreadable
from thresher.sources.vcenter.rows import Row, Surroundings

PROPERTIES = (
    "name",
    "parent",
    "parentVApp",
    "snapshot",
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.consolidationNeeded",
    "runtime.faultToleranceState",
    "runtime.host",
    "guest.guestFamily",
    "guest.net",
    "guest.toolsRunningStatus",
    "guest.toolsVersionStatus2",
    "summary.storage.committed",
    "config.changeTrackingEnabled",
    "config.cpuHotAddEnabled",
    "config.memoryHotAddEnabled",
    "config.nestedHVEnabled",
    "config.annotation",
    "config.bootOptions",
    "config.firmware",
    "config.guestId",
    "config.hardware.device",
    "config.hardware.memoryMB",
    "config.hardware.numCPU",
    "config.hardware.numCoresPerSocket",
    "config.keyId",
    "config.template",
    "config.uuid",
    "config.version",
)
"""All that is read of a VM; the whole ``config`` would be many times as much."""

_POWER = {"poweredOn": PowerState.ON, "poweredOff": PowerState.OFF, "suspended": PowerState.SUSPENDED}


def source_vm(vm: Row, around: Surroundings) -> SourceVM:
    """Translate what was read of a VM.

    A VM whose configuration cannot be read comes out with a blocker among its losses, and with nothing in it.
    """
    power = _POWER.get(vm.get("runtime.powerState", ""), PowerState.OFF)
    name, folder = unescape(vm.get("name", vm.moref)), around.folder(vm)
    vcpus, hardware = vm.get("config.hardware.numCPU", 0), vm.get("config.hardware.device")
    if vcpus < 1 or hardware is None:
        nothing = CpuTopology(1, 1)
        return SourceVM(name, nothing, MiB(0), power=power, id=vm.moref, folder=folder, losses=(unreadable(vm),))
    guest = vm.get("config.guestId", "")
    boot = vm.get("config.bootOptions")
    return SourceVM(
        name=name,
        cpu=CpuTopology.of(vcpus, vm.get("config.hardware.numCoresPerSocket")),
        memory=MiB(vm.get("config.hardware.memoryMB", 0)),
        guest_os=guest,
        os_family=os_family(guest, vm.get("guest.guestFamily", "")),
        firmware=_firmware(vm, boot, hardware),
        smbios_uuid=vm.get("config.uuid", "").lower() or None,
        disks=devices.disks(hardware, getattr(boot, "bootOrder", None) or (), around),
        nics=devices.nics(hardware, around, vm.get("guest.net", ())),
        power=power,
        hardware_version=vm.get("config.version", ""),
        notes=vm.get("config.annotation", ""),
        id=vm.moref,
        folder=folder,
        host=around.host(vm),
        losses=losses(vm, power),
        usage=_usage(vm),
    )


def _usage(vm: Row) -> Usage:
    used = vm.get("summary.storage.committed")
    return Usage(
        used=None if used is None else Bytes(used),
        snapshots=snapshot_count(vm),
        tools=_tools(vm),
        memory_hot_add=vm.get("config.memoryHotAddEnabled"),
        cpu_hot_add=vm.get("config.cpuHotAddEnabled"),
        change_tracking=vm.get("config.changeTrackingEnabled"),
        nested_virtualization=vm.get("config.nestedHVEnabled"),
    )


def _tools(vm: Row) -> GuestTools:
    if vm.get("guest.toolsVersionStatus2") == "guestToolsNotInstalled":
        return GuestTools.MISSING
    running = vm.get("guest.toolsRunningStatus")
    if running is None:
        return GuestTools.UNKNOWN
    return GuestTools.STOPPED if running == "guestToolsNotRunning" else GuestTools.RUNNING


def _firmware(vm: Row, boot: Any, hardware: Any) -> Firmware:
    return Firmware(
        type=FirmwareType.EFI if vm.get("config.firmware") == "efi" else FirmwareType.BIOS,
        secure_boot=bool(getattr(boot, "efiSecureBootEnabled", None)),
        tpm=any(devices.kind(device) == "VirtualTPM" for device in hardware),
    )
