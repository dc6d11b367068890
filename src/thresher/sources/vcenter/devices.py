"""The disks and network cards of a VM, from its ``config.hardware.device`` (vSphere Web Services API).

Pure: pyvmomi's data objects in, the model out.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any

from pyVmomi import vim

from thresher.model.units import KIB, Bytes
from thresher.model.vm import Bus, Disk, DiskFormat, Network, Nic
from thresher.sources.vcenter.rows import Surroundings, moref

_CONTROLLERS = {
    "VirtualIDEController": ("ide", Bus.IDE),
    "VirtualAHCIController": ("ahci", Bus.SATA),
    "VirtualSATAController": ("ahci", Bus.SATA),
    "VirtualNVMEController": ("nvme", Bus.NVME),
    "ParaVirtualSCSIController": ("pvscsi", Bus.SCSI),
    "VirtualLsiLogicController": ("lsilogic", Bus.SCSI),
    "VirtualLsiLogicSASController": ("lsilogicsas", Bus.SCSI),
    "VirtualBusLogicController": ("buslogic", Bus.SCSI),
}
_CARDS = {
    "VirtualE1000": "e1000",
    "VirtualE1000e": "e1000e",
    "VirtualPCNet32": "pcnet32",
    "VirtualVmxnet": "vmxnet",
    "VirtualVmxnet2": "vmxnet2",
    "VirtualVmxnet3": "vmxnet3",
    "VirtualVmxnet3Vrdma": "vmxnet3vrdma",
    "VirtualSriovEthernetCard": "sriov",
}


def kind(thing: Any) -> str:
    """The name of a data object's type, such as ``VirtualDisk``; "" for none."""
    return "" if thing is None else type(thing).__name__.rpartition(".")[2]


def is_disk(device: Any) -> bool:
    """Whether it is a virtual disk."""
    return isinstance(device, vim.vm.device.VirtualDisk)


def is_card(device: Any) -> bool:
    """Whether it is a network card."""
    return isinstance(device, vim.vm.device.VirtualEthernetCard)


def disks(devices: Sequence[Any], boot_order: Sequence[Any], around: Surroundings) -> tuple[Disk, ...]:
    """The disks, in the order of the devices.

    Args:
        devices: ``config.hardware.device``.
        boot_order: ``config.bootOptions.bootOrder``; where it names no disk the firmware boots from the first.
        around: names of datastores.
    """
    by_key = {device.key: device for device in devices}
    found = [device for device in devices if is_disk(device)]
    ranks = _boot_ranks(found, boot_order)
    return tuple(_disk(device, by_key, ranks.get(device.key), around) for device in found)


def _boot_ranks(found: Sequence[Any], boot_order: Sequence[Any]) -> dict[int, int]:
    keys = {device.key for device in found}
    named = [boot.deviceKey for boot in boot_order if kind(boot) == "BootableDiskDevice" and boot.deviceKey in keys]
    named = list(dict.fromkeys(named)) or [device.key for device in found[:1]]
    return {key: rank for rank, key in enumerate(named, start=1)}


def _disk(device: Any, by_key: Mapping[int, Any], rank: int | None, around: Surroundings) -> Disk:
    controller = by_key.get(device.controllerKey)
    word, bus = _CONTROLLERS.get(kind(controller), ("", Bus.UNKNOWN))
    file_name = getattr(device.backing, "fileName", None)
    return Disk(
        key=str(device.key),
        capacity=capacity(device),
        bus=bus,
        controller=word,
        bus_number=getattr(controller, "busNumber", 0) or 0,
        unit=device.unitNumber or 0,
        boot_order=rank,
        format=DiskFormat.VMDK_STREAM,
        file=file_name,
        datastore=_datastore(device.backing, file_name, around),
    )


def capacity(device: Any) -> Bytes:
    """A disk's size: ``capacityInBytes``, which vSphere 5.5 introduced, else the rounded ``capacityInKB``."""
    return Bytes(device.capacityInBytes or (device.capacityInKB or 0) * KIB)


def _datastore(backing: Any, file_name: str | None, around: Surroundings) -> str:
    """By reference, else by the datastore path, ``[datastore] folder/file``."""
    name = around.datastore(moref(getattr(backing, "datastore", None)))
    if name or not file_name or not file_name.startswith("["):
        return name
    return file_name[1:].partition("]")[0]


def nics(devices: Sequence[Any], around: Surroundings, told: Sequence[Any] = ()) -> tuple[Nic, ...]:
    """The network cards, in the order of the devices.

    Args:
        devices: ``config.hardware.device``.
        around: names of networks.
        told: ``guest.net``, what VMware Tools tell of the cards; nothing where they do not run.
    """
    subnets = {seen.deviceConfigId: _subnets(seen) for seen in told}
    return tuple(
        Nic(
            key=str(device.key),
            network=_network(device.backing, around),
            mac=(device.macAddress or "").lower() or None,
            model=_CARDS.get(kind(device), kind(device).removeprefix("Virtual").lower()),
            connected=device.connectable is None or bool(device.connectable.startConnected),
            subnets=subnets.get(device.key, ()),
        )
        for device in devices
        if is_card(device)
    )


def _subnets(seen: Any) -> tuple[str, ...]:
    """Of a card's addresses (GuestNicInfo.ipConfig), without those that tell nothing of the network.

    Link-local ones are the same everywhere, and one whose prefix is its whole length stands for itself.
    """
    stated = getattr(seen.ipConfig, "ipAddress", None) or ()
    found = (one.network for one in map(_interface, stated) if one is not None and not one.is_link_local)
    return tuple(dict.fromkeys(str(network) for network in found if network.num_addresses > 1))


def _interface(stated: Any) -> IPv4Interface | IPv6Interface | None:
    """An address with the length of its prefix; None where the guest tells something else."""
    try:
        return ip_interface(f"{stated.ipAddress}/{stated.prefixLength}")
    except ValueError:
        return None


def _network(backing: Any, around: Surroundings) -> Network | None:
    """Where a card is plugged in. An SR-IOV card's backing is one of the same kinds."""
    card = vim.vm.device.VirtualEthernetCard
    if isinstance(backing, card.DistributedVirtualPortBackingInfo):
        # A port of the switch itself, without a port group, has no name that a user could map.
        return around.network(backing.port.portgroupKey) if backing.port.portgroupKey else None
    if isinstance(backing, card.OpaqueNetworkBackingInfo):
        return around.opaque_network(backing.opaqueNetworkId)
    if isinstance(backing, card.NetworkBackingInfo):
        return around.network(moref(backing.network), backing.deviceName)
    return None
