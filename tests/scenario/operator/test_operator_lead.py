"""One leader at a time, seen through the Lease."""

import signal
from pathlib import Path

from rig.kube import KubeCluster
from rig.operator import get, running_operator, wait

FLAGS = ("--lease-namespace", "default")


def holder(cluster: KubeCluster) -> str:
    found = get(cluster, "lease", "default", "thresher") or {}
    return str((found.get("spec") or {}).get("holderIdentity") or "")


def test_one_leads_and_the_next_takes_over(cluster: KubeCluster, running: object, tmp_path: Path) -> None:
    assert running
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with running_operator(cluster, tmp_path / "one", *FLAGS) as one:
        wait(lambda: f"_{one.pid}_" in holder(cluster), what="nobody leads", log=one.log)
        with running_operator(cluster, tmp_path / "two", *FLAGS) as two:
            assert "leading" not in two.log.read_text()
            one.stop(signal.SIGTERM)
            wait(lambda: f"_{two.pid}_" in holder(cluster), what="nobody takes over", log=two.log)


def test_a_leader_that_lost_the_lease_ends(cluster: KubeCluster, running: object, tmp_path: Path) -> None:
    assert running
    with running_operator(cluster, tmp_path, *FLAGS) as operator:
        wait(lambda: f"_{operator.pid}_" in holder(cluster), what="nobody leads", log=operator.log)
        stolen = '{"spec": {"holderIdentity": "thief", "leaseDurationSeconds": 3600}}'
        cluster.kubectl("patch", "lease", "thresher", "-n", "default", "--type=merge", "-p", stolen)
        wait(lambda: not operator.running, what="it goes on without the lead", log=operator.log)
        assert operator.stop() == 5
        assert "LeadershipLost" in operator.log.read_text() or "does not hold the Lease" in operator.log.read_text()
    cluster.kubectl("delete", "lease", "thresher", "-n", "default")
