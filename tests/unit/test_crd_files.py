from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from thresher.api.crd import crds, files
from thresher.api.virtualmachineimport import VirtualMachineImportSpec

FOLDER = Path(__file__).parents[2] / "deploy" / "crds"
SCHEMAS = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    for crd in crds()
}


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, item in schema.get("properties", {}).items():
        yield from nodes(item, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


EVERY = [
    pytest.param(node, id=path)
    for kind, properties in SCHEMAS.items()
    for part in ("spec", "status")
    for path, node in nodes(properties[part], f"{kind}.{part}")
]


def test_the_files_are_fresh() -> None:
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert there == files(), "run `make crds`"


def test_names_are_the_add_on_s() -> None:
    assert [crd["metadata"]["name"] for crd in crds()] == [
        "vmwaresources.migration.harvesterhci.io",
        "openstacksources.migration.harvesterhci.io",
        "ovasources.migration.harvesterhci.io",
        "virtualmachineimports.migration.harvesterhci.io",
    ]


@pytest.mark.parametrize("node", EVERY)
def test_every_field_has_a_type_and_is_documented(node: dict[str, Any]) -> None:
    assert node["type"] in ("object", "array", "string", "integer", "boolean")
    assert node["description"].endswith(".")


@pytest.mark.parametrize("node", EVERY)
def test_nothing_is_there_that_structural_schemas_forbid(node: dict[str, Any]) -> None:
    assert not {"$ref", "anyOf", "title", "const", "nullable", "x-kubernetes-preserve-unknown-fields"} & set(node)
    assert "(?" not in node.get("pattern", ""), "RE2 has no look-ahead"


def test_what_the_add_on_s_users_may_leave_out_is_not_required() -> None:
    required = {kind: properties["spec"]["required"] for kind, properties in SCHEMAS.items()}
    assert required == {
        "VmwareSource": ["endpoint", "dc", "credentials"],
        "OpenstackSource": ["endpoint", "region", "credentials"],
        "OvaSource": ["url"],
        "VirtualMachineImport": ["sourceCluster", "virtualMachineName"],
    }


def test_boot_of_a_vm_that_is_never_started_is_refused_here_as_there() -> None:
    source = {"apiVersion": "migration.harvesterhci.io/v1beta1", "kind": "OvaSource", "name": "x"}
    spec = {"sourceCluster": source, "virtualMachineName": "vm", "verify": "boot"}
    assert VirtualMachineImportSpec.model_validate(spec | {"runStrategy": "Manual"}).verify == "boot"
    with pytest.raises(ValidationError, match="change one of them"):
        VirtualMachineImportSpec.model_validate(spec | {"runStrategy": "Halted"})
