"""What an OVF descriptor describes and the new VM will not have."""

from collections.abc import Iterator, Sequence

from thresher.formats.ovf.hardware import Item, Resource
from thresher.formats.ovf.units import truth
from thresher.formats.ovf.xml import Element, shown
from thresher.model.vm import Loss, Severity

_CARRIED = frozenset({
    Resource.CPU, Resource.MEMORY, Resource.IDE, Resource.SCSI, Resource.STORAGE, Resource.ETHERNET,
    Resource.DISK, Resource.GRAPHICS,
})  # fmt: skip
"""Types read elsewhere; and a display, which every VM has."""
_DEVICES = {
    Resource.FLOPPY: (
        "Floppy",
        "Harvester VMs have no floppy drive; detach it, or copy its image into a disk.",
    ),
    Resource.SERIAL: (
        "SerialPort",
        "What its serial port is connected to is not carried over; a console is.",
    ),
    Resource.PARALLEL: ("ParallelPort", "Harvester VMs have no parallel port."),
    Resource.USB: ("Usb", "USB controllers and the devices on them are not carried over."),
    Resource.SOUND: ("Sound", "The sound card is not carried over."),
    Resource.FIBRE_CHANNEL: (
        "HostBusAdapter",
        "Storage behind its Fibre Channel adapter is not carried over.",
    ),
    Resource.ISCSI: ("HostBusAdapter", "Storage behind its iSCSI adapter is not carried over."),
}
_EVERY_VM_HAS_THEM = (
    "vmware.vmci", "vmware.keyboard", "vmware.pointingdevice", "vmware.precisionclock", "vmware.vtpm",
)  # fmt: skip
_OVIRT_PLAIN_DEVICES = frozenset({
    "balloon", "console", "controller", "channel", "graphics", "memballoon", "rng", "tpm", "video",
    "watchdog",
})  # fmt: skip
"""oVirt's <Type> of devices that a VM gets anyway, or that carry nothing of the user's."""
_READ_SECTIONS = frozenset({
    "NetworkSection", "DiskSection", "SharedDiskSection", "OperatingSystemSection", "AnnotationSection",
    "ProductSection", "VirtualHardwareSection", "StartupSection", "DeploymentOptionSection",
    "BootOrderSection", "EulaSection", "StorageSection", "StorageGroupSection",
})  # fmt: skip


def device_losses(items: Sequence[Item]) -> Iterator[Loss]:
    """Hardware that is not carried over."""
    for item in items:
        if item.type in (Resource.CD, Resource.DVD):
            if item.host_resource:
                message = f"The medium {shown(item.host_resource)} in it is not carried over; attach it again."
                yield Loss("CdromMedia", f"CD drive {item.label}", message)
        elif item.type in _CARRIED or item.subtype.lower() in _EVERY_VM_HAS_THEM:
            continue
        else:
            yield from _device(item)


def _device(item: Item) -> Iterator[Loss]:
    known = next((text for kind, text in _DEVICES.items() if kind == item.type), None)
    subtype = item.subtype.lower()
    subject = f"device {item.label}"
    if known:
        yield Loss(known[0], subject, known[1])
    elif "passthrough" in subtype:
        message = "A physical device of the source's host is not carried over; give the VM one of the new host."
        yield Loss("PciPassthrough", subject, message)
    elif subtype.startswith("vmware.soundcard") or item.element.value("Type") == "sound":
        yield Loss("Sound", subject, _DEVICES[Resource.SOUND][1])
    elif item.element.value("Type").lower() not in _OVIRT_PLAIN_DEVICES:
        # An absent ovf:required is true (DSP0243), but no writer means that: only the stated word blocks.
        # A device with a disk behind it (NVDIMM) would lose data.
        severe = item.required is True or "disk/" in item.host_resource
        message = (
            f"Hardware of type {item.type} {shown(item.subtype)} is not known, so it is not carried over; "
            "remove it from the source VM or set it up by hand."
        )
        severity = Severity.BLOCKER if severe else Severity.WARNING
        yield Loss("UnknownHardware", subject, message, severity)


def section_losses(system: Element) -> Iterator[Loss]:
    """Sections of a VirtualSystem, a collection or the envelope that nothing here acts upon."""
    for section in system.children:
        kind = section.kind
        if not kind.endswith("Section"):
            continue
        if kind == "ProductSection":
            yield from _property_losses(section)
        elif kind == "StartupSection":
            message = "The order in which the package's VMs start and stop is not carried over; start them by hand."
            yield Loss("StartupOrder", "VM", message)
        elif kind not in _READ_SECTIONS and section.get("required").lower() not in ("false", "0"):
            message = f"The section {kind} is not acted upon; look whether the VM depends on it."
            yield Loss("UnknownSection", kind, message)


def _property_losses(section: Element) -> Iterator[Loss]:
    asked = [p.get("key") for p in section.all("Property") if truth(p.get("userConfigurable"))]
    if asked:
        names = ", ".join(asked[:8]) + (", ..." if len(asked) > 8 else "")  # noqa: PLR2004 (enough to recognise it)
        message = (
            f"The appliance expects answers to {names[:400]} in its OVF environment, which Harvester does "
            "not pass; configure the guest by hand."
        )
        yield Loss("OvfProperties", section.value("Product") or "appliance", message)


def chosen_configuration(envelope: Element) -> tuple[str, tuple[Loss, ...]]:
    """The default deployment configuration ("" for none), and the loss of the others.

    It is the one marked ``ovf:default``, else the first (DSP0243, DeploymentOptionSection).
    """
    rows = [row for s in envelope.sections("DeploymentOptionSection") for row in s.all("Configuration")]
    if not rows:
        return "", ()
    chosen = next((row for row in rows if truth(row.get("default"))), rows[0]).get("id")
    others = ", ".join(row.get("id") for row in rows if row.get("id") != chosen)
    rest = others[:400] or "another"
    message = f"The package offers several sizes; the default {shown(chosen)} is taken, not {rest}."
    return chosen, (Loss("DeploymentOption", "configuration", message),)


def unique(losses: Sequence[Loss]) -> tuple[Loss, ...]:
    """The losses without repetitions, in order."""
    return tuple(dict.fromkeys(losses))
