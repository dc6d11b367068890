"""For each rule of the preflight in a cluster: what the cluster holds, and its twin."""

import asyncio
import socket
from dataclasses import replace

from rig.objects import StillObjects
from rig.rule_cases import PLAIN, SPEC, Case, Found, Levels, levels
from thresher.api.manifests import load_manifests
from thresher.model.spec import ImportSpec
from thresher.operator.imports.preflight import scratch_findings
from thresher.operator.imports.reach import Reach, ports_of, unreachable
from thresher.operator.settings import Scratch
from thresher.targets.harvester.facts import DEFAULT_CLASS
from thresher.targets.harvester.objects import Object
from thresher.targets.harvester.preflight import HarvesterPreflight
from thresher.targets.manifests.values import IMPORT_UID

VCENTER = """
apiVersion: migration.harvesterhci.io/v1beta1
kind: VmwareSource
metadata: {{name: vcenter, namespace: default}}
spec: {{endpoint: "https://127.0.0.1:{port}/sdk", dc: DC0, credentials: {{name: login}}}}
"""


def there(kind: str, api_version: str, name: str, **more: object) -> Object:
    """An object in the import's namespace."""
    meta = {"name": name, "namespace": SPEC.namespace, "labels": more.pop("labels", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **more}


def storage_class(name: str, *, default: bool = False) -> Object:
    """A StorageClass of Longhorn's first engine."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {DEFAULT_CLASS[0]: str(default).lower()}},
        "provisioner": "driver.longhorn.io",
        "parameters": {"dataEngine": "v1"},
    }


def quota(hard: str) -> Object:
    """A ResourceQuota on the volumes of the namespace, of which nothing is used; the new VM has one of 10 GiB."""
    amounts = {"hard": {"requests.storage": hard}, "used": {"requests.storage": "0"}}
    return there("ResourceQuota", "v1", "small", spec={"hard": amounts["hard"]}, status=amounts)


def machine(owner: str) -> Object:
    """A VM of the name that the new one is to have, made by the import of that UID."""
    return there("VirtualMachine", "kubevirt.io/v1", SPEC.vm_name, labels={IMPORT_UID: owner})


VLAN = there("NetworkAttachmentDefinition", "k8s.cni.cncf.io/v1", "vlan1", spec={"config": '{"type":"bridge"}'})
LONGHORN = storage_class("longhorn", default=True)
FAST = replace(SPEC, storage_class="fast")


def cluster(*objects: Object, spec: ImportSpec = SPEC) -> Found:
    """What the preflight finds in a cluster that holds these objects."""
    held = StillObjects(*objects)
    return lambda: {
        *levels(asyncio.run(HarvesterPreflight(held).findings(spec, PLAIN))),
        *levels(asyncio.run(scratch_findings(held, Scratch()))),
    }


def port_of_vcenter(*, listens: bool) -> Found:
    """A vCenter at a port of this machine, which is taken in both cases, so that no stranger answers there."""

    def find() -> Levels:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            if listens:
                bound.listen()
            (source,) = load_manifests(VCENTER.format(port=bound.getsockname()[1])).sources
            return levels(asyncio.run(unreachable(ports_of(source, PLAIN), Reach())))

    return find


CASES: dict[str, Case] = {
    "NameTaken": Case(cluster(VLAN, LONGHORN, machine("another-uid")), cluster(VLAN, LONGHORN, machine(SPEC.uid))),
    "NetworkMissing": Case(cluster(LONGHORN), cluster(LONGHORN, VLAN)),
    "StorageClassMissing": Case(
        cluster(VLAN, LONGHORN, spec=FAST), cluster(VLAN, LONGHORN, storage_class("fast"), spec=FAST)
    ),
    "QuotaExceeded": Case(cluster(VLAN, LONGHORN, quota("9Gi")), cluster(VLAN, LONGHORN, quota("10Gi"))),
    "ScratchUnobtainable": Case(cluster(VLAN, storage_class("longhorn")), cluster(VLAN, LONGHORN)),
    "PortUnreachable": Case(port_of_vcenter(listens=False), port_of_vcenter(listens=True)),
}
