"""All disks of a server that is off, as images to download."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from openstack.image.v2.image import Image

from thresher.model.errors import SourceBusy, SourceError, Stopped, ThresherError
from thresher.model.vm import Disk, SourceVM
from thresher.ports import DiskStream, Export
from thresher.sources.openstack import cloud
from thresher.sources.openstack.cloud import Copy, Kind
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.copies import DiskCopy
from thresher.sources.openstack.download import GlanceImage, Tokens, facts
from thresher.sources.openstack.names import ROOT, copy_name
from thresher.sources.openstack.patience import CopyPolicy
from thresher.sources.openstack.sweep import everything, removed

__all__ = ["CopyPolicy", "export_server"]

_log = logging.getLogger(__name__)

PARALLEL = 4
"""Disks copied at once: each keeps a conversion of Cinder's, or an upload of Nova's, busy."""


@asynccontextmanager
async def export_server(
    connection: OpenstackConnection,
    vm: SourceVM,
    owner: str,
    *,
    policy: CopyPolicy | None = None,
    parallel: int = PARALLEL,
) -> AsyncIterator[Export]:
    """Copy the disks of a server that is off to images, and open those.

    What an earlier run for the same owner began is gone on with, as long as the server was not started since. All
    copies are removed at the end, and when an error is final. They stay for the next run where an error is worth
    a retry, and where this one is cancelled; sooner or later a sweep removes them.

    Args:
        connection: entered by whoever owns it.
        vm: the server, by its id; its disks by their keys.
        owner: the import's UID.
        policy: how patient to be with each copy.
        parallel: how many disks are copied at once.

    Raises:
        SourceError: a disk cannot be copied.
    """
    exporting = _Exporting(connection, vm, owner, policy or CopyPolicy(), parallel)
    try:
        yield Export(await exporting.streams())
    except Exception as error:
        if _final(error):
            await exporting.remove()
        raise
    else:
        await exporting.remove()
    finally:
        await exporting.end()


def _final(error: Exception) -> bool:
    """Whether no later run goes on from here."""
    return not (isinstance(error, ThresherError) and (error.retryable or isinstance(error, Stopped)))


@dataclass(frozen=True, slots=True)
class _Ready:
    """What the streams of an export share."""

    url: str
    ca_pem: str
    tokens: Tokens

    def stream(self, disk: Disk, image: Image, title: str) -> DiskStream:
        """A disk, read from its image.

        A root disk is as large as its image says. Nova made it as large as the flavor says when it made the server,
        and copies it as it is; where it is smaller all the same, the guest never saw more, and its partition table
        ends where the image does.
        """
        found = facts(image, title)
        source = GlanceImage(
            name=f"image {found.id} of {title}",
            facts=found,
            url=f"{self.url}/images/{found.id}/file",
            ca_pem=self.ca_pem,
            tokens=self.tokens,
        )
        stated = replace(disk, capacity=found.capacity) if disk.key == ROOT else disk
        return DiskStream(stated, found.format, source, found.checksum)


class _Exporting:
    """One export under way."""

    def __init__(
        self, connection: OpenstackConnection, vm: SourceVM, owner: str, policy: CopyPolicy, parallel: int
    ) -> None:
        self._connection = connection
        self._vm = vm
        self._owner = owner
        self._policy = policy
        self._limit = asyncio.Semaphore(parallel)
        self._tidying: list[asyncio.Task[None]] = []

    async def streams(self) -> tuple[DiskStream, ...]:
        """The disks, once all of them are copied, as they are at one moment.

        Raises:
            SourceError: of the disk that failed first, or because the server ran meanwhile.
        """
        stop = await self._last_stop()
        names = {disk.key: copy_name(self._owner, disk.key, stop) for disk in self._vm.disks}
        await self._forget_earlier(names)
        tasks = [asyncio.ensure_future(self._copied(disk, names[disk.key])) for disk in self._vm.disks]
        try:
            images = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if await self._last_stop() != stop:
            raise SourceBusy(
                f"{self._vm.name} ({self._vm.id}) was started, or changed, while its disks were copied, so that they"
                " need not fit together; they are copied anew. Leave it off until the import has ended"
            )
        url = await self._connection.call(lambda found: str(found.image.get_endpoint()).rstrip("/"))
        ready = _Ready(url, self._connection.access.ca_pem, Tokens(self._connection))
        return tuple(
            ready.stream(disk, image, f"disk {disk.key} of {self._vm.name}")
            for disk, image in zip(self._vm.disks, images, strict=True)
        )

    async def _last_stop(self) -> str:
        return await self._connection.call(partial(cloud.last_stop, server_id=self._vm.id))

    async def remove(self) -> None:
        """Remove all copies. What cannot be removed now is left to the sweep, and logged."""
        await self.end()
        await self._tidied(everything)

    async def end(self) -> None:
        """Stop what runs beside the transfer."""
        for task in self._tidying:
            task.cancel()
        await asyncio.gather(*self._tidying, return_exceptions=True)

    async def _forget_earlier(self, names: Mapping[str, str]) -> None:
        """Remove copies from before the server ran again: they count for the quota."""
        current = set(names.values())
        await self._tidied(lambda copy: copy.name not in current)

    async def _copied(self, disk: Disk, name: str) -> Image:
        """The image of a disk. What it was made of goes at once, beside the transfer: it counts for the quota."""
        async with self._limit:
            image = await DiskCopy(self._connection, self._vm, disk, name=name, policy=self._policy).image()
        if disk.key != ROOT:
            only = partial(_made_of, name=name)
            self._tidying.append(asyncio.create_task(self._tidied(only)))
        return image

    async def _tidied(self, only: Callable[[Copy], bool]) -> None:
        try:
            await removed(self._connection, self._owner, self._policy, only)
        except SourceError as error:
            _log.warning("of the copies of %s, %s", self._vm.name, error)


def _made_of(copy: Copy, name: str) -> bool:
    return copy.name == name and copy.kind is not Kind.IMAGE
