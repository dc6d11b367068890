"""OpenStack as a source: the port."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Self

from openstack.connection import Connection

from thresher.model.naming import is_uuid
from thresher.model.vm import SourceVM
from thresher.ports import Export, SourceFacts
from thresher.sources.openstack import reading
from thresher.sources.openstack.check import check
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.find import LISTED, ambiguous, called, nothing, safe_part
from thresher.sources.openstack.losses import folder_ignored
from thresher.sources.openstack.rows import Row
from thresher.sources.openstack.translate import source_vm

Exporter = Callable[[OpenstackConnection, SourceVM, str], AbstractAsyncContextManager[Export]]
"""Opens the disks of a server that is off, for the import of that uid."""


class OpenstackSource:
    """The servers of one project in one region.

    Args:
        connection: shared by all that use this OpenStack; entering the source enters it.
        exporter: opens disks.
        page: objects in one answer of a service.
    """

    def __init__(self, connection: OpenstackConnection, exporter: Exporter, *, page: int = reading.PAGE) -> None:
        self._connection = connection
        self._exporter = exporter
        self._page = page

    async def __aenter__(self) -> Self:
        """Nothing is asked of the cloud yet."""
        await self._connection.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close the connections, if nobody else uses them."""
        await self._connection.__aexit__(*exc)

    async def check(self) -> SourceFacts:
        """Log in, and see that the region has every service that is needed and the user may use it.

        Raises:
            SourceError: what is wrong and what to do about it.
        """
        known = self._connection  # it knows its region once it is logged in, as it is when the check begins
        return SourceFacts(await known.call(lambda cloud: check(cloud, known.place, known.login)))

    async def inventory(self) -> Sequence[SourceVM]:
        """Every server of the project, read in pages, in the order of their names. Raises SourceError."""
        return await self._connection.call(self._inventory)

    async def find(self, name: str, folder: str = "") -> SourceVM:
        """The one server of that name or id.

        An id counts first, then the exact name. OpenStack has no folders: one that is asked for is ignored, as in the
        add-on, and the VM says so among its losses.

        Raises:
            SourceNotFound: none, or several, which are listed.
            SourceError: the cloud failed or refused.
        """
        vm = await self._connection.call(partial(self._find, name=name))
        return replace(vm, losses=(*vm.losses, *folder_ignored(folder)))

    def export(self, vm: SourceVM, owner: str) -> AbstractAsyncContextManager[Export]:
        """Open the disks of a server that is off. Raises SourceError when it is entered.

        Args:
            vm: the server.
            owner: the import's uid, which the names of all copies are derived from.
        """
        return self._exporter(self._connection, vm, owner)

    def _inventory(self, cloud: Connection) -> Sequence[SourceVM]:
        found = reading.servers(cloud, self._page)
        around = reading.surroundings(cloud, found, whole=True, page=self._page)
        return sorted((source_vm(one, around) for one in found), key=lambda vm: (vm.name, vm.id))

    def _find(self, cloud: Connection, name: str) -> SourceVM:
        row = self._row(cloud, name)
        return source_vm(row, reading.surroundings(cloud, [row], whole=False, page=self._page))

    def _row(self, cloud: Connection, name: str) -> Row:
        place = self._connection.place
        by_id = reading.server(cloud, name.lower()) if is_uuid(name) else None
        if by_id is not None:
            return by_id
        keys = [one["id"] for one in called(reading.names(cloud, safe_part(name), self._page), name)]
        read = (reading.server(cloud, key) for key in keys[: LISTED if len(keys) > 1 else 1])
        found = [row for row in read if row is not None]  # one may have been deleted meanwhile
        if len(keys) > 1:
            raise ambiguous(found, len(keys), name, place)
        if not found:
            raise nothing(reading.names(cloud, page=self._page), name, place)
        return found[0]
