"""Starts and stops etcd and kube-apiserver, and hands out the ways in."""

import http.client
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rig.kube import binaries
from rig.kube.client import Answer, Client, WatchEvent
from rig.kube.credentials import ADMIN, Credentials, kubeconfig, make
from rig.kube.process import Server, free_ports

READY_S = 120
"""Starting takes seconds; a machine that is busy with eight other things, longer."""
_POLL_S = 0.1


class KubeCluster:
    """A running API.

    Attributes:
        url: ``https://127.0.0.1:port``.
        ca_pem: the certificate to trust.
        token: the administrator's, whom nothing is refused.
    """

    def __init__(self, folder: Path, users: Sequence[str]) -> None:
        self._folder = folder
        self._credentials: Credentials = make(folder, users)
        store, port = free_ports(2)
        self.url = f"https://127.0.0.1:{port}"
        self.ca_pem = self._credentials.ca_pem
        self.token = self.user(ADMIN)
        self._etcd = Server(_etcd_command(folder, store), folder / "etcd.log")
        self._api = Server(_api_command(folder, store, port, self._credentials), folder / "kube-apiserver.log")

    def user(self, name: str) -> str:
        """The token of one of the users that the cluster was made with: no rights but those you bind."""
        return self._credentials.tokens[name]

    def client(self, token: str | None = None) -> Client:
        """A plain client, the administrator's unless another token is given."""
        return Client(self.url, self.ca_pem, token or self.token)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        content_type: str = "application/json",
        **parameters: str,
    ) -> Answer:
        """Ask the API server once; see :meth:`Client.request`."""
        return self.client(token).request(method, path, body, content_type=content_type, **parameters)

    def watch(self, path: str, *, seconds: int = 10, **parameters: str) -> Iterator[WatchEvent]:
        """The events of a watch; see :meth:`Client.watch`."""
        return self.client().watch(path, seconds=seconds, **parameters)

    def kubeconfig(self, path: Path | None = None, *, token: str | None = None) -> Path:
        """Write a kubeconfig, the administrator's unless another token is given, and return its path."""
        path = path or self._folder / "kubeconfig"
        path.write_text(kubeconfig(self.url, self._folder / "ca.crt", token or self.token), encoding="utf-8")
        path.chmod(0o600)  # helm warns of anything wider
        return path

    def kubectl(
        self, *args: str, stdin: str | None = None, token: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl; nothing is raised where it fails, so look at ``returncode``."""
        return self._run(binaries.kubectl(), args, stdin, token)

    def helm(self, *args: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the real helm against this cluster; look at ``returncode``."""
        return self._run(binaries.helm(), args, None, token)

    def _run(
        self, program: Path, args: Sequence[str], stdin: str | None, token: str | None
    ) -> subprocess.CompletedProcess[str]:
        config = self.kubeconfig(self._folder / f"kubeconfig-{hash(token)}", token=token)
        home = {"HOME": str(self._folder), "KUBECONFIG": str(config), "KUBECACHEDIR": str(self._folder / "cache")}
        return subprocess.run(
            [str(program), *args], input=stdin or "", capture_output=True, text=True, check=False, env=os.environ | home
        )

    def start(self) -> None:
        """Start what does not run, and wait until the API server answers and its namespaces are there.

        Raises:
            RuntimeError: it ended, or took too long; with the end of its log.
        """
        self.launch()
        deadline = time.monotonic() + READY_S
        while not self.is_ready():
            for server in (self._etcd, self._api):
                if server.pid is None or time.monotonic() > deadline:
                    raise RuntimeError(f"the Kubernetes API did not become ready:\n{server.last_words()}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Kill the API server, as a crash would. What it has stored stays; :meth:`start` brings it back."""
        self._api.stop(signal.SIGKILL)

    def kill_etcd(self) -> None:
        """Kill etcd, as a crash would; the API server stays, and cannot answer. :meth:`start` brings it back."""
        self._etcd.stop(signal.SIGKILL)

    def launch(self) -> None:
        """Start what does not run, and wait for nothing."""
        self._etcd.start()
        self._api.start()

    def restart_apiserver(self) -> None:
        """Kill the API server and start it again: watches break, and what it remembered of them is gone."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End both processes."""
        self._api.stop(signal.SIGKILL)  # its graceful end waits for watches that nobody needs any more
        self._etcd.stop(signal.SIGKILL)

    def is_ready(self) -> bool:
        """Whether the API server answers, and its namespaces are there."""
        try:
            ready = self.request("GET", "/readyz").status == http.client.OK
            return ready and self.request("GET", "/api/v1/namespaces/default").status == http.client.OK
        except (OSError, http.client.HTTPException, ssl.SSLError):
            return False


def _etcd_command(folder: Path, port: int) -> list[str]:
    clients = f"http://127.0.0.1:{port}"
    return [
        str(binaries.etcd()),
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",  # its data need not survive the machine
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--log-level=warn",
    ]


def _api_command(folder: Path, store: int, port: int, credentials: Credentials) -> list[str]:
    return [
        str(binaries.apiserver()),
        f"--etcd-servers=http://127.0.0.1:{store}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'generated'}",
        *credentials.flags,
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://127.0.0.1/",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount",  # no controller makes the default account that it asks for
        "--allow-privileged=true",
        "--endpoint-reconciler-type=none",
    ]


@contextmanager
def kube_cluster(users: Sequence[str] = ("operator", "stranger")) -> Iterator[KubeCluster]:
    """Run a Kubernetes API of its own, empty but for what the API server itself makes.

    Args:
        users: names of users without any rights, for proofs of RBAC.

    The folder with data and logs is removed at the end, unless the block failed: then its path is told.
    """
    folder = Path(tempfile.mkdtemp(prefix="thresher-kube-"))
    cluster = KubeCluster(folder, users)
    failed = True
    try:
        cluster.start()
        yield cluster
        failed = False
    finally:
        cluster.close()
        if failed:
            print(f"the logs of the Kubernetes API are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)
