"""Sources, looked at by their controller against the real API server."""

import asyncio
import json
from http import HTTPStatus
from pathlib import Path

import pytest

from rig.kube import KubeCluster
from rig.operator import apply, events, get
from rig.webserver import Faults, WebServer
from thresher.model.units import MIB, Bytes
from thresher.operator.events import Events
from thresher.operator.kube import Kube
from thresher.operator.sessions import SHARED_WITH, Sessions
from thresher.operator.sources import SourceController
from thresher.samples.ova import write_sample_ova

SOURCE = """
apiVersion: migration.harvesterhci.io/v1beta1
kind: OvaSource
metadata: {{name: appliance, namespace: {namespace}}}
spec: {{url: "{url}vm.ova", credentials: {{name: login, namespace: {secrets}}}}}
"""


def secret(namespace: str, **annotations: str) -> str:
    meta = {"name": "login", "namespace": namespace, "annotations": annotations}
    login = {"username": "user", "password": "s3cret"}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": login})


def looked_at(namespace: str) -> float | None:
    async def look() -> float | None:
        sessions = Sessions()
        async with Kube() as kube:
            try:
                controller = SourceController(kube, Events(kube), sessions)
                return await controller.reconcile(f"OvaSource/{namespace}/appliance")
            finally:
                await sessions.close()

    return asyncio.run(look())


def word(cluster: KubeCluster, namespace: str) -> str:
    return str(get(cluster, "ovasource.migration", namespace, "appliance")["status"]["status"])


@pytest.fixture(autouse=True)
def _api(cluster: KubeCluster, tmp_path: Path, web: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(tmp_path / "kubeconfig")))
    write_sample_ova(tmp_path / "web" / "vm.ova", "hello", capacity=Bytes(16 * MIB), data=Bytes(2 * MIB))
    assert web.url


def test_defect_12_a_ready_source_is_looked_at_again(cluster: KubeCluster, web: WebServer, namespace: str) -> None:
    apply(cluster, secret(namespace))
    apply(cluster, SOURCE.format(namespace=namespace, secrets=namespace, url=web.url))
    assert looked_at(namespace), "there is no next look"
    assert word(cluster, namespace) == "clusterReady"
    web.faults = Faults(status=HTTPStatus.FORBIDDEN)
    assert looked_at(namespace)
    assert word(cluster, namespace) == "clusterNotReady"
    assert len(events(cluster, namespace, "appliance")) >= 2


def test_defect_19_a_secret_of_another_namespace_is_sent_nowhere(
    cluster: KubeCluster, web: WebServer, namespace: str
) -> None:
    apply(cluster, secret("default"))
    apply(cluster, SOURCE.format(namespace=namespace, secrets="default", url=web.url))
    looked_at(namespace)
    assert word(cluster, namespace) == "clusterNotReady"
    assert web.requests == []
    assert any(SHARED_WITH in message for _, message in events(cluster, namespace, "appliance"))
    apply(cluster, secret("default", **{SHARED_WITH: namespace}))
    looked_at(namespace)
    assert word(cluster, namespace) == "clusterReady"
    assert cluster.kubectl("delete", "secret", "login", "-n", "default").returncode == 0
