"""What the translation cannot carry over, or not as it was: told before anything is touched."""

from collections import Counter
from collections.abc import Iterator

from thresher.model.matching import match_network
from thresher.model.naming import MAX_LENGTH, is_label, target_vm_name
from thresher.model.spec import DiskBus, ImportSpec, NicModel
from thresher.model.vm import Bus, Disk, FirmwareType, Loss, Nic, OsFamily, PowerState, Severity, SourceVM
from thresher.targets.manifests import plan
from thresher.targets.manifests.images import is_blank


def findings(spec: ImportSpec, vm: SourceVM) -> tuple[Loss, ...]:
    """Everything that the translation of this VM loses or changes.

    What the source itself found stays in ``vm.losses``.

    A blocker means that the VM could not be created, or not without losing a part of it.
    """
    return (
        *_naming(spec, vm),
        *_power(spec, vm),
        *_cpu(spec, vm),
        *_mapping(spec, vm),
        *_nics(spec, vm),
        *_disks(spec, vm),
        *_firmware(vm),
        *_windows(spec, vm),
    )


def _blocker(rule: str, subject: str, message: str) -> Loss:
    return Loss(rule, subject, message, Severity.BLOCKER)


def _naming(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    if spec.target_name is not None:
        if not is_label(spec.target_name):
            message = (
                f"targetName {spec.target_name!r} is no valid VM name: use at most {MAX_LENGTH} of a-z, 0-9 "
                f"and -, "
                "beginning and ending with a letter or digit."
            )
            yield _blocker("TargetNameInvalid", "VM", message)
    elif not is_label(vm.name):
        name = target_vm_name(vm.name, spec.uid)
        message = (
            f"Kubernetes cannot hold the name {vm.name!r}, so the new VM is called {name}; set targetName to choose."
        )
        yield Loss("NameChanged", "VM", message)


def _power(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    if vm.power is not PowerState.SUSPENDED:
        return
    if spec.force_power_off:
        yield Loss("Suspended", "VM", "The VM is suspended: what it holds in memory is lost when it is powered off.")
    else:
        message = (
            "The VM is suspended, and its memory cannot be imported: resume it and shut it down, or set forcePowerOff."
        )
        yield _blocker("Suspended", "VM", message)


def _cpu(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    topology = plan.cpu(spec, vm)
    if spec.vcpus is not None and topology.cores_per_socket != vm.cpu.cores_per_socket:
        message = (
            f"{spec.vcpus} vCPUs cannot be grouped by {vm.cpu.cores_per_socket} per socket as at the source, "
            "so each gets a socket of its own."
        )
        yield Loss("CpuTopologyChanged", "CPU", message)


def _mapping(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    used = [match_network(spec.networks, nic.network) for nic in vm.nics]
    names = ", ".join(sorted({nic.network.path or nic.network.name for nic in vm.nics if nic.network})) or "none"
    for row in spec.networks:
        if row not in used:
            message = (
                f"networkMapping names {row.source!r}, but no NIC of the VM is mapped by it; its networks are: {names}."
            )
            yield Loss("MappingUnused", f"network {row.source}", message)


def _nics(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    unmapped = [planned for planned in plan.nics(spec, vm) if planned.destination is None]
    for position, planned in enumerate(unmapped):
        where = _where(planned.nic)
        if position == 0:
            message = f"No networkMapping matches {where}, so this NIC goes to the management network."
            yield Loss("NetworkUnmapped", _subject(planned.nic), message)
        else:
            message = (
                f"No networkMapping matches {where}, and {_subject(unmapped[0].nic)} already takes the one "
                f"management "
                "network that a VM can have: map this network."
            )
            yield _blocker("NetworkUnmapped", _subject(planned.nic), message)
    for planned in plan.nics(spec, vm):
        yield from _nic(spec, planned)
    yield from _macs(vm)


def _nic(spec: ImportSpec, planned: plan.PlannedNic) -> Iterator[Loss]:
    nic, subject = planned.nic, _subject(planned.nic)
    row = match_network(spec.networks, nic.network)
    chosen = row is not None and row.model is not None
    if nic.model and plan.detected_model(nic) is None and not chosen:
        message = f"KubeVirt has no NIC model like {nic.model!r}, so the guest sees {planned.model.value} instead."
        yield Loss("NicModelReplaced", subject, message)
    if not nic.connected:
        message = (
            "The NIC is disconnected at the source, but comes up connected: disconnect it in the guest if that matters."
        )
        yield Loss("NicDisconnected", subject, message)
    if nic.mac is None:
        yield Loss("MacUnknown", subject, "The source states no MAC address, so the NIC gets a new one.")


def _macs(vm: SourceVM) -> Iterator[Loss]:
    count = Counter(nic.mac for nic in vm.nics if nic.mac is not None)
    for mac, times in count.items():
        if times > 1:
            keys = ", ".join(nic.key for nic in vm.nics if nic.mac == mac)
            message = f"{times} NICs ({keys}) have the MAC address {mac}: give each its own before importing."
            yield Loss("MacDuplicate", f"MAC {mac}", message)


def _subject(nic: Nic) -> str:
    return f"NIC {nic.key}"


def _where(nic: Nic) -> str:
    if nic.network is None:
        return "a NIC without a network"
    return f"the network {(nic.network.path or nic.network.name or nic.network.id)!r}"


def _disks(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    if not vm.disks:
        yield Loss("NoDisks", "VM", "The VM has no disks, so the new one has nothing to boot from.")
    for disk in vm.disks:
        subject, bus = f"disk {disk.key}", plan.disk_bus(spec, disk)
        if is_blank(disk) and not disk.capacity:
            message = "The disk is blank and no size is stated for it: set its capacity at the source."
            yield _blocker("DiskSizeUnknown", subject, message)
        elif spec.writes_volumes and not disk.capacity:
            message = "Its size is not stated, so no volume can be made for it beforehand: use diskMode image."
            yield _blocker("DiskSizeUnknown", subject, message)
        if disk.bus is Bus.UNKNOWN:
            message = f"The source states no bus for it, so the guest sees it on {bus.value} (defaultDiskBusType)."
            yield Loss("DiskBusUnknown", subject, message)
        elif plan.is_pvscsi(disk) or disk.bus.value != bus.value:
            message = f"KubeVirt has no {_bus_word(disk)} bus, so the guest sees it on {bus.value}{_driver(bus)}."
            yield Loss("DiskBusChanged", subject, message)


def _bus_word(disk: Disk) -> str:
    return "paravirtual SCSI" if plan.is_pvscsi(disk) else disk.bus.value.upper()


def _driver(bus: DiskBus) -> str:
    return ": it needs that driver at boot" if bus is DiskBus.VIRTIO else ""


def _firmware(vm: SourceVM) -> Iterator[Loss]:
    efi = vm.firmware.type is FirmwareType.EFI
    if efi:
        message = (
            "The source's EFI variables are not carried over: the new firmware looks for the standard boot "
            "loader "
            "(\\EFI\\BOOT\\BOOTX64.EFI); if there is none, add a boot entry in the new VM."
        )
        yield Loss("EfiVariablesReset", "firmware", message)
    elif vm.firmware.secure_boot:
        message = "Secure Boot is stated for a BIOS machine and has no meaning there, so it is left out."
        yield Loss("SecureBootWithoutEfi", "firmware", message)
    if vm.firmware.tpm:
        message = (
            "The keys in the source's TPM cannot be exported, so the new TPM is empty: suspend BitLocker, or "
            "have its "
            "recovery key at hand."
        )
        yield Loss("TpmStateReset", "TPM", message)
    if vm.smbios_uuid is None:
        yield Loss("UuidUnknown", "firmware", "The source states no SMBIOS UUID, so the guest gets a new one.")


def _windows(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    if vm.os_family is not OsFamily.WINDOWS:
        return
    message = (
        "Windows keeps its clock in local time, but the new VM's starts in UTC: the time is off until the "
        "guest "
        "synchronises, or spec.template.spec.domain.clock.timezone names its time zone."
    )
    yield Loss("WindowsClock", "clock", message)
    buses = {plan.disk_bus(spec, disk) for disk in vm.disks} & {DiskBus.VIRTIO, DiskBus.SCSI}
    if buses:
        words = " and ".join(sorted(bus.value for bus in buses))
        message = (
            f"Disks on {words} need the VirtIO drivers: install them before importing, or Windows finds no boot device."
        )
        yield Loss("WindowsDrivers", "disks", message)
    if any(planned.model is NicModel.VIRTIO for planned in plan.nics(spec, vm)):
        message = "VirtIO NICs need the VirtIO drivers: install them in Windows, or it comes up without a network."
        yield Loss("WindowsDrivers", "NICs", message)
