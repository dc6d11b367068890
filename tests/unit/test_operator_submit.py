"""Images are not submitted before their bytes can be reached: real sockets, and a cluster that is not there."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User

from rig.source_vms import LINUX_BIOS, SPEC
from rig.webserver import serve
from thresher.imports.actions import SubmitImages
from thresher.imports.observed import Observed
from thresher.model.errors import DiskUnreachable, TargetUnreachable
from thresher.model.report import DiskPhase, DiskReport, Report, WorkerPhase
from thresher.model.spec import ImportSpec
from thresher.operator.events import Events
from thresher.operator.imports.act import Hands
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.observe import World
from thresher.operator.imports.slots import Slots
from thresher.operator.imports.tools import Tools
from thresher.operator.kube import Kube
from thresher.operator.metrics import Metrics
from thresher.operator.sessions import Sessions
from thresher.operator.settings import Settings, Worker
from thresher.targets.harvester.preflight import HarvesterPreflight
from thresher.targets.harvester.target import HarvesterTarget

KEY = LINUX_BIOS.disks[0].key


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a port that nobody listens on, kept from others."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


async def submit(spec: ImportSpec, url: str, cluster: str, *, remake: bool = False) -> None:
    async with Kube(KubeConfig.from_one(cluster=Cluster(server=cluster), user=User()).get()) as kube:
        tools = Tools(
            kube, Events(kube), Sessions(), HarvesterTarget(kube), HarvesterPreflight(kube),
            Slots(1, lambda _: None), Settings(Worker("image")), Metrics(),
        )  # fmt: skip
        disk = DiskReport(KEY, DiskPhase.DONE, url=url)
        world = World(report=Report(datetime.now(UTC), WorkerPhase.SERVING, (disk,)))

        async def save(_memory: Memory) -> None:
            raise AssertionError("nothing is to be counted before the disks can be reached")

        hands = Hands(tools, {}, spec, world, Observed(), Memory(vm=LINUX_BIOS), save)
        await hands.do(SubmitImages((KEY,), remake=remake))


def test_nothing_is_submitted_while_the_worker_cannot_be_reached(nobody: str) -> None:
    for remake in (False, True):
        with pytest.raises(DiskUnreachable):
            asyncio.run(submit(SPEC, f"{nobody}/token/disk-0.raw", nobody, remake=remake))


def test_skipping_the_preflight_skips_this_check(nobody: str) -> None:
    with pytest.raises(TargetUnreachable, match="The API server does not answer"):
        asyncio.run(submit(replace(SPEC, skip_preflight=True), f"{nobody}/token/disk-0.raw", nobody))


def test_a_worker_that_can_be_reached_is_gone_on_with(nobody: str, tmp_path: Path) -> None:
    (tmp_path / "disk-0.raw").write_bytes(bytes(512))
    with serve(tmp_path) as web, pytest.raises(TargetUnreachable, match="The API server does not answer"):
        asyncio.run(submit(SPEC, f"{web.url}disk-0.raw", nobody))
    assert [seen.method for seen in web.requests] == ["HEAD"]
