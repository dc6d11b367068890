"""What tests of the OpenStack exports share: a server whose disks are copied, as often as it takes."""

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rig.openstack import OpenstackCloud
from rig.openstack.things import WAIT_S
from rig.openstack_access import access_to
from thresher.model.units import GIB, Bytes, MiB
from thresher.model.vm import CpuTopology, Disk, SourceVM
from thresher.ports import DiskResult, Export
from thresher.sources.openstack import cloud as facts
from thresher.sources.openstack.cloud import Kind
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.export import CopyPolicy, export_server
from thresher.sources.openstack.names import ROOT
from thresher.sources.openstack.sweep import OpenstackLeftovers
from thresher.transfer.disk import Options
from thresher.transfer.disks import ThreadTransfer

POLICY = CopyPolicy(looks=400, every_s=0.2)
"""Patient with a busy machine, and quick to look."""
_POLL_S = 0.2


def machine(server: str, *keys: str, name: str = "web") -> SourceVM:
    """A server as it is found: its volumes by UUID, one GiB each, and ``root``."""
    disks = tuple(Disk(key, None if key == ROOT else Bytes(GIB)) for key in keys)
    return SourceVM(name, CpuTopology(1, 1), MiB(128), id=server, disks=disks)


def image_booted(
    cloud: OpenstackCloud, image: str, content: bytes, *, status: Literal["ACTIVE", "SHUTOFF"], name: str = "shop"
) -> str:
    """A server that boots from an image, on a hypervisor that does not enlarge the disk to the flavor's size.

    Nova refuses a flavor without a disk to tenants; a disk that is small is copied in a moment.
    """
    server = cloud.make.server(name, image=image, ports=(), flavor="tiny", status=status)
    root_of(cloud, server).write_bytes(content)
    return server


def root_of(cloud: OpenstackCloud, server: str) -> Path:
    """The file that holds the root disk of a server that boots from an image."""
    return cloud.folder / "data" / "servers" / server


def sha256(path: Path) -> str:
    """Of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Lab:
    """One import of one server.

    Attributes:
        cloud: where the server is.
        vm: the server, off.
        folder: where its disks are written.
        owner: the import's UID.
        policy: how patient the export is.
    """

    cloud: OpenstackCloud
    vm: SourceVM
    folder: Path
    owner: str = field(default_factory=lambda: str(uuid.uuid4()))
    policy: CopyPolicy = POLICY

    def path(self, key: str) -> Path:
        """Where a disk is written."""
        return self.folder / key

    def with_policy(self, policy: CopyPolicy) -> "Lab":
        """The same import, more or less patient."""
        return replace(self, policy=policy)

    def imported(self, before: Callable[[], None] = lambda: None) -> dict[str, DiskResult]:
        """Export and transfer the disks, as a worker of its own; ``before`` is called in between."""
        return asyncio.run(self._imported(before))

    async def _imported(self, before: Callable[[], None]) -> dict[str, DiskResult]:
        async with self.exported() as export:
            await asyncio.to_thread(before)
            return await self.transferred(export)

    async def transferred(self, export: Export) -> dict[str, DiskResult]:
        """Write the disks of an open export."""
        paths = {disk.key: self.path(disk.key) for disk in self.vm.disks}
        return dict(await ThreadTransfer(Options()).run(export, paths, lambda _: None))

    @asynccontextmanager
    async def exported(self) -> AsyncIterator[Export]:
        """Export the disks with a connection of its own."""
        async with (
            OpenstackConnection(access_to(self.cloud)) as connection,
            export_server(connection, self.vm, self.owner, policy=self.policy) as export,
        ):
            yield export

    def cancelled_when(self, seen: Callable[[], bool]) -> None:
        """Begin, and cancel as soon as something is seen."""
        asyncio.run(self._cancelled_when(seen))

    async def _cancelled_when(self, seen: Callable[[], bool]) -> None:
        task = asyncio.ensure_future(self._imported(lambda: None))
        while not await asyncio.to_thread(seen):
            assert not task.done(), f"it ended before that was seen: {task.exception()}"
            await asyncio.sleep(_POLL_S)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def until(self, seen: Callable[[], bool]) -> None:
        """Wait for something. Raises AssertionError where it does not come."""
        deadline = time.monotonic() + WAIT_S
        while not seen():
            assert time.monotonic() < deadline, f"it did not come; there is {self.copies()}"
            time.sleep(_POLL_S)

    def copies(self) -> dict[Kind, str]:
        """The states of what there is of this import in the cloud."""
        return {copy.kind: copy.status for copy in facts.copies_of(self.cloud.user, self.owner)}

    def left(self) -> list[str]:
        """What is left of it, in any project."""
        return self.cloud.leftovers(f"thresher-{self.owner}")

    def stop(self) -> str:
        """Which time of being off the server is in."""
        return facts.last_stop(self.cloud.user, self.vm.id)

    def swept(self) -> None:
        """Sweep, as whoever ends the import does."""
        asyncio.run(self._swept())

    async def _swept(self) -> None:
        async with OpenstackConnection(access_to(self.cloud)) as connection:
            await OpenstackLeftovers(connection, self.policy).sweep(self.owner)

    def asked(self, gate: str, request: str) -> int:
        """How often a service was asked for something, as ``POST /v3/x/snapshots``, by the end of the path."""
        method, _, path = request.partition(" ")
        seen = self.cloud.gates[gate].requests
        return sum(one.method == method and one.path.endswith(path) for one in seen)
