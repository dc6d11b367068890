from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from rig.harvester import Harvester, Pace, simulated_harvester
from rig.harvester.kinds import JOBS, MACHINES, NAMESPACES
from rig.kube import KubeCluster, kube_cluster
from rig.webserver import WebServer, serve

_NUMBERS = count()


@pytest.fixture(scope="package")
def cluster() -> Iterator[KubeCluster]:
    with kube_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="package")
def running(cluster: KubeCluster) -> Iterator[Harvester]:
    with simulated_harvester(cluster, Pace(idle_s=5.0, begin_s=5.0, image_retry_s=0.05, restart_s=0.5)) as harvester:
        yield harvester


@pytest.fixture
def harvester(running: Harvester) -> Iterator[Harvester]:
    running.fail()
    yield running
    running.fail()
    assert not running.problems, running.problems[0]


@pytest.fixture
def namespace(harvester: Harvester) -> Iterator[str]:
    name = f"test-{next(_NUMBERS)}"
    harvester.kube.create(NAMESPACES, {"metadata": {"name": name}})
    yield name
    for kind in (MACHINES, JOBS):  # what goes on running would slow the other tests down
        for item in harvester.kube.list(kind, name)["items"]:
            harvester.kube.delete(kind, item, propagationPolicy="Background")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "web"
    path.mkdir()
    return path


@pytest.fixture
def web(folder: Path) -> Iterator[WebServer]:
    with serve(folder) as server:
        yield server
