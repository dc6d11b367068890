"""Removes what exports made in the cloud, found by its name alone."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

from thresher.model.errors import SourceBusy, SourceError
from thresher.sources.openstack import cloud
from thresher.sources.openstack.cloud import Copy, Kind
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.patience import CopyPolicy, Patience

_log = logging.getLogger(__name__)

_REMOVABLE = {
    Kind.SNAPSHOT: frozenset({"available", "error"}),
    Kind.VOLUME: frozenset({"available", "error", "error_restoring", "error_extending", "error_managing"}),
}
"""States in which Cinder takes the request (Block Storage API v3, "Delete a volume", "Delete a snapshot")."""
_ENDED = frozenset({"deleted", "pending_delete"})
"""States of an image that Glance has removed already, though it may still keep its bytes for a while."""
_STUCK = "error_deleting"
"""Only an administrator gets a volume or a snapshot out of it."""


class OpenstackLeftovers:
    """Implements :class:`thresher.ports.Leftovers`.

    Args:
        connection: entered for as long as a sweep lasts.
        policy: how long to wait for what is still in use.
    """

    def __init__(self, connection: OpenstackConnection, policy: CopyPolicy | None = None) -> None:
        self._connection = connection
        self._policy = policy or CopyPolicy()

    async def sweep(self, owner: str) -> None:
        """Remove what exports for that owner left; doing it twice is doing it once.

        Raises:
            SourceBusy: something is still in use; it is named.
            SourceError: something can only be removed by an administrator; it is named.
        """
        async with self._connection:
            await removed(self._connection, owner, self._policy)


def everything(_: Copy) -> bool:
    """Every copy of an owner."""
    return True


def due(left: Sequence[Copy]) -> list[Copy]:
    """What can be asked to go now: images, volumes at rest, and snapshots that no volume of the same disk needs."""
    needed = {copy.name for copy in left if copy.kind is Kind.VOLUME}
    return [
        copy
        for copy in left
        if copy.kind is Kind.IMAGE
        or (copy.status in _REMOVABLE[copy.kind] and not (copy.kind is Kind.SNAPSHOT and copy.name in needed))
    ]


async def removed(
    connection: OpenstackConnection, owner: str, policy: CopyPolicy, only: Callable[[Copy], bool] = everything
) -> None:
    """Remove an owner's copies and wait until they are gone.

    An image goes first, also one that is still written: its upload ends sooner or later, and then the volume is free.
    What the cloud refuses to remove keeps nothing else from going.

    Args:
        connection: entered.
        owner: the import's UID.
        policy: how long to wait in all.
        only: which of the copies.

    Raises:
        SourceError: as :meth:`OpenstackLeftovers.sweep`, or of a removal that the cloud refuses.
    """
    patience = Patience(policy)
    while left := await _left(connection, owner, only):
        _check_removable(left)
        if patience.over:
            raise SourceBusy(
                f"{_listed(left)} could not be removed within {patience.waited}, because it is still in use; it is "
                "tried again when the import ends, else remove it by hand"
            )
        await _ask(connection, due(left))
        await patience.pause()


def _check_removable(left: Sequence[Copy]) -> None:
    """Raises SourceError where nothing is left but what an administrator alone gets out of its state."""
    blocked = {copy.name for copy in left if copy.status == _STUCK}
    if all(copy.name in blocked for copy in left):
        raise SourceError(
            f"{_listed(left)} cannot be removed: an administrator of the cloud has to, with "
            "openstack volume delete --force, or openstack volume snapshot delete --force"
        )


async def _ask(connection: OpenstackConnection, copies: Sequence[Copy]) -> None:
    """Ask for the removal of each. Raises SourceError of the first that is refused, once all were asked for."""
    refusal: SourceError | None = None
    for copy in copies:
        _log.info("removing %s, %s", copy, copy.name)
        try:
            await connection.call(partial(cloud.remove, copy=copy))
        except SourceError as error:
            _log.warning("%s is not removed: %s", copy, error)
            refusal = refusal or error
    if refusal is not None:
        raise refusal


async def _left(connection: OpenstackConnection, owner: str, only: Callable[[Copy], bool]) -> list[Copy]:
    found = await connection.call(partial(cloud.copies_of, owner=owner))
    return [copy for copy in found if only(copy) and copy.status not in _ENDED]


def _listed(copies: Sequence[Copy]) -> str:
    return ", ".join(f"{copy} called {copy.name}" for copy in copies)
