from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from rig.harvester import Harvester, Pace, simulated_harvester
from rig.harvester.kinds import NAMESPACES
from rig.kube import KubeCluster, kube_cluster
from rig.operator import Operator, allow, install_crds, network, running_operator
from rig.operator_user import MARKER, User
from rig.webserver import WebServer, serve
from thresher.model.units import MIB, Bytes
from thresher.samples.ova import write_sample_ova

_NUMBERS = count()


@pytest.fixture(scope="package")
def cluster() -> Iterator[KubeCluster]:
    with kube_cluster() as cluster:
        install_crds(cluster)
        yield cluster


@pytest.fixture(scope="package")
def running(cluster: KubeCluster) -> Iterator[Harvester]:
    with simulated_harvester(cluster, Pace(idle_s=2.0, image_retry_s=0.05, restart_s=0.1)) as harvester:
        yield harvester


@pytest.fixture
def harvester(running: Harvester) -> Iterator[Harvester]:
    running.fail()
    yield running
    running.fail()
    assert not running.problems, running.problems[0]


@pytest.fixture(scope="package")
def operator(cluster: KubeCluster, running: Harvester, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    assert not running.problems, "without Harvester's kinds there is nothing to watch"
    folder, token = tmp_path_factory.mktemp("operator"), allow(cluster, "operator")
    with running_operator(cluster, folder, "--max-transfers", "2", token=token) as operator:
        yield operator


@pytest.fixture
def namespace(harvester: Harvester) -> str:
    name = f"import-{next(_NUMBERS)}"
    harvester.kube.create(NAMESPACES, {"metadata": {"name": name}})
    return name


@pytest.fixture
def another_namespace(harvester: Harvester) -> str:
    name = f"import-{next(_NUMBERS)}"
    harvester.kube.create(NAMESPACES, {"metadata": {"name": name}})
    return name


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    folder = tmp_path / "web"
    folder.mkdir()
    with serve(folder) as server:
        yield server


@pytest.fixture
def user(
    cluster: KubeCluster, harvester: Harvester, operator: Operator, namespace: str, web: WebServer, tmp_path: Path
) -> User:
    write_sample_ova(tmp_path / "web" / "vm.ova", MARKER, capacity=Bytes(16 * MIB), data=Bytes(2 * MIB))
    user = User(cluster, harvester, operator, namespace, web)
    user.apply(network("vlan1", namespace))
    return user
