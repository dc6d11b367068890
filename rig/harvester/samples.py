"""Objects as a user of Harvester would write them, and looks at what became of them."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rig.harvester.images import IMAGE_ID
from rig.harvester.kinds import CLAIMS, EVENTS, IMAGES, JOBS, MACHINES, PODS
from rig.harvester.kube import Object
from rig.harvester.rules import STORAGE_CLASS
from rig.harvester.simulation import Harvester, eventually
from rig.harvester.world import is_true

MIB = 1 << 20


def disk(path: Path, *, size: int = 3 * MIB, head: bytes = b"") -> bytes:
    """Write a raw disk with data, a hole and data, and return its bytes."""
    block = hashlib.shake_256(path.name.encode()).digest(64 << 10)
    data = bytearray(size)
    data[: len(block)] = block
    data[-len(block) :] = block
    data[: len(head)] = head
    path.write_bytes(data)
    return bytes(data)


def image(namespace: str, name: str, url: str, *, storage_class: str = "", **spec: Any) -> Object:
    """A VirtualMachineImage to download; ``spec`` adds to its spec."""
    item: Object = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"displayName": name, "sourceType": "download", "url": url, **spec},
    }
    if storage_class:
        item["metadata"]["annotations"] = {STORAGE_CLASS: storage_class}
        item["spec"]["targetStorageClassName"] = storage_class
    return item


def imported(harvester: Harvester, item: Object) -> Object:
    """Make an image and wait until Harvester has it."""
    harvester.kube.create(IMAGES, item)
    meta = item["metadata"]
    eventually(
        lambda: is_true(harvester.kube.get(IMAGES, meta["namespace"], meta["name"]), "Imported"),
        what=f"{meta['name']} is not imported",
    )
    return harvester.kube.get(IMAGES, meta["namespace"], meta["name"])


def condition(item: Object, kind: str) -> Object:
    """An object's condition, empty where it has none."""
    found = (item.get("status") or {}).get("conditions") or []
    return next((each for each in found if each["type"] == kind), {})


def claim(namespace: str, name: str, made: Object, *, storage: str = "1Gi", **spec: Any) -> Object:
    """A claim for a volume of an image's bytes."""
    image_id = f"{made['metadata']['namespace']}/{made['metadata']['name']}"
    return {
        "metadata": {"name": name, "namespace": namespace, "annotations": {IMAGE_ID: image_id}},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "volumeMode": "Block",
            "storageClassName": made["status"]["storageClassName"],
            "resources": {"requests": {"storage": storage}},
            **spec,
        },
    }


def machine(namespace: str, name: str, claims: Sequence[str], *, templates: Sequence[Object] = ()) -> Object:
    """A small VM with a BIOS, one virtio disk for each claim, and one NIC."""
    disks = [{"name": each, "bootOrder": i, "disk": {"bus": "virtio"}} for i, each in enumerate(claims, 1)]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": {"harvesterhci.io/volumeClaimTemplates": json.dumps(templates)},
            "labels": {"migration.harvesterhci.io/imported": "true"},
        },
        "spec": {
            "runStrategy": "RerunOnFailure",
            "template": {
                "metadata": {"labels": {"harvesterhci.io/vmName": name}},
                "spec": {
                    "domain": {
                        "cpu": {"sockets": 1, "cores": 2, "threads": 1},
                        "resources": {"limits": {"cpu": "2", "memory": "164Mi"}},
                        "firmware": {"uuid": "4210c0de-1111-2222-3333-444455556666"},
                        "devices": {
                            "disks": disks,
                            "interfaces": [{"name": "nic-0", "model": "e1000e", "masquerade": {}}],
                        },
                    },
                    "networks": [{"name": "nic-0", "pod": {}}],
                    "volumes": [{"name": each, "persistentVolumeClaim": {"claimName": each}} for each in claims],
                },
            },
        },
    }


def job(namespace: str, name: str, command: Sequence[str], *, policy: str = "Never", **spec: Any) -> Object:
    """A Job of one container; ``pod`` in ``spec`` adds to its Pod's spec, ``container`` to its container."""
    container = {"name": "main", "image": "thresher", "command": list(command), **spec.pop("container", {})}
    pod = {"restartPolicy": policy, "containers": [container], **spec.pop("pod", {})}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"template": {"spec": pod}, **spec}}


def job_ended(harvester: Harvester, namespace: str, name: str) -> str:
    """Wait for a Job's end: ``Complete`` or ``Failed``."""
    kinds = ("Complete", "Failed")

    def end() -> list[str]:
        found = harvester.kube.get(JOBS, namespace, name)
        return [kind for kind in kinds if is_true(found, kind)]

    eventually(end, what=f"the Job {name} does not end")
    return end()[0]


def pods(harvester: Harvester, namespace: str) -> list[Object]:
    """A namespace's Pods."""
    found: list[Object] = harvester.kube.list(PODS, namespace)["items"]
    return found


def bound(harvester: Harvester, namespace: str, name: str) -> bool:
    """Whether a claim is bound."""
    found = harvester.kube.find(CLAIMS, namespace, name)
    return found is not None and (found.get("status") or {}).get("phase") == "Bound"


def vm_status(harvester: Harvester, namespace: str, name: str) -> Object:
    """A VM's status."""
    status: Object = harvester.kube.get(MACHINES, namespace, name).get("status") or {}
    return status


def events(harvester: Harvester, namespace: str) -> str:
    """All events of a namespace, as one text."""
    found = harvester.kube.list(EVENTS, namespace)["items"]
    return "\n".join(f"{each['reason']}: {each['message']}" for each in found)
