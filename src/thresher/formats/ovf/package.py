"""The whole descriptor: an envelope with one VM or a collection of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from thresher.formats.ovf.losses import chosen_configuration, section_losses, unique
from thresher.formats.ovf.references import OvfFile, References, read_references
from thresher.formats.ovf.storage import copied_losses
from thresher.formats.ovf.system import read_system
from thresher.formats.ovf.xml import Element, read_xml, shown
from thresher.model.vm import Loss, SourceVM


@dataclass(frozen=True, slots=True)
class OvfPackage:
    """What a descriptor describes.

    Attributes:
        vms: in document order; at least one.
        files: by href; every ``Disk.file`` of the VMs is among them.
    """

    vms: tuple[SourceVM, ...]
    files: Mapping[str, OvfFile]


def parse_ovf(data: bytes) -> OvfPackage:
    """Parse an OVF descriptor (DSP0243 1.x and 2.x, as VMware, VirtualBox, oVirt and virt-v2v write it).

    Raises:
        OvfError: it cannot be understood, or reaches outside its package. Nothing else is ever raised.
    """
    envelope = read_xml(data)
    if envelope.name != "Envelope":
        raise envelope.error(f"this is no OVF descriptor: its root is {shown(envelope.name)}, not Envelope")
    references = read_references(envelope, _property_defaults(envelope))
    configuration, common = chosen_configuration(envelope)
    common = (*common, *section_losses(envelope))
    vms = []
    for system, inherited in _systems(envelope, common):
        vm = read_system(system, references, configuration)
        vms.append(replace(vm, losses=unique((*vm.losses, *inherited))))
    if not vms:
        raise envelope.error("the OVF descriptor has no VirtualSystem, so there is no VM to import")
    return OvfPackage(_with_package_losses(vms, references), references.files)


def _systems(parent: Element, inherited: tuple[Loss, ...]) -> Iterator[tuple[Element, tuple[Loss, ...]]]:
    """Every VirtualSystem, however deep in collections, with the losses of what encloses it."""
    for child in parent.children:
        if child.kind == "VirtualSystem":
            yield child, inherited
        elif child.kind == "VirtualSystemCollection":
            yield from _systems(child, (*inherited, *section_losses(child)))


def _property_defaults(envelope: Element) -> dict[str, str]:
    """Default values of the properties, for sizes written as ``${property}``."""
    found: dict[str, str] = {}
    open_elements = [envelope]
    while open_elements:
        element = open_elements.pop()
        for section in element.sections("ProductSection"):
            for row in section.all("Property"):
                found.setdefault(row.get("key"), row.get("value"))
        open_elements.extend(c for c in element.children if c.kind.startswith("VirtualSystem"))
    return found


def _with_package_losses(vms: list[SourceVM], references: References) -> tuple[SourceVM, ...]:
    """Add what only the package as a whole shows: disks of several VMs, and disks of none."""
    uses = Counter(name for vm in vms for name in {disk.file for disk in vm.disks if disk.file})
    attached = {disk.file for vm in vms for disk in vm.disks}
    parents = {disk.delta for disk in references.disks.values()}
    message = "The package has this disk, but none of its VMs; it is left behind."
    idle = tuple(
        Loss("UnattachedDisk", f"disk {disk.id}", message)
        for disk in references.disks.values()
        if disk.file and disk.file not in attached and disk.id not in parents
    )
    return tuple(replace(vm, losses=unique((*vm.losses, *copied_losses(vm.disks, uses), *idle))) for vm in vms)
