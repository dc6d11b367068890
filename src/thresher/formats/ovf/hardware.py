"""The items of a VirtualHardwareSection: OVF 1's Item and OVF 2's StorageItem and EthernetPortItem alike."""

from dataclasses import dataclass
from enum import IntEnum

from thresher.formats.ovf.units import optional_number
from thresher.formats.ovf.xml import Element, shown


class Resource(IntEnum):
    """CIM_ResourceAllocationSettingData.ResourceType, as DSP0243 uses it; 35 is VirtualBox's addition."""

    OTHER = 1
    CPU = 3
    MEMORY = 4
    IDE = 5
    SCSI = 6
    FIBRE_CHANNEL = 7
    ISCSI = 8
    ETHERNET = 10
    FLOPPY = 14
    CD = 15
    DVD = 16
    DISK = 17
    STORAGE = 20
    SERIAL = 21
    PARALLEL = 22
    USB = 23
    GRAPHICS = 24
    SOUND = 35


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of virtual hardware.

    Attributes:
        id: its InstanceID, unique in its section.
        type: a number of :class:`Resource`, or another.
        subtype: the ResourceSubType as written: a word, or a list of words to choose from.
        required: what ``ovf:required`` says; None where it says nothing.
        config: VMware's ``vmw:Config`` keys and values.
    """

    element: Element
    id: str
    type: int
    subtype: str
    name: str
    parent: str
    address: int | None
    address_on_parent: int | None
    host_resource: str
    required: bool | None
    config: tuple[tuple[str, str], ...]

    @property
    def subtypes(self) -> tuple[str, ...]:
        """The words of the subtype in lower case (DSP0243: alternatives, the first is preferred)."""
        return tuple(self.subtype.lower().replace(",", " ").split())

    @property
    def label(self) -> str:
        """What to call it in messages."""
        return self.name or self.id


def read_items(section: Element, configuration: str) -> tuple[Item, ...]:
    """The items that hold in a deployment configuration ("" for none).

    An item of the configuration replaces the one with its InstanceID that belongs to none, and the rows that
    only give limits (``ovf:bound="min"`` and ``max``) are no hardware (DSP0243, VirtualHardwareSection).

    Raises:
        OvfError: an item cannot be understood.
    """
    chosen: dict[str, tuple[bool, Element]] = {}
    for index, element in enumerate(section.all("Item", "StorageItem", "EthernetPortItem")):
        named = element.get("configuration").split()
        if element.get("bound") in ("min", "max") or (named and configuration not in named):
            continue
        identity = _identity(element) or f"#{index}"
        before = chosen.get(identity)
        if before is None or (named and not before[0]):
            chosen[identity] = (bool(named), element)
        elif bool(named) == before[0]:
            # some generators repeat an InstanceID; both pieces of hardware are meant
            chosen[f"{identity}#{index}"] = (bool(named), element)
    return tuple(_item(identity, element) for identity, (_, element) in chosen.items())


def _identity(element: Element) -> str:
    return element.value("InstanceID") or element.value("InstanceId")  # oVirt's spelling


def _item(identity: str, element: Element) -> Item:
    configs = element.all("Config", "ExtraConfig")
    required = element.get("required").lower()
    return Item(
        element=element,
        id=identity,
        type=_type(element),
        subtype=element.value("ResourceSubType"),
        name=element.value("ElementName") or element.value("Caption"),
        parent=element.value("Parent"),
        address=optional_number(element.value("Address")),
        address_on_parent=optional_number(element.value("AddressOnParent")),
        host_resource=element.value("HostResource"),
        required=None if not required else required in ("true", "1"),
        config=tuple((config.get("key"), config.get("value")) for config in configs),
    )


def _type(element: Element) -> int:
    if element.name == "EthernetPortItem":
        return Resource.ETHERNET
    text = element.value("ResourceType")
    if not text and element.name == "StorageItem":
        return Resource.DISK
    kind = optional_number(text)
    if kind is None:
        raise element.error(
            f"a hardware item has the ResourceType {shown(text)}, which is no number; correct the descriptor"
        )
    return kind
