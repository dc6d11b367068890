"""An API server that does not know the operator's rights: for good, or because it has just started."""

import asyncio
import json
from pathlib import Path

import pytest
from lightkube.config.kubeconfig import KubeConfig

from rig.harvester import Harvester
from rig.kube import KubeCluster
from rig.operator import Operator, wait
from rig.operator_user import User
from thresher.model.errors import TargetDenied, TargetError
from thresher.operator.kinds import JOB
from thresher.operator.kube import Kube
from thresher.targets.harvester.objects import CLAIM


async def jobs(config: Path) -> None:
    async with Kube(KubeConfig.from_file(config).get()) as kube:
        await kube.list_all(JOB)


@pytest.mark.parametrize("token", [None, "no such token"], ids=["no rights", "nobody"])
def test_what_may_pass_is_worth_a_retry(cluster: KubeCluster, tmp_path: Path, token: str | None) -> None:
    config = cluster.kubeconfig(tmp_path / "config", token=token or cluster.user("stranger"))
    with pytest.raises(TargetDenied) as raised:
        asyncio.run(jobs(config))
    assert raised.value.retryable
    assert "ClusterRole" in str(raised.value)


def test_a_quota_refuses_for_good(user: User, tmp_path: Path) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": user.namespace}}
    user.apply(json.dumps(quota | {"spec": {"hard": {"persistentvolumeclaims": "0"}}}))
    flags = ("--subresource=status", "--type=merge", "-p")
    status = json.dumps({"status": {"hard": {"persistentvolumeclaims": "0"}, "used": {"persistentvolumeclaims": "0"}}})
    assert user.cluster.kubectl("patch", "resourcequota", "none", "-n", user.namespace, *flags, status).returncode == 0
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": spec}

    async def create() -> None:
        async with Kube(KubeConfig.from_file(user.cluster.kubeconfig(tmp_path / "config")).get()) as kube:
            await kube.create(claim | {"metadata": {"name": "one", "namespace": user.namespace}}, CLAIM)

    with pytest.raises(TargetError, match="exceeded quota") as raised:
        asyncio.run(create())
    assert not raised.value.retryable


def test_an_operator_that_starts_before_its_rights_are_known_waits_for_them(
    cluster: KubeCluster, running: Harvester, tmp_path: Path
) -> None:
    assert not running.problems, "without Harvester's kinds there is nothing to watch"
    operator = Operator(cluster, tmp_path, (), cluster.user("stranger"))
    operator.launch()
    try:
        wait(lambda: operator.log.exists() and "TargetDenied" in operator.log.read_text(), what="it says nothing")
        assert operator.running
        made = cluster.kubectl("create", "clusterrolebinding", "late", "--clusterrole=cluster-admin", "--user=stranger")
        assert made.returncode == 0, made.stderr
        wait(lambda: operator.page("/readyz") == "ok\n", what="it does not go on", log=operator.log)
    finally:
        operator.stop()
        cluster.kubectl("delete", "clusterrolebinding", "late")
    assert not list(operator.temporary.iterdir())
