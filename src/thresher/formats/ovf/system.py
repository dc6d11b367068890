"""One VirtualSystem as a source VM."""

from collections.abc import Sequence

from thresher.formats.ovf.guest import read_guest
from thresher.formats.ovf.hardware import Item, Resource, read_items
from thresher.formats.ovf.losses import device_losses, section_losses, unique
from thresher.formats.ovf.nics import read_nics
from thresher.formats.ovf.references import References
from thresher.formats.ovf.storage import read_disks
from thresher.formats.ovf.units import canonical_uuid, number, optional_number, size, truth
from thresher.formats.ovf.xml import Element, shown
from thresher.model.units import MIB, TIB, Bytes, MiB, mib_of_bytes
from thresher.model.vm import CpuTopology, Firmware, FirmwareType, Loss, SourceVM

MAX_VCPUS = 4096
"""More than any hypervisor gives a guest: KVM's KVM_MAX_VCPUS on x86-64, five times vSphere's."""
MAX_MEMORY = 64 * TIB
"""More than any hypervisor gives a guest; vSphere 8 stops at 24 TiB."""

_OVIRT_FIRMWARE = {
    # <BiosType>: oVirt keeps the numbers of 4.3, before CLUSTER_DEFAULT took the 0 (OvfReader.readBiosType)
    "2": Firmware(FirmwareType.EFI),
    "3": Firmware(FirmwareType.EFI, secure_boot=True),
}


def read_system(system: Element, references: References, configuration: str) -> SourceVM:
    """Read a VirtualSystem.

    Raises:
        OvfError: it cannot be understood.
    """
    name = _name(system)
    machine = system.first("Machine")  # VirtualBox's extension
    sections = list(system.sections("VirtualHardwareSection"))
    if not sections:
        raise system.error(f"VM {shown(name)} has no VirtualHardwareSection, so nothing says what it is made of")
    hardware = sections[0]
    items = read_items(hardware, configuration)
    settings = _settings(system, hardware)
    boot_ids = [s.get("instanceId") for s in _boot_sections(system, hardware) if s.get("type") in ("disk", "")]
    cpu, cpu_losses = _cpu(items, hardware, machine)
    disks, disk_losses = read_disks(items, references, boot_ids)
    nics, nic_losses = read_nics(items, machine)
    firmware = _firmware(system, items, settings, machine)
    guest_os, family = read_guest(system)
    version = _hardware_version(hardware)
    losses = (
        *cpu_losses,
        *disk_losses,
        *nic_losses,
        *device_losses(items),
        *_firmware_losses(firmware, settings),
        *section_losses(system),
        *_alternative_losses(sections),
    )
    return SourceVM(
        name=name,
        cpu=cpu,
        memory=_memory(items, hardware),
        guest_os=guest_os,
        os_family=family,
        firmware=firmware,
        smbios_uuid=_smbios_uuid(system, settings, machine, version),
        disks=disks,
        nics=nics,
        hardware_version=version,
        notes=_notes(system),
        id=system.get("id"),
        losses=unique(losses),
    )


def _name(system: Element) -> str:
    """The display name: Name, VirtualBox's own, or the id, which VirtualBox sets to the name."""
    machine = system.first("Machine")
    return system.value("Name") or (machine.get("name") if machine else "") or system.get("id") or "vm"


def _settings(system: Element, hardware: Element) -> dict[str, str]:
    """VMware's Config and ExtraConfig by lower-case key, wherever they stand."""
    found: dict[str, str] = {}
    for place in (system, hardware):
        for element in place.all("Config", "ExtraConfig"):
            found.setdefault(element.get("key").lower(), element.get("value"))
    return found


def _boot_sections(system: Element, hardware: Element) -> list[Element]:
    return [*system.sections("BootOrderSection"), *hardware.sections("BootOrderSection")]


def _hardware_version(hardware: Element) -> str:
    found = hardware.path("System", "VirtualSystemType")
    return found.text if found else ""


def _cpu(items: Sequence[Item], hardware: Element, machine: Element | None) -> tuple[CpuTopology, tuple[Loss, ...]]:
    rows = [item for item in items if item.type == Resource.CPU]
    cores: int | None = None
    losses: tuple[Loss, ...] = ()
    if rows:
        vcpus = sum(_vcpus(item) for item in rows)
        cores = _cores_per_socket(rows[0])
    else:
        element = machine.path("Hardware", "CPU") if machine else None
        vcpus = (optional_number(element.get("count")) or 1) if element else 1
        if element is None:
            losses = (Loss("CpuUnstated", "VM", "The descriptor states no vCPU count, so the VM gets one vCPU."),)
    if not 1 <= vcpus <= MAX_VCPUS:
        at = rows[0].element if rows else hardware
        raise at.error(f"the VM has {vcpus} vCPUs; correct VirtualQuantity to 1 to {MAX_VCPUS}")
    return CpuTopology.of(vcpus, cores), losses


def _vcpus(item: Item) -> int:
    quantity = item.element.value("VirtualQuantity")
    if quantity:
        return number(quantity, "the vCPU count", item.element)
    # oVirt's export domains leave VirtualQuantity out
    sockets = optional_number(item.element.value("num_of_sockets"))
    return (1 if sockets is None else sockets) * (_cores_per_socket(item) or 1)


def _cores_per_socket(item: Item) -> int | None:
    """VMware's ``vmw:CoresPerSocket``, or oVirt's cores and threads, which both become cores."""
    stated = optional_number(item.element.value("CoresPerSocket"))
    if stated:
        return stated
    cores = optional_number(item.element.value("cpu_per_socket"))
    return cores * (optional_number(item.element.value("threads_per_cpu")) or 1) if cores else None


def _memory(items: Sequence[Item], hardware: Element) -> MiB:
    rows = [item.element for item in items if item.type == Resource.MEMORY]
    if not rows:
        raise hardware.error("the VM states no memory; add an Item of ResourceType 4")
    total = 0
    for row in rows:
        unit = row.value("AllocationUnits") or row.value("VirtualQuantityUnits")
        total += size(row.value("VirtualQuantity"), unit, "the memory", row)
    if not MIB <= total <= MAX_MEMORY:
        raise rows[0].error(
            f"the VM has {total} bytes of memory; correct VirtualQuantity and AllocationUnits to between "
            "1 MiB and 64 TiB"
        )
    return mib_of_bytes(Bytes(total))


def _firmware(system: Element, items: Sequence[Item], settings: dict[str, str], machine: Element | None) -> Firmware:
    tpm = any(_is_tpm(item) for item in items) or truth(settings.get("vtpm.present", ""))
    ovirt = _OVIRT_FIRMWARE.get(system.value("BiosType") or system.value("CustomBiosType"))
    if ovirt:
        return Firmware(ovirt.type, ovirt.secure_boot, tpm)
    efi = settings.get("firmware", "").lower() in ("efi", "uefi")
    secure = truth(settings.get("bootoptions.efisecurebootenabled", "")) or truth(
        settings.get("uefi.secureboot.enabled", "")
    )
    virtualbox = machine.first("Hardware") if machine else None
    if virtualbox:
        # VirtualBox 7 has both elements, before that there was Firmware alone (its Settings.cpp)
        element = virtualbox.first("Firmware")
        efi = efi or (element is not None and element.get("type").upper().startswith("EFI"))
        chip = virtualbox.first("TrustedPlatformModule")
        tpm = tpm or (chip is not None and chip.get("type").lower() not in ("", "none"))
    # a VM that boots with BIOS may still have the flag set; it means nothing there
    return Firmware(FirmwareType.EFI if efi else FirmwareType.BIOS, secure and efi, tpm)


def _is_tpm(item: Item) -> bool:
    return item.subtype.lower() == "vmware.vtpm" or item.element.value("Type").lower() == "tpm"


def _firmware_losses(firmware: Firmware, settings: dict[str, str]) -> tuple[Loss, ...]:
    losses = []
    if firmware.tpm:
        message = "The new VM gets an empty TPM; have recovery keys (BitLocker) ready before the import."
        losses.append(Loss("TpmState", "TPM", message))
    if firmware.type is FirmwareType.EFI and settings.get("nvram"):
        message = (
            "EFI boot entries are not carried over; a guest without the fallback boot loader needs its entry again."
        )
        losses.append(Loss("EfiVariables", "firmware", message))
    return tuple(losses)


def _alternative_losses(sections: Sequence[Element]) -> tuple[Loss, ...]:
    if len(sections) == 1:
        return ()
    message = f"The package offers {len(sections)} kinds of virtual hardware; the first is taken."
    return (Loss("AlternativeHardware", "VM", message),)


def _smbios_uuid(system: Element, settings: dict[str, str], machine: Element | None, version: str) -> str | None:
    stated = canonical_uuid(settings.get("uuid.bios", ""))
    if stated or machine is None:
        # oVirt gives the guest the id of its VM
        ovirt = version.upper().startswith(("ENGINE", "RHEVM"))
        return stated or (canonical_uuid(system.get("id")) if ovirt else None)
    hardware = machine.first("Hardware")
    return canonical_uuid(hardware.get("uuid") if hardware else "") or canonical_uuid(machine.get("uuid"))


def _notes(system: Element) -> str:
    section = next(system.sections("AnnotationSection"), None)
    return (section.value("Annotation") if section else "") or system.value("Description")
