"""Network cards."""

from collections.abc import Sequence

from thresher.formats.ovf.hardware import Item, Resource
from thresher.formats.ovf.units import display_name, mac_address
from thresher.formats.ovf.xml import Element, shown
from thresher.model.vm import Loss, Network, Nic

_OVIRT_MODELS = {  # VmInterfaceType of oVirt's engine
    "0": "rtl8139",
    "1": "rtl8139",
    "2": "e1000",
    "3": "virtio",
    "5": "pcipassthrough",
    "6": "e1000e",
}


def read_nics(items: Sequence[Item], machine: Element | None) -> tuple[tuple[Nic, ...], tuple[Loss, ...]]:
    """The NICs in the order in which the guest finds them, and what of them is lost.

    That order is AddressOnParent where every NIC states its own: it is the device's place on the virtual
    bus, which vSphere numbers from 7 (ethernet0). Elsewhere it is the document's, as VirtualBox and oVirt
    write their adapters by slot; InstanceID does not serve, being a UUID in oVirt.

    Args:
        items: the VM's hardware.
        machine: VirtualBox's own description; it has the MAC addresses, which its OVF part leaves out.
    """
    cards = [item for item in items if item.type == Resource.ETHERNET]
    places = {card.address_on_parent for card in cards}
    if None not in places and len(places) == len(cards):
        cards.sort(key=lambda card: card.address_on_parent or 0)
    adapters = _virtualbox_macs(machine)
    if len(adapters) != len(cards):
        adapters = [""] * len(cards)
    nics = []
    losses: list[Loss] = []
    for card, adapter in zip(cards, adapters, strict=True):
        stated = card.element.value("Address") or card.element.value("MACAddress") or adapter
        nic = _nic(card, stated)
        nics.append(nic)
        if stated and nic.mac is None:
            message = f"Its MAC address {shown(stated)} is not one, so it gets a new one; correct it first."
            losses.append(Loss("InvalidMac", f"NIC {card.label}", message))
        if nic.network is None:
            message = "It is plugged in nowhere, so no network mapping can match it."
            losses.append(Loss("NicWithoutNetwork", f"NIC {card.label}", message))
        if "passthrough" in nic.model or "sriov" in nic.model:
            message = "It is a physical device of the source's host; it becomes a virtual NIC."
            losses.append(Loss("PassthroughNic", f"NIC {card.label}", message))
    return tuple(nics), tuple(losses)


def _nic(card: Item, mac: str) -> Nic:
    connection = card.element.value("Connection")
    subtype = next(iter(card.subtypes), "")
    linked = card.element.value("Linked") or card.element.value("AutomaticAllocation")
    return Nic(
        key=card.id,
        network=Network(display_name(connection)) if connection else None,
        mac=mac_address(mac) if mac else None,
        model=_OVIRT_MODELS.get(subtype, subtype),
        connected=linked.lower() != "false",
    )


def _virtualbox_macs(machine: Element | None) -> list[str]:
    network = machine.path("Hardware", "Network") if machine else None
    if network is None:
        return []
    return [a.get("MACAddress") for a in network.all("Adapter") if a.get("enabled").lower() == "true"]
