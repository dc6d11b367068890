"""What a pass has removed does not come back, and what is not gone yet is not given to the next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lightkube.config.kubeconfig import KubeConfig

from rig.kubectl_user import IMPORT
from rig.operator_user import User
from rig.source_vms import LINUX_BIOS, SPEC
from thresher.imports.observed import Failure, ImageSeen, ImageState, Observed, Recorded, Step
from thresher.model.errors import SourceBusy, SourceError, SourceUnreachable
from thresher.model.handover import STOP
from thresher.operator.events import Events
from thresher.operator.imports import aftermath
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.observe import World
from thresher.operator.imports.reporting import Reporting
from thresher.operator.imports.slots import Slots
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.transfer import command, name_of
from thresher.operator.imports.undo import LOST, free_slot, remove_worker
from thresher.operator.kinds import CONFIG_MAP, IMPORT_LABEL, JOB, POD
from thresher.operator.kube import Kube
from thresher.operator.metrics import Metrics
from thresher.operator.sessions import Sessions
from thresher.operator.settings import Settings, Worker
from thresher.targets.harvester.objects import Kind, Object
from thresher.targets.harvester.preflight import HarvesterPreflight
from thresher.targets.harvester.target import HarvesterTarget

READY = Observed(
    vm=LINUX_BIOS, images=tuple(ImageSeen(disk.key, ImageState.READY, percent=100) for disk in LINUX_BIOS.disks)
)
WORKING = World(job={"metadata": {"uid": "j"}, "status": {"active": 1}})


@asynccontextmanager
async def tools_of(config: Path) -> AsyncIterator[Tools]:
    """What a pass works with, and one slot."""
    async with Kube(KubeConfig.from_file(config).get()) as kube:
        yield Tools(
            kube, Events(kube), Sessions(), HarvesterTarget(kube), HarvesterPreflight(kube),
            Slots(1, lambda _: None), Settings(Worker("image")), Metrics(),
        )  # fmt: skip


async def stop_worker(config: Path, user: User, *, there: bool) -> object:
    """Tell a worker that is still seen to stop; what its ConfigMap holds then."""
    vmi = user.get(IMPORT, "demo")
    spec = replace(SPEC, namespace=user.namespace, uid=vmi["metadata"]["uid"])
    async with tools_of(config) as tools:
        kube = tools.kube
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


def held(kind: Kind, user: User, **spec: object) -> Object:
    """An object of import ``a`` that is there for as long as its finalizer, as a Job is until its Pods have ended."""
    meta = {"name": name_of("a"), "namespace": user.namespace, "labels": {IMPORT_LABEL: "a"}}
    meta["finalizers"] = ["example.com/hold"]
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, "spec": spec}


async def let_go(tools: Tools, kind: Kind, user: User) -> None:
    await tools.kube.merge(kind, user.namespace, name_of("a"), {"metadata": {"finalizers": None}})


CONTAINER = {"name": "worker", "image": "none", "command": ["sleep", "60"]}
TEMPLATE = {"metadata": {}, "spec": {"restartPolicy": "OnFailure", "containers": [CONTAINER]}}


def test_a_slot_is_given_back_when_the_workers_job_is_gone_and_not_before(user: User, tmp_path: Path) -> None:
    config, spec = user.cluster.kubeconfig(tmp_path / "config"), replace(SPEC, namespace=user.namespace, uid="a")

    async def free() -> list[bool]:
        async with tools_of(config) as tools:
            assert tools.slots.ask("a", user.namespace, "")
            await tools.kube.apply(held(JOB, user, template=TEMPLATE, suspend=True), JOB)
            await remove_worker(tools, spec)
            seen = [tools.slots.holds("a"), await free_slot(tools, spec), tools.slots.holds("a")]
            await let_go(tools, JOB, user)
            for _ in range(100):
                if await free_slot(tools, spec):
                    break
                await asyncio.sleep(0.1)
            return [*seen, tools.slots.holds("a")]

    assert asyncio.run(free()) == [True, False, True, False]


def test_a_slot_does_not_wait_for_a_worker_whose_node_is_lost(user: User, tmp_path: Path) -> None:
    config, spec = user.cluster.kubeconfig(tmp_path / "config"), replace(SPEC, namespace=user.namespace, uid="a")

    async def free() -> list[bool]:
        async with tools_of(config) as tools:
            assert tools.slots.ask("a", user.namespace, "")
            await tools.kube.apply(held(JOB, user, template=TEMPLATE, suspend=True), JOB)
            await tools.kube.apply(held(POD, user, containers=[CONTAINER]), POD)
            await tools.kube.delete(POD, user.namespace, name_of("a"))
            await remove_worker(tools, spec)
            later = replace(tools, clock=lambda: datetime.now(UTC) + LOST + timedelta(minutes=1))
            seen = [await free_slot(tools, spec), await free_slot(later, spec)]
            for kind in (POD, JOB):
                await let_go(tools, kind, user)
            return seen

    assert asyncio.run(free()) == [False, True]


@pytest.mark.parametrize(
    ("error", "hours", "gone"),
    [(SourceUnreachable, 1, True), (SourceBusy, 1, False), (SourceBusy, 7, True)],
    ids=["silent", "at work", "at work for ever"],
)
def test_a_deletion_waits_longer_for_a_source_that_is_at_work_than_for_one_that_is_silent(
    user: User, tmp_path: Path, error: type[SourceError], hours: int, *, gone: bool
) -> None:
    """A cloud copies a volume of terabytes for hours, and cannot be asked to stop; until then its copies stay."""
    user.import_changed(storageClass="no-such-class")
    user.wait_for("virtualMachineImportInvalid")
    config, vmi = user.cluster.kubeconfig(tmp_path / "config"), user.get(IMPORT, "demo")
    asked = datetime.now(UTC) - timedelta(hours=hours)
    vmi["metadata"]["deletionTimestamp"] = asked.strftime("%Y-%m-%dT%H:%M:%SZ")
    failing = Recorded(copies="a").failed(Step.SWEEP, Failure.of(error("the volume is being copied")), asked)
    spec = replace(SPEC, namespace=user.namespace, uid=vmi["metadata"]["uid"])

    async def looked_at() -> bool:
        async with tools_of(config) as tools:
            return await aftermath.let_go(tools, vmi, spec, Memory(recorded=failing))

    assert asyncio.run(looked_at()) is gone
    assert ("CleanupIncomplete" in dict(user.events())) is gone
