"""VMs as vSphere's API states them, made of pyvmomi's data objects: for tests of what is pure."""

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from thresher.sources.vcenter.rows import Row, Surroundings

device = vim.vm.device
GIB = 1 << 30

AROUND = Surroundings(
    [
        Row("group-v3", "Folder", {"name": "vm", "parent": vim.Datacenter("datacenter-2")}),
        Row("group-v8", "Folder", {"name": "Prod", "parent": vim.Folder("group-v3")}),
        Row("group-v9", "Folder", {"name": "A%2fB", "parent": vim.Folder("group-v8")}),
        Row(
            "resgroup-v7",
            "VirtualApp",
            {"name": "shop", "parent": vim.ResourcePool("resgroup-1"), "parentFolder": vim.Folder("group-v8")},
        ),
        Row("datastore-5", "Datastore", {"name": "gold"}),
        Row("network-7", "Network", {"name": "VM Network"}),
        Row("network-8", "Network", {"name": "10.0.0.0%2f8"}),
        Row("dvs-20", "VmwareDistributedVirtualSwitch", {"name": "DSwitch"}),
        Row(
            "dvportgroup-21",
            "DistributedVirtualPortgroup",
            {
                "name": "pg-blue",
                "config.distributedVirtualSwitch": vim.dvs.VmwareDistributedVirtualSwitch("dvs-20"),
            },
        ),
        Row(
            "network-o31",
            "OpaqueNetwork",
            {"name": "segment", "summary": vim.OpaqueNetwork.Summary(opaqueNetworkId="9d3f")},
        ),
    ]
)
"""One datacenter's folders, datastores and networks."""


def vm_row(devices: Sequence[Any] = (), **values: Any) -> Row:
    """A VM that is on, with that hardware; in the names of values ``__`` stands for a dot, None unsets one."""
    plain = {
        "name": "web",
        "parent": vim.Folder("group-v3"),
        "runtime.powerState": "poweredOn",
        "runtime.connectionState": "connected",
        "runtime.faultToleranceState": "notConfigured",
        "guest.toolsRunningStatus": "guestToolsRunning",
        "guest.toolsVersionStatus2": "guestToolsCurrent",
        "config.annotation": "",
        "config.bootOptions": vim.vm.BootOptions(efiSecureBootEnabled=False),
        "config.firmware": "bios",
        "config.guestId": "ubuntu64Guest",
        "config.hardware.device": list(devices),
        "config.hardware.memoryMB": 4096,
        "config.hardware.numCPU": 2,
        "config.hardware.numCoresPerSocket": 1,
        "config.template": False,
        "config.uuid": "4210C0DE-1111-2222-3333-444455556666",
        "config.version": "vmx-19",
    }
    plain.update({path.replace("__", "."): value for path, value in values.items()})
    return Row("vm-42", "VirtualMachine", {path: value for path, value in plain.items() if value is not None})


def controller(kind: str, key: int, bus: int = 0, **fields: Any) -> Any:
    """A controller of that type of ``vim.vm.device``."""
    return getattr(device, kind)(key=key, busNumber=bus, **fields)


def disk(key: int, controller_key: int, unit: int, backing: Any = None, size: int = 10 * GIB) -> Any:
    """A virtual disk."""
    return device.VirtualDisk(
        key=key,
        controllerKey=controller_key,
        unitNumber=unit,
        capacityInKB=size // 1024,
        capacityInBytes=size,
        backing=backing or flat(),
    )


def flat(**fields: Any) -> Any:
    """The usual backing of a disk."""
    stated = {"fileName": "[gold] web/web.vmdk", "datastore": vim.Datastore("datastore-5"), "diskMode": "persistent"}
    return device.VirtualDisk.FlatVer2BackingInfo(**{**stated, **fields})


def rdm(mode: str) -> Any:
    """The backing of a raw device mapping."""
    return device.VirtualDisk.RawDiskMappingVer1BackingInfo(
        fileName="[gold] web/web_1.vmdk", compatibilityMode=mode, diskMode="persistent"
    )


def card(kind: str, key: int, backing: Any, mac: str = "00:50:56:AB:CD:01") -> Any:
    """A network card of that type of ``vim.vm.device``."""
    return getattr(device, kind)(
        key=key, macAddress=mac, backing=backing, connectable=device.VirtualDevice.ConnectInfo(startConnected=True)
    )


def on_network(name: str, moref: str = "") -> Any:
    """The backing of a card on a standard port group."""
    backing = device.VirtualEthernetCard.NetworkBackingInfo(deviceName=name)
    if moref:
        backing.network = vim.Network(moref)
    return backing


def on_port_group(key: str) -> Any:
    """The backing of a card on a distributed port group."""
    port = vim.dvs.PortConnection(switchUuid="50 2a", portgroupKey=key, portKey="12")
    return device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(port=port)


def on_segment(identity: str) -> Any:
    """The backing of a card on an opaque network."""
    return device.VirtualEthernetCard.OpaqueNetworkBackingInfo(
        opaqueNetworkId=identity, opaqueNetworkType="nsx.LogicalSwitch"
    )


def snapshots(current: str, *chain: str, beside: Sequence[str] = ()) -> Any:
    """A tree of snapshots: one below the other, and others beside the first."""
    tree: list[Any] = []
    for moref in reversed(chain):
        tree = [_snapshot(moref, tree)]
    roots = tree + [_snapshot(moref, []) for moref in beside]
    return vim.vm.SnapshotInfo(currentSnapshot=vim.vm.Snapshot(current), rootSnapshotList=roots)


def _snapshot(moref: str, children: Sequence[Any]) -> Any:
    return vim.vm.SnapshotTree(snapshot=vim.vm.Snapshot(moref), name=moref, childSnapshotList=list(children))
