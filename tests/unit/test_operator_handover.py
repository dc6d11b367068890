"""The worker is sent to the VM that was accepted, whatever has its name by now."""

import asyncio
import base64
from dataclasses import replace
from typing import Any, cast

import pytest

from rig.source_vms import LINUX_BIOS, SPEC, UID
from thresher.api.manifests import load_manifests
from thresher.api.openstack import OpenstackSource
from thresher.api.vmware import VmwareSource
from thresher.imports.actions import TransferDisks
from thresher.imports.observed import Observed
from thresher.operator.events import Events
from thresher.operator.imports.act import Hands
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.observe import World
from thresher.operator.imports.slots import Slots
from thresher.operator.imports.tools import Tools
from thresher.operator.kinds import SECRET
from thresher.operator.kube import Kube
from thresher.operator.metrics import Metrics
from thresher.operator.sessions import Sessions, SourceObjects
from thresher.operator.settings import Settings, Worker
from thresher.targets.harvester.objects import Kind, Object
from thresher.targets.harvester.preflight import HarvesterPreflight
from thresher.targets.harvester.target import HarvesterTarget

VM = replace(LINUX_BIOS, id="5f4a0c5e-8f5b-4d3e-9c55-2b4f7d5c0a01")
API = "migration.harvesterhci.io/v1beta1"
CREDENTIALS = {"name": "login", "namespace": "prod"}
SPECS = {
    "OpenstackSource": {"endpoint": "https://keystone", "region": "R", "credentials": CREDENTIALS},
    "VmwareSource": {"endpoint": "https://vc/sdk", "dc": "DC0", "credentials": CREDENTIALS},
}
MODELS: dict[str, type[OpenstackSource | VmwareSource]] = {
    "OpenstackSource": OpenstackSource,
    "VmwareSource": VmwareSource,
}


class ApiServer:
    """Has nothing yet, and keeps what is applied."""

    def __init__(self) -> None:
        self.applied: list[Object] = []

    async def get(self, *_: object) -> None:
        """Nothing is there."""

    async def apply(self, obj: Object, _: Kind) -> Object:
        """Keep it."""
        self.applied.append(obj)
        return obj


def handed_over(kind: str) -> Any:
    """The import as a worker is given it, from a source of that kind."""
    kube = ApiServer()
    api = cast("Kube", kube)
    tools = Tools(
        api, Events(api), Sessions(), HarvesterTarget(api), HarvesterPreflight(api),
        Slots(1, lambda _: None), Settings(Worker("image")), Metrics(),
    )  # fmt: skip
    meta = {"name": "there", "namespace": "prod", "uid": "s"}
    source = {"apiVersion": API, "kind": kind, "metadata": meta, "spec": SPECS[kind]}
    ref = {"apiVersion": API, "kind": kind, "name": "there", "namespace": "prod"}
    vmi = {
        "apiVersion": API,
        "kind": "VirtualMachineImport",
        "metadata": {"name": "web", "namespace": "prod", "uid": UID, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"virtualMachineName": "web", "sourceCluster": ref},
    }
    world = World(source=SourceObjects(source, None, MODELS[kind].model_validate(source), "1"))

    async def save(_: Memory) -> None:
        """The copies' owner, where there is one."""

    hands = Hands(tools, vmi, SPEC, world, Observed(), Memory(vm=VM), save)
    assert asyncio.run(hands.do(TransferDisks(("root",)))) is None
    (secret,) = [obj for obj in kube.applied if obj["kind"] == SECRET.name]
    (found,) = load_manifests(base64.b64decode(secret["data"]["manifests.yaml"]).decode()).imports
    return found


@pytest.mark.parametrize(("kind", "name"), [("OpenstackSource", VM.id), ("VmwareSource", "web")])
def test_a_worker_asks_for_the_id_where_the_source_knows_ids(kind: str, name: str) -> None:
    assert handed_over(kind).spec.virtual_machine_name == name
