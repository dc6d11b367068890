"""The worker's reports through a real API server, with no more rights than the operator gives it."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from rig.kube import MERGE_PATCH, KubeCluster
from rig.webserver import Faults, serve
from rig.worker import worker
from thresher.model.errors import TargetError, UsageError
from thresher.model.report import Report, WorkerPhase
from thresher.samples.manifests import sample_manifests
from thresher.worker.configmap import ConfigMapReporter

REPORT = Report(datetime(2026, 3, 1, tzinfo=UTC), WorkerPhase.SERVING)

OBJECTS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: thresher-1, namespace: default}
data: {command: "", other: "kept"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: thresher-2, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: thresher-1, namespace: default}
rules:
- {apiGroups: [""], resources: [configmaps], resourceNames: [thresher-1], verbs: [get, watch, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: thresher-1, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: thresher-1}
subjects: [{kind: ServiceAccount, name: thresher-1, namespace: default}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: thresher-1, namespace: default}
"""


@dataclass(frozen=True)
class Pod:
    """What a Pod sees of the cluster."""

    cluster: KubeCluster
    account: Path
    env: dict[str, str]

    @property
    def data(self) -> dict[str, str]:
        answer = self.cluster.request("GET", "/api/v1/namespaces/default/configmaps/thresher-1")
        found: dict[str, str] = answer.body["data"]
        return found

    def command(self, word: str) -> None:
        self.tell("command", word)

    def tell(self, key: str, word: str) -> None:
        path = "/api/v1/namespaces/default/configmaps/thresher-1"
        answer = self.cluster.request("PATCH", path, {"data": {key: word}}, content_type=MERGE_PATCH)
        assert answer.body["data"][key] == word


@pytest.fixture
def pod(kube: KubeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    applied = kube.kubectl("apply", "-f", "-", stdin=OBJECTS)
    assert applied.returncode == 0, applied.stderr
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = kube.request("POST", "/api/v1/namespaces/default/serviceaccounts/thresher-1/token", asked)
    account = tmp_path / "account"
    account.mkdir()
    for name, content in (("token", answer.body["status"]["token"]), ("ca.crt", kube.ca_pem), ("namespace", "default")):
        (account / name).write_text(content)
    server = urlsplit(kube.url)
    env = {"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    own = "/api/v1/namespaces/default/configmaps/thresher-1"
    token = answer.body["status"]["token"]
    while kube.request("GET", own, token=token).status == HTTPStatus.FORBIDDEN:  # the rights are new
        time.sleep(0.05)
    running = Pod(kube, account, {**env, "THRESHER_SERVICE_ACCOUNT": str(account)})
    running.command("")
    return running


def test_a_report_is_written_and_the_rest_is_kept(pod: Pod) -> None:
    async def write() -> None:
        async with ConfigMapReporter("default/thresher-1", pod.account) as reporter:
            await reporter.write(REPORT)

    asyncio.run(write())
    assert Report.from_json(pod.data["report"]) == REPORT
    assert (pod.data["other"], pod.data["command"]) == ("kept", "")


def test_the_command_is_heard(pod: Pod) -> None:
    async def listen() -> None:
        async with ConfigMapReporter("default/thresher-1", pod.account) as reporter, asyncio.timeout(60):
            waiting = asyncio.create_task(reporter.wait_for_stop())
            await reporter.write(REPORT)
            await asyncio.sleep(1)
            assert not waiting.done(), "its own reports are no command"
            await asyncio.to_thread(pod.command, "stop")
            await waiting
            await reporter.wait_for_stop()  # whoever comes later hears it, too

    asyncio.run(listen())


def test_rates_are_heard_as_they_change_and_nonsense_is_passed_over(pod: Pod) -> None:
    heard: list[int | None] = []

    async def listen() -> None:
        async with ConfigMapReporter("default/thresher-1", pod.account) as reporter, asyncio.timeout(60):
            waiting = asyncio.create_task(reporter.wait_for_stop(heard.append))
            for word, rate in (("1048576", 1048576), ("0", 0), ("fast", 0), ("", None), ("2Mi", 2 << 20)):
                await asyncio.to_thread(pod.tell, "bandwidth", word)
                while not heard or heard[-1] != rate:  # noqa: ASYNC110 - what is heard is no event
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(pod.command, "stop")
            await waiting

    asyncio.run(listen())


def test_other_objects_are_out_of_reach(pod: Pod) -> None:
    async def write() -> None:
        async with ConfigMapReporter("default/thresher-2", pod.account) as reporter:
            await reporter.write(REPORT)

    with pytest.raises(TargetError, match=r"default/thresher-2.*forbidden"):
        asyncio.run(write())


def test_an_account_that_is_not_mounted_is_said(pod: Pod, tmp_path: Path) -> None:
    del pod
    with pytest.raises(UsageError, match="--report-file"):
        ConfigMapReporter("default/thresher-1", tmp_path / "nothing")


def test_the_worker_reports_there_and_stops_when_told(pod: Pod, tmp_path: Path) -> None:
    """Its source is not there: it waits for the next try, and is told to stop meanwhile."""
    (tmp_path / "web").mkdir()
    with serve(tmp_path / "web", faults=Faults(status=503)) as web:
        manifests = sample_manifests(web.url + "vm.ova", "vm")
        with worker(
            tmp_path / "w", manifests, scratch=tmp_path / "s", configmap="default/thresher-1", env=pod.env
        ) as running:
            while '"SourceUnreachable"' not in pod.data.get("report", ""):
                time.sleep(0.1)
                assert running.process.poll() is None, (tmp_path / "w" / "log").read_text()
            pod.command("stop")
            assert running.ends() == 0
    assert Report.from_json(pod.data["report"]).phase is WorkerPhase.DONE
