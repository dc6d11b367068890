"""One disk becomes an image: what to do next follows from what is seen in the cloud, and from nothing else.

::

    a volume        snapshot (creating -> available) -> volume (creating -> available -> uploading) -> image (-> active)
    the root disk   Nova's createImage                                                              -> image (-> active)

So whoever comes next, after a crash of the worker at any place, goes on where the last one was.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TypeVar

from openstack.connection import Connection
from openstack.image.v2.image import Image

from thresher.model.errors import SourceBusy, SourceError, SourceUnreachable
from thresher.model.vm import Disk, SourceVM
from thresher.sources.openstack import cloud
from thresher.sources.openstack.cloud import Copy, Kind, QuotaHeld, Seen
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.names import ROOT
from thresher.sources.openstack.patience import CopyPolicy, Patience
from thresher.sources.uninterrupted import uninterrupted

T = TypeVar("T")

_log = logging.getLogger(__name__)

_WORKING = {
    Kind.SNAPSHOT: frozenset({"creating", "deleting", "backing-up", "unmanaging", "restoring"}),
    Kind.VOLUME: frozenset({"creating", "downloading", "uploading", "deleting", "maintenance"}),
    Kind.IMAGE: frozenset({"queued", "saving", "importing", "uploading"}),
}
"""States that pass (Block Storage API v3, "Volume statuses", "Snapshot statuses"; Glance, "Image Statuses")."""
_UNWRITTEN = frozenset({"queued", "saving"})
"""States of an image that waits for whoever asked for it, or is written by them; the others are Glance's own work."""
_GIVEN_UP_LOOKS = 3
"""For so many looks, at the usual interval, an image has to be one that nobody writes before it is removed."""
_REPEATS = (3, 12)
"""Looks to wait before a step whose outcome vanished is done again, and once more: half a minute and two minutes, at
the usual interval. Cinder and Nova remove an image that they cannot write, whatever the reason (Cinder,
``copy_volume_to_image`` and ``_delete_image``; Nova, ``delete_image_on_error``): one that passes passes meanwhile, and
with one that stays, such as Glance's ``image_size_cap``, the server would be off for nothing."""
_SERVICE = {Kind.SNAPSHOT: "Cinder", Kind.VOLUME: "Cinder", Kind.IMAGE: "Glance"}


class Step(Enum):
    """What to do for a disk."""

    SNAPSHOT = "the snapshot"
    VOLUME = "the temporary volume"
    UPLOAD = "the image"
    CREATE_IMAGE = "the image of the root disk"
    DISCARD = "the removal of the image that nobody writes any more"
    WAIT = "nothing yet"
    DONE = "nothing any more"


def next_step(seen: Seen, key: str, of: str) -> Step:
    """What to do next. Pure.

    Args:
        seen: what there is of this disk's copies.
        key: the disk's.
        of: what to call the disk in messages.

    Raises:
        SourceError: a copy failed, and there is no way on from what is left of it.
    """
    image, volume, snapshot = seen.image, seen.volume, seen.snapshot
    if image is not None:
        if image.status == "active":
            return Step.DONE
        left = seen.idle if key == ROOT else volume is not None and volume.status == "available"
        # as after a token that ended, or a restart, in the middle of the upload
        return Step.DISCARD if left and image.status in _UNWRITTEN else _wait(image, of)
    if key == ROOT:
        return Step.CREATE_IMAGE
    if volume is not None:
        return Step.UPLOAD if volume.status == "available" else _wait(volume, of)
    if snapshot is not None:
        return Step.VOLUME if snapshot.status == "available" else _wait(snapshot, of)
    return Step.SNAPSHOT


def _wait(copy: Copy, of: str) -> Step:
    if copy.status in _WORKING[copy.kind]:
        return Step.WAIT
    raise SourceError(
        f"the {copy.kind} {copy.name} ({copy.id}), made to copy {of}, is in the state {copy.status!r}; look into the "
        f"log of {_SERVICE[copy.kind]} for why, and start the import again"
    )


class DiskCopy:
    """The way of one disk to its image.

    Args:
        connection: entered by whoever owns it.
        vm: the server, which is off.
        disk: one of its disks.
        name: of all of its copies.
        policy: how patient to be.
    """

    def __init__(
        self, connection: OpenstackConnection, vm: SourceVM, disk: Disk, *, name: str, policy: CopyPolicy
    ) -> None:
        self._connection = connection
        self._vm = vm
        self._disk = disk
        self._policy = policy
        self._taken: Counter[Step] = Counter()
        self.name = name
        self.title = f"disk {disk.key} of {vm.name}"

    async def image(self) -> Image:
        """Go on until the image is active.

        Raises:
            SourceError: a step failed. Where it is worth a retry, all copies stay for the next run.
        """
        patience = Patience(self._policy, self._disk.capacity or 0)
        before = None
        while True:
            seen = await self._answered(self._look)
            step = await self._next(seen)
            if step is Step.DONE and seen.image is not None:
                _log.info("%s is copied: %s", self.title, seen.image)
                return await self._answered(partial(cloud.image_of, copy=seen.image))
            if seen != before:
                patience.restart()
                before = seen
            held = await self._take(step, seen, patience)
            if held is not None and patience.over:
                raise held
            await patience.pause()

    async def _next(self, seen: Seen) -> Step:
        """What to do next. Raises SourceError of a copy that failed, in Cinder's words where it has any."""
        try:
            return next_step(seen, self._disk.key, self.title)
        except SourceError as error:
            raise SourceError(f"{error}{await self._told(seen)}") from error

    async def _answered(self, look: Callable[[Connection], T]) -> T:
        """What a look finds, as soon as the cloud answers: a copy of hours goes on while a service restarts.

        Raises:
            SourceError: it does not answer for as long as a copy may make no progress, or it refuses.
        """
        patience = Patience(self._policy)
        while True:
            try:
                return await self._connection.call(look)
            except SourceUnreachable as error:
                if patience.over:
                    raise
                _log.info("%s is looked at again: %s", self.title, error)
                await patience.pause()

    def _look(self, connection: Connection) -> Seen:
        """Runs in a thread."""
        if self._disk.key == ROOT:
            return cloud.look_at_root(connection, self.name, self._vm.id)
        return cloud.look(connection, self.name)

    async def _take(self, step: Step, seen: Seen, patience: Patience) -> SourceBusy | None:
        """Do a step, unless there is none; what holds it up, to be raised when patience is over."""
        if step is Step.WAIT or (step is Step.DISCARD and not patience.for_looks(_GIVEN_UP_LOOKS)):
            return self._late(seen, patience)
        if not await self._is_due_again(step, seen):
            return None
        _log.info("%s: now %s", self.title, step.value)
        try:
            # to its end: what a cancelled request makes would be seen by nobody who cleans up after us
            await uninterrupted(self._connection.call(partial(self._make, step=step, seen=seen)))
        except QuotaHeld as held:
            _log.info("%s waits: %s", self.title, held)
            return held
        self._taken[step] += 1
        return None

    async def _is_due_again(self, step: Step, seen: Seen) -> bool:
        """Whether to do a step: what vanished since was given up by the cloud, and is done again a few times.

        Raises:
            SourceError: it was done often enough.
        """
        taken = self._taken[step]
        if taken > len(_REPEATS):
            raise await self._given_up(step, seen)
        if not taken:
            return True
        _log.warning("%s: %s was asked for and is gone; it is soon asked for again", self.title, step.value)
        await asyncio.sleep(_REPEATS[taken - 1] * self._policy.every_s)
        seen = await self._answered(self._look)
        return await self._next(seen) is step  # else it was only slow to show

    async def _given_up(self, step: Step, seen: Seen) -> SourceError:
        """The end of a disk whose copy the cloud gives up each time, in Cinder's words where it has any."""
        return SourceError(
            f"{step.value} of {self.title} was asked for {self._taken[step]} times and came to nothing each time"
            f"{await self._told(seen)}; see in the logs of Cinder, Nova and Glance why, such as Glance's"
            " image_size_cap, its quota or the room in its store, or a token that ended while they worked"
            " (send_service_user_token), and start the import again"
        )

    async def _told(self, seen: Seen) -> str:
        """What Cinder says of the newest copy that it has, in parentheses; "" where it says nothing."""
        copy = seen.volume or seen.snapshot
        if copy is None:
            return ""
        try:
            words = await self._connection.call(partial(cloud.words_of_cinder, resource=copy.id))
        except SourceError as error:
            _log.info("%s: Cinder does not say why: %s", self.title, error)
            return ""
        return f" (Cinder says: {words})" if words else ""

    def _make(self, connection: Connection, step: Step, seen: Seen) -> None:
        """Runs in a thread."""
        if step in (Step.CREATE_IMAGE, Step.UPLOAD):
            cloud.renew_login(connection)
        if step is Step.CREATE_IMAGE:
            cloud.snapshot_server(connection, self.name, self._vm.id)
        elif step is Step.DISCARD and seen.image is not None:
            cloud.remove(connection, seen.image)
        elif step is Step.UPLOAD and seen.volume is not None:
            cloud.upload_volume(connection, self.name, seen.volume)
        elif step is Step.VOLUME and seen.snapshot is not None:
            cloud.make_volume(connection, self.name, seen.snapshot)
        else:
            cloud.make_snapshot(connection, self.name, self._disk.key)

    def _late(self, seen: Seen, patience: Patience) -> SourceBusy:
        waits = ", ".join(str(copy) for copy in (seen.image, seen.volume, seen.snapshot) if copy is not None)
        return SourceBusy(
            f"the copy of {self.title} has made no progress for {patience.waited}: {waits}; it goes on where it is at "
            "the next try. Raise uploadImageRetryCount if the cloud is only slow"
        )
