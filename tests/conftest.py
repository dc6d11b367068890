from collections.abc import Iterator

import pytest

from rig.kube import KubeCluster, kube_cluster
from rig.sockets import use_tidy_sockets

use_tidy_sockets()


@pytest.fixture(scope="session")
def kube() -> Iterator[KubeCluster]:
    """One Kubernetes API for the session: use names of your own, and leave CRDs as you found them."""
    with kube_cluster() as cluster:
        yield cluster
