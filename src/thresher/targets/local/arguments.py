"""The QEMU command line of a VM. Purely computational: which files it names is decided by the caller.

Options as in QEMU's manual (https://www.qemu.org/docs/master/system/invocation.html).
"""

import json
from dataclasses import dataclass
from pathlib import Path

from thresher.model.naming import target_name
from thresher.model.spec import DiskBus, ImportSpec, NicModel
from thresher.model.vm import OsFamily, SourceVM
from thresher.targets.manifests import plan

_SATA_PORTS = 6
"""Of one AHCI controller as QEMU emulates it."""
_USB_PORTS = 15
"""The most that QEMU's xHCI controller offers of each kind."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """EFI's two flash chips: the code, shared and read-only, and the VM's own variables."""

    code: Path
    variables: Path


@dataclass(frozen=True, slots=True)
class Files:
    """What a run reads and writes; absolute, for QEMU leaves its folder when it goes to the background."""

    disks: tuple[Path, ...]
    console: Path
    pid: Path
    firmware: Firmware | None = None


def qemu_arguments(spec: ImportSpec, vm: SourceVM, files: Files, *, kvm: bool) -> list[str]:
    """Everything after ``qemu-system-x86_64``: the VM in the background, its serial console in a file.

    NICs get a network that reaches neither this machine nor anything else (``restrict=on``). A reboot ends
    the VM.
    """
    cpu = plan.cpu(spec, vm)
    arguments = ["-name", target_name(spec, vm), "-machine", _machine(vm, files, kvm=kvm)]
    arguments += ["-cpu", "host" if kvm else "max"]
    arguments += ["-smp", f"{cpu.vcpus},sockets={cpu.sockets},cores={cpu.cores_per_socket},threads=1"]
    arguments += ["-m", f"{plan.memory(spec, vm)}M", "-nodefaults", "-no-user-config", "-display", "none"]
    arguments += ["-vga", "std", "-no-reboot", "-daemonize", "-pidfile", str(files.pid)]
    arguments += ["-serial", f"file:{files.console}"]
    if vm.smbios_uuid is not None:
        arguments += ["-uuid", vm.smbios_uuid]
    if vm.os_family is OsFamily.WINDOWS:
        arguments += ["-rtc", "base=localtime"]
    return [*arguments, *_flash(vm, files), *_disks(spec, vm, files), *_nics(spec, vm)]


def _machine(vm: SourceVM, files: Files, *, kvm: bool) -> str:
    words = ["q35", f"accel={'kvm' if kvm else 'tcg'}"]
    if files.firmware is not None:
        words += ["pflash0=flash-code", "pflash1=flash-variables"]
    if vm.firmware.secure_boot:
        words.append("smm=on")
    return ",".join(words)


def _flash(vm: SourceVM, files: Files) -> list[str]:
    if files.firmware is None:
        return []
    arguments = _file("flash-code", files.firmware.code, read_only=True)
    arguments += _file("flash-variables", files.firmware.variables)
    if vm.firmware.secure_boot:  # only code in SMM may write the variables, or the keys would protect nothing
        arguments += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    return arguments


def _file(node: str, path: Path, *, read_only: bool = False) -> list[str]:
    """A raw file as a block device. As JSON, in which a comma in a path means nothing."""
    inner = {"driver": "file", "filename": str(path)}
    return [
        "-blockdev",
        json.dumps({"driver": "raw", "node-name": node, "read-only": read_only, "file": inner}),
    ]


def _disks(spec: ImportSpec, vm: SourceVM, files: Files) -> list[str]:
    positions = plan.boot_positions(vm)
    buses = [plan.disk_bus(spec, disk) for disk in vm.disks]
    arguments = _controllers(buses)
    for index, (bus, path) in enumerate(zip(buses, files.disks, strict=True)):
        place = buses[:index].count(bus)
        arguments += _file(f"disk-{index}", path)
        arguments += ["-device", f"{_device(bus, place)},drive=disk-{index},bootindex={positions[index]}"]
    return arguments


def _controllers(buses: list[DiskBus]) -> list[str]:
    arguments = []
    for number in range(-(-buses.count(DiskBus.SATA) // _SATA_PORTS)):
        arguments += ["-device", f"ahci,id=sata{number}"]
    if DiskBus.SCSI in buses:
        arguments += ["-device", "virtio-scsi-pci,id=scsi0"]
    if DiskBus.USB in buses:
        arguments += ["-device", f"qemu-xhci,id=usb0,p2={_USB_PORTS},p3={_USB_PORTS}"]
    return arguments


def _device(bus: DiskBus, place: int) -> str:
    match bus:
        case DiskBus.VIRTIO:
            return "virtio-blk-pci"
        case DiskBus.SATA:
            return f"ide-hd,bus=sata{place // _SATA_PORTS}.{place % _SATA_PORTS}"
        case DiskBus.SCSI:
            return f"scsi-hd,bus=scsi0.0,lun={place}"
        case DiskBus.USB:
            return "usb-storage,bus=usb0.0"


def _nics(spec: ImportSpec, vm: SourceVM) -> list[str]:
    arguments = []
    for planned in plan.nics(spec, vm):
        name = "virtio-net-pci" if planned.model is NicModel.VIRTIO else planned.model.value
        mac = f",mac={planned.nic.mac}" if planned.nic.mac is not None else ""
        arguments += ["-netdev", f"user,id=net{planned.index},restrict=on"]
        # romfile: no network boot, and no need of the package that holds the boot ROMs
        arguments += ["-device", f"{name},netdev=net{planned.index},romfile={mac}"]
    return arguments
