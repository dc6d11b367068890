"""The CustomResourceDefinitions of the four kinds, made from their models.

Group, version, plural names, scope and the STATUS column are those of the add-on (``pkg/crd/crd.go``); so its
manifests apply, and ``kubectl get virtualmachineimport.migration`` works. The add-on has no short names: ours
avoid ``vmi``, which is KubeVirt's VirtualMachineInstance.
"""

import json
from dataclasses import dataclass

import yaml

from thresher.api.common import API_VERSION, GROUP, ApiObject
from thresher.api.openstack import OpenstackSource
from thresher.api.ova import OvaSource
from thresher.api.schema import Schema, structural
from thresher.api.virtualmachineimport import VirtualMachineImport
from thresher.api.vmware import VmwareSource

_HEADER = "# Made by `make crds` from the models in src/thresher/api: change those.\n"
_AGE: Schema = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
_SOURCE_COLUMNS: tuple[Schema, ...] = ({"name": "Status", "type": "string", "jsonPath": ".status.status"}, _AGE)
_IMPORT_COLUMNS: tuple[Schema, ...] = (
    {"name": "Status", "type": "string", "jsonPath": ".status.importStatus"},
    {"name": "Progress", "type": "integer", "jsonPath": ".status.progress", "description": "Percent of all disks."},
    {
        "name": "VM",
        "type": "string",
        "jsonPath": ".status.importedVirtualMachineName",
        "description": "Name that the new VM gets.",
    },
    _AGE,
    {"name": "Source", "type": "string", "jsonPath": ".spec.sourceCluster.name", "priority": 1},
    {"name": "Source VM", "type": "string", "jsonPath": ".spec.virtualMachineName", "priority": 1},
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a CRD says beyond its schema."""

    model: type[ApiObject]
    short_name: str
    columns: tuple[Schema, ...]

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def plural(self) -> str:
        return self.name.lower() + "s"


_KINDS = (
    _Kind(VmwareSource, "vmwsrc", _SOURCE_COLUMNS),
    _Kind(OpenstackSource, "ossrc", _SOURCE_COLUMNS),
    _Kind(OvaSource, "ovasrc", _SOURCE_COLUMNS),
    _Kind(VirtualMachineImport, "vmimport", _IMPORT_COLUMNS),
)


def crds() -> list[Schema]:
    """The manifests, ``apiextensions.k8s.io/v1``."""
    return [_crd(kind) for kind in _KINDS]


def files() -> dict[str, str]:
    """The manifests as YAML, by file name."""
    return {f"{GROUP}_{kind.plural}.yaml": _HEADER + _yaml(_crd(kind)) for kind in _KINDS}


def _yaml(manifest: Schema) -> str:
    plain = json.loads(json.dumps(manifest))  # parts used twice are written twice, not as YAML's aliases
    return yaml.safe_dump(plain, sort_keys=False, width=120)


def _crd(kind: _Kind) -> Schema:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                "categories": ["migration"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": API_VERSION.partition("/")[2],
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [dict(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": _schema(kind.model)},
                }
            ],
        },
    }


def _schema(model: type[ApiObject]) -> Schema:
    return {
        "description": model.__doc__,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Always {API_VERSION}."},
            "kind": {"type": "string", "description": f"Always {model.__name__}."},
            "metadata": {"type": "object"},
            "spec": structural(model, "spec"),
            "status": structural(model, "status"),
        },
    }
