from collections.abc import Iterator

import pytest

from rig.kube import KubeCluster, kube_cluster


@pytest.fixture(scope="session")
def kube() -> Iterator[KubeCluster]:
    """One Kubernetes API for the session: use names of your own, and leave CRDs as you found them."""
    with kube_cluster() as cluster:
        yield cluster
