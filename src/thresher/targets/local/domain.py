"""The libvirt domain XML of a VM, for ``virsh define`` (https://libvirt.org/formatdomain.html)."""

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET  # nosec B405

from thresher.model.naming import target_name
from thresher.model.spec import DiskBus, ImportSpec
from thresher.model.vm import FirmwareType, OsFamily, SourceVM
from thresher.targets.manifests import plan

_HYPERV = ("relaxed", "vapic", "vpindex", "runtime", "synic", "frequencies", "ipi", "reset", "tlbflush")
"""The switches among the enlightenments that the manifests ask KubeVirt for; ``spinlocks`` and ``stimer``
have something inside."""


def domain_xml(spec: ImportSpec, vm: SourceVM, disks: Sequence[Path], *, kvm: bool) -> str:
    """Describe the VM to libvirt.

    Networks of the mapping exist in Harvester, not here, so every NIC gets libvirt's user-mode network.

    Args:
        spec: what was asked for.
        vm: the source VM.
        disks: the raw files, one for each of ``vm.disks``.
        kvm: whether this machine can run it with KVM; else by emulation.
    """
    cpu = plan.cpu(spec, vm)
    domain = ET.Element("domain", type="kvm" if kvm else "qemu")
    _add(domain, "name", text=target_name(spec, vm))
    if vm.smbios_uuid is not None:
        _add(domain, "uuid", text=vm.smbios_uuid)
    if vm.notes:
        _add(domain, "description", text=_printable(vm.notes))
    _add(domain, "memory", {"unit": "MiB"}, str(plan.memory(spec, vm)))
    _add(domain, "vcpu", {"placement": "static"}, str(cpu.vcpus))
    model = _add(domain, "cpu", {"mode": "host-model" if kvm else "maximum"})
    _add(model, "topology", {"sockets": str(cpu.sockets), "cores": str(cpu.cores_per_socket), "threads": "1"})
    _os(domain, vm)
    _features(domain, vm)
    _clock(domain, vm)
    devices = _add(domain, "devices")
    _disks(devices, spec, vm, disks)
    _nics(devices, spec, vm)
    _fixed(devices, vm)
    ET.indent(domain)
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return declaration + ET.tostring(domain, encoding="unicode") + "\n"


def _add(parent: ET.Element, tag: str, attributes: Mapping[str, str] | None = None, text: str = "") -> ET.Element:
    child = ET.SubElement(parent, tag, dict(attributes or {}))
    child.text = text or None
    return child


def _printable(text: str) -> str:
    """Drop the control characters that XML 1.0 cannot hold at all (section 2.2)."""
    return "".join(char for char in text if char in "\t\n" or (char >= " " and not "\ud800" <= char <= "\udfff"))


def _os(domain: ET.Element, vm: SourceVM) -> None:
    efi = vm.firmware.type is FirmwareType.EFI
    os = _add(domain, "os", {"firmware": "efi"} if efi else {})
    _add(os, "type", {"arch": "x86_64", "machine": "q35"}, "hvm")
    if efi:
        enabled = "yes" if vm.firmware.secure_boot else "no"
        firmware = _add(os, "firmware")
        _add(firmware, "feature", {"enabled": enabled, "name": "secure-boot"})
        _add(firmware, "feature", {"enabled": enabled, "name": "enrolled-keys"})


def _features(domain: ET.Element, vm: SourceVM) -> None:
    features = _add(domain, "features")
    _add(features, "acpi")
    _add(features, "apic")
    if vm.firmware.secure_boot or vm.firmware.tpm:
        _add(features, "smm", {"state": "on"})
    if vm.os_family is OsFamily.WINDOWS:
        hyperv = _add(features, "hyperv", {"mode": "custom"})
        for name in _HYPERV:
            _add(hyperv, name, {"state": "on"})
        _add(hyperv, "spinlocks", {"state": "on", "retries": "8191"})
        _add(_add(hyperv, "stimer", {"state": "on"}), "direct", {"state": "on"})


def _clock(domain: ET.Element, vm: SourceVM) -> None:
    if vm.os_family is not OsFamily.WINDOWS:
        _add(domain, "clock", {"offset": "utc"})
        return
    clock = _add(domain, "clock", {"offset": "localtime"})
    _add(clock, "timer", {"name": "hpet", "present": "no"})
    _add(clock, "timer", {"name": "pit", "tickpolicy": "delay"})
    _add(clock, "timer", {"name": "rtc", "tickpolicy": "catchup"})
    _add(clock, "timer", {"name": "hypervclock", "present": "yes"})


def _disks(devices: ET.Element, spec: ImportSpec, vm: SourceVM, files: Sequence[Path]) -> None:
    positions = plan.boot_positions(vm)
    buses = [plan.disk_bus(spec, disk) for disk in vm.disks]
    taken = {"vd": 0, "sd": 0}
    for index, (bus, file) in enumerate(zip(buses, files, strict=True)):
        prefix = "vd" if bus is DiskBus.VIRTIO else "sd"
        disk = _add(devices, "disk", {"type": "file", "device": "disk"})
        _add(disk, "driver", {"name": "qemu", "type": "raw"})
        _add(disk, "source", {"file": str(file.absolute())})
        _add(disk, "target", {"dev": prefix + _letters(taken[prefix]), "bus": bus.value})
        _add(disk, "boot", {"order": str(positions[index])})
        taken[prefix] += 1
    if DiskBus.SCSI in buses:
        _add(devices, "controller", {"type": "scsi", "index": "0", "model": "virtio-scsi"})
    if DiskBus.USB in buses:
        _add(devices, "controller", {"type": "usb", "index": "0", "model": "qemu-xhci", "ports": "15"})


def _letters(index: int) -> str:
    """The kernel's disk letters: a to z, then aa."""
    alphabet = string.ascii_lowercase
    return (_letters(index // 26 - 1) if index >= len(alphabet) else "") + alphabet[index % 26]


def _nics(devices: ET.Element, spec: ImportSpec, vm: SourceVM) -> None:
    for planned in plan.nics(spec, vm):
        interface = _add(devices, "interface", {"type": "user"})
        if planned.nic.mac is not None:
            _add(interface, "mac", {"address": planned.nic.mac})
        _add(interface, "model", {"type": planned.model.value})


def _fixed(devices: ET.Element, vm: SourceVM) -> None:
    _add(devices, "serial", {"type": "pty"})
    _add(devices, "console", {"type": "pty"})
    _add(devices, "graphics", {"type": "vnc", "autoport": "yes"})
    _add(_add(devices, "video"), "model", {"type": "vga"})
    if vm.firmware.tpm:
        tpm = _add(devices, "tpm", {"model": "tpm-crb"})
        _add(tpm, "backend", {"type": "emulator", "version": "2.0"})
