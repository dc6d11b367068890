"""Starts and stops the simulated Harvester, and shows what it holds."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rig.harvester import crds, download
from rig.harvester.faults import HEALTHY, LIVELY, Faults, Pace
from rig.harvester.garbage import GarbageCollector
from rig.harvester.images import Download, ImageController, file_of
from rig.harvester.jobs import JobController
from rig.harvester.kinds import CLAIMS, IMAGES, MACHINES
from rig.harvester.kube import Kube, Object
from rig.harvester.machines import MachineController
from rig.harvester.namespaces import NamespaceController
from rig.harvester.pods import PodController
from rig.harvester.volumes import VolumeController, path_of
from rig.harvester.webhook import Webhook
from rig.harvester.world import Controller, Loop, World


class Cluster(Protocol):
    """The API server that it plays against."""

    @property
    def url(self) -> str:
        """``https://127.0.0.1:port``."""
        ...

    @property
    def token(self) -> str:
        """Of an administrator."""
        ...

    @property
    def ca_pem(self) -> str:
        """Whom to trust."""
        ...


class Harvester:
    """A running simulation."""

    def __init__(self, cluster: Cluster, root: Path, pace: Pace) -> None:
        self.kube = Kube(cluster.url, cluster.token, cluster.ca_pem)
        self.root = root
        download.build()
        crds.install(self.kube)
        self._world = World(self.kube, root, pace)
        self._webhook = Webhook(self.kube)
        self._images = ImageController(self._world)
        self._machines = MachineController(self._world)
        self._pods = PodController(self._world)
        self._volumes = VolumeController(self._world)
        controllers: list[Controller] = [
            JobController(self._world),
            self._pods,
            self._images,
            self._machines,
            GarbageCollector(self._world),
            NamespaceController(self._world),
            self._volumes,  # last: it unmounts what the others use
        ]
        self._loops = [Loop(self._world, controller) for controller in controllers]

    def images(self) -> Sequence[Object]:
        """Every VirtualMachineImage as it is now."""
        found: Sequence[Object] = self.kube.list(IMAGES)["items"]
        return found

    @property
    def downloads(self) -> Sequence[Download]:
        """Every download that ended, in order."""
        return tuple(self._images.downloads)

    def console(self, namespace: str, vm: str) -> str:
        """What a VM's guest has written to its serial port, "" before it starts."""
        path = self.root / "machines" / self._uid(namespace, vm) / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def qemu(self, namespace: str, vm: str) -> list[str]:
        """The command line of a running VM."""
        return self._machines.command(self._uid(namespace, vm))

    def qemu_pid(self, namespace: str, vm: str) -> int:
        """The process of a running VM."""
        return self._machines.pid(self._uid(namespace, vm))

    def disk_bytes(self, namespace: str, pvc: str) -> Path:
        """The file that a bound claim of volumeMode Block is, or the folder of a Filesystem one."""
        return path_of(self._world, self.kube.get(CLAIMS, namespace, pvc))

    def image_bytes(self, namespace: str, name: str) -> Path:
        """The file that holds what was stored of an image."""
        return file_of(self._world, self.kube.get(IMAGES, namespace, name))

    def shrink(self, namespace: str, pvc: str, room: int) -> bool:
        """Leave a mounted volume only so many bytes of room; whether it could be done: it takes rights to mount."""
        return self._volumes.shrink(self.disk_bytes(namespace, pvc), room)

    def grow(self, path: Path) -> None:
        """Give a volume that was shrunk its size again."""
        self._volumes.grow(path)

    @property
    def running_pods(self) -> Sequence[tuple[str, str]]:
        """Namespace and name of each Pod whose process runs."""
        return self._pods.running()

    def pod_log(self, namespace: str, pod: str) -> str:
        """What a Pod's container has written, over all its restarts."""
        return self._pods.log(namespace, pod)

    def fail(self, faults: Faults = HEALTHY) -> None:
        """Set what goes wrong from now on, in place of what was set before."""
        self._world.faults = faults
        self._world.wake()

    def kill_pod(self, namespace: str, name: str) -> None:
        """Kill a Pod's process: the Pod's restart policy decides what follows."""
        self._pods.kill(namespace, name)

    @property
    def problems(self) -> Sequence[str]:
        """Tracebacks of the rig's own defects."""
        return tuple(self._world.problems)

    def close(self) -> None:
        """End everything that it started. The objects stay where they are."""
        self._webhook.stop()
        for loop in self._loops:
            loop.stop()
        self._world.close()

    def _uid(self, namespace: str, vm: str) -> str:
        return str(self.kube.get(MACHINES, namespace, vm)["metadata"]["uid"])


@contextmanager
def simulated_harvester(cluster: Cluster, pace: Pace = LIVELY) -> Iterator[Harvester]:
    """Make a Harvester cluster of a bare Kubernetes API.

    Args:
        cluster: the API; the rig acts in it as its administrator.
        pace: how long things take.

    Raises:
        AssertionError: at the end, if the rig itself had a defect.
    """
    root = Path(tempfile.mkdtemp(prefix="thresher-harvester-"))
    harvester = Harvester(cluster, root, pace)
    try:
        yield harvester
    finally:
        harvester.close()
        shutil.rmtree(root, ignore_errors=True)
    assert not harvester.problems, harvester.problems[0]


def eventually(look: Callable[[], object], *, seconds: float = 30, what: str = "") -> None:
    """Wait until ``look`` returns something true.

    Raises:
        AssertionError: it did not within ``seconds``.
    """
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, what or "it did not happen"
        time.sleep(0.05)
