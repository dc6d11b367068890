"""The disks and network cards of a server. Pure: the services' objects in, the model out."""

from collections.abc import Sequence
from typing import Any

from thresher.model.units import Bytes, GiB, bytes_of_gib
from thresher.model.vm import Bus, Disk, DiskFormat, Network, Nic
from thresher.sources.openstack.names import ROOT
from thresher.sources.openstack.rows import Attachment, Row, Surroundings, attachments, has_root_disk, image_id

_BUSES = {
    "ide": Bus.IDE,
    "sata": Bus.SATA,
    "scsi": Bus.SCSI,
    "usb": Bus.USB,
    "virtio": Bus.VIRTIO,
    "xen": Bus.VIRTIO,
}
"""hw_disk_bus (Glance, "Useful image properties"); Xen's paravirtual bus has its like in virtio."""
_VMWARE = "vmware_adaptertype"


def disks(server: Row, around: Surroundings, flavor: Row, properties: Row) -> tuple[Disk, ...]:
    """The disk that is booted from first, then the others in the order of their devices."""
    bus, controller = bus_of(properties)
    found = []
    if has_root_disk(server, around):
        capacity = root_capacity(flavor, around.images.get(image_id(server)))
        found.append(Disk(ROOT, capacity, bus, controller, boot_order=1))
    for one in attachments(server, around):
        unit = len(found)
        found.append(_volume(one, bus, controller, unit))
    return tuple(found)


def bus_of(properties: Row) -> tuple[Bus, str]:
    """The bus of all disks and its controller's type; unknown where no property tells.

    Device names do not tell: Nova counts ``/dev/vda`` on for any hypervisor.
    """
    adapter = str(properties.get(_VMWARE) or "").lower()
    stated = str(properties.get("hw_disk_bus") or "").lower()
    if not stated and adapter:  # as Nova reads it, for images that were made for vSphere
        stated = "ide" if adapter == "ide" else "scsi"
    controller = str(properties.get("hw_scsi_model") or adapter).lower() if stated == "scsi" else ""
    return _BUSES.get(stated, Bus.UNKNOWN), controller


def root_capacity(flavor: Row, image: Row | None) -> Bytes | None:
    """The size of a root disk: the flavor's, else what the image unpacks to; None where nobody tells.

    A flavor with a disk of 0 GiB takes the image's size (Nova, "Flavors").
    """
    size = int(flavor.get("disk") or 0)
    if size:
        return bytes_of_gib(GiB(size))
    stated = image or {}
    if stated.get("virtual_size"):
        return Bytes(int(stated["virtual_size"]))
    if stated.get("disk_format") == "raw" and stated.get("size"):
        return Bytes(int(stated["size"]))
    return bytes_of_gib(GiB(int(stated["min_disk"]))) if stated.get("min_disk") else None


def _volume(one: Attachment, bus: Bus, controller: str, unit: int) -> Disk:
    volume = one.volume or {}
    return Disk(
        key=one.id,
        capacity=bytes_of_gib(GiB(int(volume["size"]))) if volume.get("size") else None,
        bus=bus,
        controller=controller,
        unit=unit,
        boot_order=1 if unit == 0 else None,
        format=DiskFormat.RAW,
        datastore=str(volume.get("volume_type") or ""),
    )


def nics(server: Row, around: Surroundings, properties: Row) -> tuple[Nic, ...]:
    """The network cards, in the order that the guest has them in: one for each port, however many addresses it has."""
    model = str(properties.get("hw_vif_model") or "").lower().removeprefix("virtual")
    return tuple(
        Nic(
            key=port["id"],
            network=_network(server, port, around),
            mac=str(port.get("mac_address") or "").lower() or None,
            model=model,
            subnets=_subnets(port, around),
        )
        for port in ports(server, around)
    )


def _subnets(port: Row, around: Surroundings) -> tuple[str, ...]:
    """Of a port's fixed addresses, in their order (Networking API v2, "Ports": fixed_ips)."""
    keys = (one.get("subnet_id") for one in port.get("fixed_ips") or ())
    return tuple(dict.fromkeys(around.subnets[key] for key in keys if key in around.subnets))


def ports(server: Row, around: Surroundings) -> list[Row]:
    """A server's ports in Nova's order.

    Neutron lists them as they come. ``addresses`` of the server are in the order of its cards, grouped by network;
    a port without an address is put to its network's others, and last where the network is in none of the groups.
    """
    addresses = server.get("addresses") or {}
    by_mac = {
        str(one.get("OS-EXT-IPS-MAC:mac_addr")).lower(): (group, place)
        for group, ones in enumerate(addresses.values())
        for place, one in enumerate(ones)
    }
    by_name = {name: group for group, name in enumerate(addresses)}

    def place(port: Row) -> tuple[int, int, str, str]:
        name = around.networks.get(port.get("network_id", ""), "")
        group, within = by_name.get(name, len(addresses)), len(by_mac)
        group, within = by_mac.get(str(port.get("mac_address")).lower(), (group, within))
        return group, within, str(port.get("created_at") or ""), port["id"]

    return sorted(around.ports.get(server["id"], ()), key=place)


def order_is_certain(server: Row, found: Sequence[Any]) -> bool:
    """Whether Nova's groups leave no doubt: one network alone, or one card in each."""
    groups = server.get("addresses") or {}
    cards = {one.get("OS-EXT-IPS-MAC:mac_addr") for ones in groups.values() for one in ones}
    if len(cards) != len(found):
        return len(found) <= 1
    return len(groups) <= 1 or len(groups) == len(found)


def _network(server: Row, port: Row, around: Surroundings) -> Network:
    """By the name that it has now, else by the one that Nova knew when it was plugged in."""
    key, mac = str(port.get("network_id") or ""), str(port.get("mac_address")).lower()
    name = around.networks.get(key)
    for label, ones in (server.get("addresses") or {}).items():
        if name is None and any(str(one.get("OS-EXT-IPS-MAC:mac_addr")).lower() == mac for one in ones):
            name = label
    return Network(name or "", id=key)
