"""A user who imports a server of the rig's OpenStack with kubectl."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.disks import sample_raw
from rig.kubectl_user import IMPORT, KubectlUser
from rig.openstack import OpenstackCloud
from rig.openstack_exports import image_booted
from rig.openstack_user import MARKER, power, source, vm_import
from thresher.model.units import MIB, Bytes

SMALL = Bytes(4 * MIB)
"""A root disk that is copied in a moment; the smallest volume has a GiB."""
SECONDS = 240
"""Cinder polls; a machine that is busy takes longer still."""


@dataclass(frozen=True)
class Booted:
    """A running server ``web`` that boots from an image, and its root disk of :data:`SMALL` bytes."""

    server: str
    disk: bytes


@dataclass(frozen=True)
class Stage(KubectlUser):
    """One with a project in a cloud, in which the server is called ``web``."""

    cloud: OpenstackCloud

    def begin(self, **spec: Any) -> None:
        """Apply the source and the import; ``spec`` adds to the import's."""
        self.apply(source(self.cloud, self.namespace))
        self.apply(vm_import("demo", "web", self.namespace, **spec))

    def booted(self, folder: Path) -> Booted:
        """Make such a server; ``folder`` is for its disk."""
        disk = sample_raw(folder / "small.raw", SMALL, 3, marker=MARKER, data=Bytes(SMALL // 2)).read_bytes()
        image = self.cloud.make.image(disk, "small")
        return Booted(image_booted(self.cloud, image, disk, status="ACTIVE", name="web"), disk)

    @contextmanager
    def copying(self) -> Iterator[None]:
        """Begin, and wait until there is an image for Cinder or Nova to write, which they do when the context ends."""
        with self.cloud.mishaps.held("copy_volume_to_image", "server_snapshot"):
            self.begin()
            self.wait(lambda: any(left.startswith("image") for left in self.cloud.leftovers()), "no image is made")
            yield

    def wait(self, look: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
        """As for everybody, with more patience."""
        super().wait(look, what, seconds)

    def until_gone(self) -> None:
        """Wait until the import is deleted, of which nothing must be left in the cloud then."""
        self.wait(lambda: not self.names(IMPORT), "the import stays")
        assert self.cloud.leftovers() == []

    def until_it_speaks(self) -> None:
        """Wait until the new VM runs, its guest has spoken, and nothing is left in the cloud."""
        self.wait_for("virtualMachineRunning")
        self.wait(lambda: MARKER in self.harvester.console(self.namespace, "web"), "the guest says nothing")
        self.until_swept()

    def until_swept(self) -> None:
        """Wait until no copy is left in any project of the cloud."""
        self.wait(lambda: not self.cloud.leftovers(), "copies stay at the source")

    def kill_worker(self) -> None:
        """End the only worker as a node that dies does."""
        (pod,) = self.names("pods")
        self.harvester.kill_pod(self.namespace, pod)

    def power(self, server: str) -> str:
        """A server's status: ``ACTIVE``, ``SHUTOFF``."""
        return power(self.cloud, server)
