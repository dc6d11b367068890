from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from rig.harvester import Harvester, Pace, simulated_harvester
from rig.harvester.kinds import NAMESPACES
from rig.kube import KubeCluster, kube_cluster
from rig.openstack import OpenstackCloud
from rig.openstack_stage import Booted, Stage
from rig.operator import Operator, allow, apply, install_crds, network, running_operator

_NUMBERS = count()


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KubeCluster, Harvester, Operator]]:
    with kube_cluster() as cluster:
        install_crds(cluster)
        token = allow(cluster, "operator")
        pace = Pace(idle_s=2.0, image_retry_s=0.05, restart_s=0.1)
        with (
            simulated_harvester(cluster, pace) as harvester,
            running_operator(cluster, tmp_path_factory.mktemp("operator"), token=token) as operator,
        ):
            yield cluster, harvester, operator
            assert not harvester.problems, harvester.problems[0]


@pytest.fixture
def on(openstack: OpenstackCloud, running: tuple[KubeCluster, Harvester, Operator]) -> Iterator[Stage]:
    cluster, harvester, operator = running
    namespace = f"openstack-{next(_NUMBERS)}"
    harvester.kube.create(NAMESPACES, {"metadata": {"name": namespace}})
    apply(cluster, network("vlan1", namespace))
    harvester.fail()
    yield Stage(cluster, harvester, operator, namespace, openstack)
    openstack.wipe()


@pytest.fixture
def booted(on: Stage, tmp_path: Path) -> Booted:
    return on.booted(tmp_path)
