from collections.abc import Iterator

import pytest

from rig.kube import KubeCluster, kube_cluster
from rig.openstack import OpenstackCloud, openstack_cloud


@pytest.fixture(scope="session")
def kube() -> Iterator[KubeCluster]:
    """One Kubernetes API for the session: use names of your own, and leave CRDs as you found them."""
    with kube_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def openstack() -> Iterator[OpenstackCloud]:
    """One OpenStack for the session: make servers of your own, and end the faults and quotas that you set."""
    with openstack_cloud() as cloud:
        yield cloud
