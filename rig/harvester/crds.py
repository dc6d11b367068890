"""Minimal definitions of the foreign kinds, and the storage classes of a Harvester cluster.

The fields are those that Thresher meets; the real definitions have many more.
"""

import time

from rig.harvester.kinds import ADDONS, CRDS, IMAGES, INSTANCES, MACHINES, NETWORKS, STORAGE_CLASSES, Kind
from rig.harvester.kube import Kube, Object
from rig.harvester.world import is_true

LONGHORN = "driver.longhorn.io"
DEFAULT_CLASS = "harvester-longhorn"
V2_CLASS = "longhorn-v2"
THIRD_PARTY_CLASS = "third-party"

_ANY: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_STRING: Object = {"type": "string"}
_IMAGE_SPEC: Object = {
    "type": "object",
    "required": ["displayName", "sourceType"],
    "properties": {
        "backend": {"type": "string", "enum": ["backingimage", "cdi"], "default": "backingimage"},
        "checksum": _STRING,
        "description": _STRING,
        "displayName": _STRING,
        "pvcName": _STRING,
        "pvcNamespace": _STRING,
        "retry": {"type": "integer", "minimum": 0, "maximum": 10, "default": 3},
        "sourceType": {"type": "string", "enum": ["download", "upload", "export-from-volume", "restore", "clone"]},
        "storageClassParameters": {"type": "object", "additionalProperties": {"type": "string"}},
        "targetStorageClassName": _STRING,
        "url": _STRING,
    },
}
_MACHINE_SPEC: Object = {
    "type": "object",
    "required": ["template"],
    "properties": {
        "runStrategy": {"type": "string", "enum": ["Always", "RerunOnFailure", "Manual", "Halted", "Once"]},
        "running": {"type": "boolean"},
        "template": _ANY,
    },
    "x-kubernetes-preserve-unknown-fields": True,
}


def install(kube: Kube) -> None:
    """Define the kinds and the classes, and wait until they are served."""
    # Harvester writes the status of images, networks and add-ons with plain updates: no status subresource
    definitions = [
        _crd(IMAGES, ["vmimage", "vmimages"], _IMAGE_SPEC, status=False),
        _crd(ADDONS, [], _ANY, status=False),
        _crd(MACHINES, ["vm", "vms"], _MACHINE_SPEC, status=True),
        _crd(INSTANCES, ["vmi", "vmis"], _ANY, status=True),
        _crd(NETWORKS, ["net-attach-def"], _ANY, status=False),
    ]
    for definition in definitions:
        kube.ensure(CRDS, definition)
    for item in _classes():
        kube.ensure(STORAGE_CLASSES, item)
    for definition in definitions:
        _wait(kube, definition["metadata"]["name"])


def _wait(kube: Kube, name: str) -> None:
    end = time.monotonic() + 30
    while not is_true(kube.get(CRDS, "", name), "Established"):
        if time.monotonic() > end:
            raise TimeoutError(f"the definition {name} is not established after 30 s")
        time.sleep(0.05)


def _crd(kind: Kind, short: list[str], spec: Object, *, status: bool) -> Object:
    group, _, version = kind.api_version.partition("/")
    schema = {"type": "object", "properties": {"spec": spec, "status": _ANY}}
    served: Object = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    if status:
        served["subresources"] = {"status": {}}
    return {
        "metadata": {"name": f"{kind.plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "plural": kind.plural,
                "singular": kind.kind.lower() if kind is not NETWORKS else "network-attachment-definition",
                "shortNames": short,
            },
            "versions": [served],
        },
    }


def _classes() -> list[Object]:
    return [
        _class(DEFAULT_CLASS, LONGHORN, {"dataEngine": "v1", "numberOfReplicas": "3"}, default=True),
        _class(V2_CLASS, LONGHORN, {"dataEngine": "v2", "numberOfReplicas": "1"}),
        _class(THIRD_PARTY_CLASS, "csi.example.com", {}),
    ]


def _class(name: str, provisioner: str, parameters: dict[str, str], *, default: bool = False) -> Object:
    mark = {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}} if default else {}
    return storage_class(name, provisioner, parameters) | {"metadata": {"name": name, **mark}}


def storage_class(name: str, provisioner: str, parameters: dict[str, str]) -> Object:
    """A class whose claims are bound at once."""
    return {
        "metadata": {"name": name},
        "provisioner": provisioner,
        "parameters": parameters,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": True,
    }
