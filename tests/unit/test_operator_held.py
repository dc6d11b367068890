"""An import whose transfer is held is woken when it may begin; until then nobody looks at it."""

import asyncio

from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User

from rig.source_vms import LINUX_BIOS, SPEC
from thresher.api.virtualmachineimport import SourceReference
from thresher.imports.actions import TransferDisks
from thresher.imports.observed import Observed
from thresher.model.bandwidth import Limit
from thresher.operator.bandwidth import Bandwidth
from thresher.operator.events import Events
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.passes import Pass
from thresher.operator.imports.slots import Slots
from thresher.operator.imports.tools import Tools
from thresher.operator.kube import Kube
from thresher.operator.metrics import Metrics
from thresher.operator.sessions import Sessions
from thresher.operator.settings import Settings, Worker
from thresher.targets.harvester.preflight import HarvesterPreflight
from thresher.targets.harvester.target import HarvesterTarget

REF = {"apiVersion": "migration.harvesterhci.io/v1beta1", "kind": "VmwareSource", "name": "vc", "namespace": "default"}
IMPORTS = 1000
PASS_S = 0.05
"""More processor time than a pass takes."""


async def seconds_until_the_next_look(bandwidth: Bandwidth) -> float:
    nowhere = KubeConfig.from_one(cluster=Cluster(server="http://127.0.0.1:9"), user=User()).get()
    async with Kube(nowhere) as kube:
        tools = Tools(
            kube, Events(kube), Sessions(), HarvesterTarget(kube), HarvesterPreflight(kube),
            Slots(1, lambda _: None), Settings(Worker("image")), Metrics(), bandwidth=bandwidth,
        )  # fmt: skip
        vmi = {"metadata": {"name": SPEC.name, "namespace": SPEC.namespace}, "spec": {"sourceCluster": REF}}
        one = Pass(tools, vmi, SPEC, SourceReference.model_validate(REF), Memory(vm=LINUX_BIOS))
        return await one._do(TransferDisks((LINUX_BIOS.disks[0].key,)), Observed())


def test_a_thousand_held_imports_cost_less_than_a_hundredth_of_a_core() -> None:
    woken: list[str] = []
    seconds = asyncio.run(seconds_until_the_next_look(Bandwidth(Limit.of("0", ()), woken.append)))
    assert IMPORTS * PASS_S / seconds < 0.01
    assert woken == []
