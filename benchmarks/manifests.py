"""The manifests of an import from the simulated vCenter, as a user writes them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import Shape
from rig.vcenter import Datacenter, Disk, Inventory, Nic, VCenter, Vm

API = "migration.harvesterhci.io/v1beta1"
DATACENTER = "DC0"
SOURCE = "vcenter"
Manifest = Mapping[str, Any]


def source(vc: VCenter, namespace: str = "default") -> list[Manifest]:
    """The vCenter, and the Secret with its login."""
    login = {"username": vc.username, "password": vc.password, "caCert": vc.ca_pem}
    spec = {"endpoint": vc.url, "dc": DATACENTER, "credentials": {"name": "login", "namespace": namespace}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": namespace}}
    meta = {"name": SOURCE, "namespace": namespace}
    return [
        {**secret, "stringData": login},
        {"apiVersion": API, "kind": "VmwareSource", "metadata": meta, "spec": spec},
    ]


def vm_import(vm: str, namespace: str = "default", name: str = "bench", **spec: Any) -> Manifest:
    """The import of a VM, which stays off: a guest under emulation would take the machine's time."""
    wanted = {
        "virtualMachineName": vm,
        "runStrategy": "Halted",
        "networkMapping": [{"sourceNetwork": "VM Network", "destinationNetwork": f"{namespace}/vlan1"}],
        "sourceCluster": {"apiVersion": API, "kind": "VmwareSource", "name": SOURCE, "namespace": namespace},
        **spec,
    }
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": API, "kind": "VirtualMachineImport", "metadata": meta, "spec": wanted}


def text(documents: Sequence[Manifest]) -> str:
    """As ``-f`` takes them; JSON is YAML, too."""
    return "\n---\n".join(json.dumps(document) for document in documents)


def inventory(stream: Path, shape: Shape, vm: str, disks: int = 1) -> Inventory:
    """A vCenter with one VM, which is off; all its disks are that stream."""
    held = tuple(Disk(shape.capacity, stream=stream, controller="ahci", unit=unit) for unit in range(disks))
    return Inventory(vms=(Vm(vm, disks=held, nics=(Nic(),)),), datacenters=(Datacenter(DATACENTER),))
