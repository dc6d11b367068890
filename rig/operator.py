"""The operator as a process against the rig's API, and what a user sees of it through kubectl."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from rig.kube import KubeCluster
from rig.kube.process import free_ports

CRDS = Path(__file__).parent.parent / "deploy" / "crds"
PATIENCE_S = 90.0
"""Imports of small VMs take seconds; a machine that is busy with other things, longer."""


class Operator:
    """A running ``thresher operator``; ``temporary`` is its folder for temporary files."""

    def __init__(self, cluster: KubeCluster, folder: Path, flags: Sequence[str], token: str | None = None) -> None:
        self.cluster = cluster
        self.log = folder / "operator.log"
        (self.port,) = free_ports(1)
        config = cluster.kubeconfig(folder / "operator.kubeconfig", token=token)
        words = [sys.executable, "-m", "thresher", "operator", "--worker-image", "thresher:rig", "--disk-port", "0"]
        words += ["--port", str(self.port), *flags]
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self._words, self._env = words, os.environ | {"KUBECONFIG": str(config), "TMPDIR": str(self.temporary)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.launch()
        wait(lambda: self.page("/readyz") == "ok\n", what="the operator is not ready", log=self.log)

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._words, env=self._env, stdout=log, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        if self._process is None:
            return 0
        if self.running:
            self._process.send_signal(number)
        return self._process.wait(30)

    def page(self, path: str) -> str:
        """What it serves there; "" where it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""


def wait(look: Callable[[], object], *, what: str, seconds: float = PATIENCE_S, log: Path | None = None) -> None:
    """Wait until ``look`` returns something true; on a failure the end of ``log`` is told."""
    end = time.monotonic() + seconds
    while not look():
        tail = log.read_text(errors="replace")[-6000:] if log is not None and log.exists() else ""
        assert time.monotonic() < end, f"{what}\n{tail}"
        time.sleep(0.1)


def install_crds(cluster: KubeCluster) -> None:
    """Apply the CRDs, as a user does who has no chart, in place of whatever is there."""
    done = cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    assert done.returncode == 0, done.stderr
    done = cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
    assert done.returncode == 0, done.stderr


def allow(cluster: KubeCluster, user: str) -> str:
    """Give the rig's user the rights that the operator is deployed with, and nothing else; its token."""
    documents = yaml.safe_load_all((CRDS.parent / "manifests.yaml").read_text(encoding="utf-8"))
    (role,) = (made for made in documents if made and made["kind"] == "ClusterRole")
    apply(cluster, json.dumps(role))
    name = role["metadata"]["name"]
    cluster.kubectl("create", "clusterrolebinding", name, f"--clusterrole={name}", f"--user={user}")
    return cluster.user(user)


def apply(cluster: KubeCluster, manifests: str) -> None:
    """``kubectl apply -f -``."""
    done = cluster.kubectl("apply", "-f", "-", stdin=manifests)
    assert done.returncode == 0, done.stderr


def network(name: str, namespace: str) -> str:
    """A NetworkAttachmentDefinition, as Harvester's page "VM Networks" makes one."""
    return json.dumps(
        {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "config": json.dumps({"cniVersion": "0.3.1", "name": name, "type": "bridge", "bridge": "mgmt-br"})
            },
        }
    )


def get(cluster: KubeCluster, kind: str, namespace: str, name: str = "") -> Any:  # JSON
    """``kubectl get -o json``; None where it is not there."""
    done = cluster.kubectl("get", kind, *([name] if name else []), "-n", namespace, "-o", "json")
    return json.loads(done.stdout) if done.returncode == 0 else None


def events(cluster: KubeCluster, namespace: str, name: str) -> list[tuple[str, str]]:
    """Reason and message of the events about an object of that name."""
    found = get(cluster, "events", namespace)["items"]
    return [(item["reason"], item["message"]) for item in found if item["involvedObject"]["name"] == name]


def import_word(cluster: KubeCluster, namespace: str, name: str) -> str:
    """``status.importStatus``, as ``kubectl get virtualmachineimport.migration`` shows it."""
    found = get(cluster, "virtualmachineimport.migration", namespace, name) or {}
    return str((found.get("status") or {}).get("importStatus", ""))


@contextmanager
def running_operator(cluster: KubeCluster, folder: Path, *flags: str, token: str | None = None) -> Iterator[Operator]:
    """Run the operator while the context lasts."""
    operator = Operator(cluster, folder, flags, token)
    operator.start()
    try:
        yield operator
    finally:
        operator.stop()
