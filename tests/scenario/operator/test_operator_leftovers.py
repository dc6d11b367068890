"""What a pass has removed does not come back by what the same pass still has to tell."""

import asyncio
from dataclasses import replace
from pathlib import Path

from lightkube.config.kubeconfig import KubeConfig

from rig.operator_user import IMPORT, User
from rig.source_vms import LINUX_BIOS, SPEC
from thresher.imports.observed import ImageSeen, ImageState, Observed
from thresher.operator.events import Events
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.observe import World
from thresher.operator.imports.reporting import Reporting
from thresher.operator.imports.slots import Slots
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.transfer import STOP, command, name_of
from thresher.operator.kinds import CONFIG_MAP
from thresher.operator.kube import Kube
from thresher.operator.metrics import Metrics
from thresher.operator.sessions import Sessions
from thresher.operator.settings import Settings, Worker
from thresher.targets.harvester.preflight import HarvesterPreflight
from thresher.targets.harvester.target import HarvesterTarget

READY = Observed(
    vm=LINUX_BIOS, images=tuple(ImageSeen(disk.key, ImageState.READY, percent=100) for disk in LINUX_BIOS.disks)
)
WORKING = World(job={"metadata": {"uid": "j"}, "status": {"active": 1}})


async def stop_worker(config: Path, user: User, *, there: bool) -> object:
    """Tell a worker that is still seen to stop; what its ConfigMap holds then."""
    vmi = user.get(IMPORT, "demo")
    spec = replace(SPEC, namespace=user.namespace, uid=vmi["metadata"]["uid"])
    async with Kube(KubeConfig.from_file(config).get()) as kube:
        tools = Tools(
            kube, Events(kube), Sessions(), HarvesterTarget(kube), HarvesterPreflight(kube),
            Slots(1, lambda _: None), Settings(Worker("image")), Metrics(),
        )  # fmt: skip
        if there:
            await kube.apply(command(vmi, ""), CONFIG_MAP)
        reporting = Reporting(tools, vmi, spec, WORKING, READY, Memory(vm=LINUX_BIOS), None, 0)
        await reporting.stop_worker()
        found = await kube.get(CONFIG_MAP, user.namespace, name_of(spec.uid))
        await kube.delete(CONFIG_MAP, user.namespace, name_of(spec.uid))
        return found and found["data"]["command"]


def test_a_worker_is_told_to_stop_only_where_it_can_hear_it(user: User, tmp_path: Path) -> None:
    user.import_changed(storageClass="no-such-class")  # it is not begun, so nobody else has a ConfigMap for it
    user.wait_for("virtualMachineImportInvalid")
    config = user.cluster.kubeconfig(tmp_path / "config")
    assert asyncio.run(stop_worker(config, user, there=True)) == STOP
    assert asyncio.run(stop_worker(config, user, there=False)) is None
