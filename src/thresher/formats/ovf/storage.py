"""Where each disk hangs: controllers, places on them, boot order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from thresher.formats.ovf.hardware import Item, Resource
from thresher.formats.ovf.references import OvfDisk, References
from thresher.formats.ovf.units import optional_number, size
from thresher.formats.ovf.xml import shown
from thresher.model.units import Bytes
from thresher.model.vm import Bus, Disk, DiskFormat, Loss, Severity

_HOST_RESOURCE = re.compile(r"(?:ovf:)?/{0,2}(disk|file)/(.+)", re.DOTALL)
_CONTROLLERS = (
    # (a word of the subtype, controller, bus) of VMware, VirtualBox and oVirt; asked of CIM types 6 and 20
    ("virtualscsi", "pvscsi", Bus.SCSI),
    ("pvscsi", "pvscsi", Bus.SCSI),
    ("lsilogicsas", "lsilogicsas", Bus.SCSI),
    ("lsilogic", "lsilogic", Bus.SCSI),
    ("buslogic", "buslogic", Bus.SCSI),
    ("virtio-scsi", "virtio-scsi", Bus.SCSI),
    ("virtioscsi", "virtio-scsi", Bus.SCSI),
    ("vmware.nvme.controller", "nvme", Bus.NVME),
    ("nvme", "nvme", Bus.NVME),
    ("vmware.sata.ahci", "ahci", Bus.SATA),
    ("ahci", "ahci", Bus.SATA),
)
_BUS_OF_TYPE = {
    Resource.IDE: Bus.IDE,
    Resource.SCSI: Bus.SCSI,
    Resource.STORAGE: Bus.SATA,
    Resource.USB: Bus.USB,
}
_OVIRT_INTERFACES = {
    "virtio": (Bus.VIRTIO, "virtio"),
    "2": (Bus.VIRTIO, "virtio"),  # the numbers of the first releases, which virt-v2v wrote too
    "virtio_scsi": (Bus.SCSI, "virtio-scsi"),
    "ide": (Bus.IDE, ""),
    "0": (Bus.IDE, ""),
    "sata": (Bus.SATA, "ahci"),
    "spapr_vscsi": (Bus.SCSI, "spapr-vscsi"),
}
_SCSI_OWN_UNIT = 7  # the controller's own ID on a parallel SCSI bus


@dataclass(slots=True)
class _Controller:
    bus: Bus
    word: str
    number: int
    taken: set[int] = field(default_factory=set)
    next_free: int = 0

    def place(self, wanted: int | None) -> int:
        """Take the wanted unit, or the next free one where it is unstated or taken."""
        if wanted is not None and wanted not in self.taken:
            self.taken.add(wanted)
            return wanted
        while self.next_free in self.taken or (self.bus is Bus.SCSI and self.next_free == _SCSI_OWN_UNIT):
            self.next_free += 1
        self.taken.add(self.next_free)
        return self.next_free


class _Controllers:
    """The controllers of a VM, numbered so that none shares a (bus, number) with another."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._numbers: dict[Bus, set[int]] = {}
        self._by_id: dict[str, _Controller] = {}
        self._implied: dict[tuple[Bus, str], _Controller] = {}
        for item in items:
            kind = _kind(item)
            if kind:
                self._by_id.setdefault(item.id, self._make(*kind, item.address))

    def _make(self, bus: Bus, word: str, wanted: int | None) -> _Controller:
        numbers = self._numbers.setdefault(bus, set())
        number = wanted if wanted is not None and wanted not in numbers else len(numbers)
        while number in numbers:
            number += 1
        numbers.add(number)
        return _Controller(bus, word, number)

    def of(self, item: Item, interface: str) -> _Controller:
        """The controller of a disk: its Parent, else the one that oVirt's interface implies."""
        found = self._by_id.get(item.parent)
        if found:
            return found
        kind = _OVIRT_INTERFACES.get(interface, (Bus.UNKNOWN, ""))
        if kind not in self._implied:
            self._implied[kind] = self._make(*kind, None)
        return self._implied[kind]


def _kind(item: Item) -> tuple[Bus, str] | None:
    if item.type in (Resource.SCSI, Resource.STORAGE):
        # a list of subtypes is a choice: take the first known one
        for subtype in item.subtypes:
            for word, controller, bus in _CONTROLLERS:
                if subtype == word:
                    return bus, controller
    bus_of_type = next((bus for kind, bus in _BUS_OF_TYPE.items() if kind == item.type), None)
    return (bus_of_type, next(iter(item.subtypes), "")) if bus_of_type else None


def read_disks(
    items: Sequence[Item], references: References, boot_ids: Sequence[str]
) -> tuple[tuple[Disk, ...], tuple[Loss, ...]]:
    """The disks of a VM in document order, and what of them is lost.

    Args:
        items: the VM's hardware.
        references: the package's files and disks.
        boot_ids: InstanceIDs in VMware's boot order, first first.

    Raises:
        OvfError: a disk refers to what the package does not have.
    """
    controllers = _Controllers(items)
    losses: list[Loss] = []
    found: list[tuple[Item, OvfDisk, _Controller]] = []
    for item in items:
        if item.type == Resource.DISK:
            row = _backing(item, references)
            if row is None:
                losses.append(_unbacked(item))
            else:
                found.append((item, row, controllers.of(item, row.interface)))
    # those with a stated place go first, so that the others cannot take it
    places: dict[str, int] = {}
    for item, _, controller in sorted(found, key=lambda row: row[0].address_on_parent is None):
        places[item.id] = controller.place(item.address_on_parent)
    ranks = _boot_ranks([(item, row) for item, row, _ in found], boot_ids)
    keys: set[str] = set()
    disks = []
    for index, (item, row, controller) in enumerate(found):
        key = row.id if row.id not in keys else f"{row.id}#{index + 1}"
        losses.extend(_disk_losses(item, row, key))
        keys.add(key)
        disks.append(
            Disk(
                key=key,
                capacity=row.capacity,
                bus=controller.bus,
                controller=controller.word,
                bus_number=controller.number,
                unit=places[item.id],
                boot_order=ranks.get(item.id),
                format=row.format,
                file=row.file,
            )
        )
    return tuple(disks), tuple(losses)


def _backing(item: Item, references: References) -> OvfDisk | None:
    """What a disk item refers to; None where it says nothing."""
    resource = item.host_resource
    if not resource:
        return _own_blank(item)
    match = _HOST_RESOURCE.fullmatch(resource)
    kind, name = (match[1], match[2]) if match else ("disk", resource)
    if kind == "disk" and name in references.disks:
        return references.disks[name]
    href = references.file_ids.get(name)
    if href is None and name in references.files:
        href = name
    # oVirt's export domains name the file itself where others say /disk/
    if href is None or (kind == "disk" and match):
        raise item.element.error(
            f"the hardware item {shown(item.label)} refers to {shown(resource)}, which the package does not "
            "have; the descriptor is incomplete, export it again"
        )
    return references.by_href.get(href) or OvfDisk(name, None, DiskFormat.UNKNOWN, href)


def _own_blank(item: Item) -> OvfDisk | None:
    """A blank disk that its own item describes, as OVF 2.0 allows."""
    quantity = item.element.value("VirtualQuantity")
    unit = item.element.value("VirtualQuantityUnits") or item.element.value("AllocationUnits")
    if not quantity or not unit or unit.lower() == "count":
        return None
    capacity = size(quantity, unit, f"the capacity of {shown(item.label)}", item.element)
    return OvfDisk(item.id, Bytes(capacity), DiskFormat.BLANK, None)


def _unbacked(item: Item) -> Loss:
    return Loss(
        "DiskWithoutBacking",
        f"disk {item.label}",
        "The descriptor does not say what is on this disk (a raw device or an unexported disk), so it would "
        "be missing; copy its data by other means.",
        Severity.BLOCKER,
    )


def _disk_losses(item: Item, row: OvfDisk, key: str) -> list[Loss]:
    losses = []
    if row.delta:
        message = f"It holds only the difference to disk {shown(row.delta)}; export the VM without snapshots."
        losses.append(Loss("DeltaDisk", f"disk {key}", message, Severity.BLOCKER))
    sharing = any(_shares(name, value) for name, value in item.config)
    if row.shared or sharing:
        message = "Several VMs write to it at once, and a copy would not be shared; detach it before the import."
        losses.append(Loss("SharedDisk", f"disk {key}", message, Severity.BLOCKER))
    if key != row.id:
        message = f"It has the same content as disk {shown(row.id)} and becomes a copy of its own."
        losses.append(Loss("CopiedDisk", f"disk {key}", message))
    return losses


def _shares(key: str, value: str) -> bool:
    """VirtualDiskSharing of the vSphere API, as ovftool writes it."""
    return key.lower().endswith("sharing") and value.lower() == "sharingmultiwriter"


def _boot_ranks(found: Sequence[tuple[Item, OvfDisk]], boot_ids: Sequence[str]) -> Mapping[str, int]:
    """Ranks from 1, in the order that VMware's section, oVirt or RASD state, else the first disk alone."""
    listed = {identity: index for index, identity in reversed(list(enumerate(boot_ids)))}
    stated: list[tuple[int, int, str]] = []
    for index, (item, row) in enumerate(found):
        order = optional_number(item.element.value("BootOrder"))
        if item.id in listed:
            stated.append((0, listed[item.id], item.id))
        elif order:
            stated.append((1, order, item.id))
        elif row.boot:
            stated.append((2, index, item.id))
    if not stated:
        return {item.id: 1 for item, _ in found[:1]}
    return {identity: rank for rank, (_, _, identity) in enumerate(sorted(stated), 1)}


def copied_losses(disks: Sequence[Disk], used: Mapping[str, int]) -> tuple[Loss, ...]:
    """Losses of disks whose file several VMs of the package have: each VM gets a copy of its own."""
    message = "Another VM of this package has the same disk; each becomes a copy of its own."
    shared = (disk for disk in disks if disk.file and used.get(disk.file, 0) > 1)
    return tuple(Loss("CopiedDisk", f"disk {disk.key}", message) for disk in shared)
