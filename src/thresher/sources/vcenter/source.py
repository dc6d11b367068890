"""vCenter as a source: the port."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Self

from pyVmomi import vim

from thresher.model.naming import is_uuid
from thresher.model.vm import SourceVM
from thresher.ports import Export, SourceFacts
from thresher.sources.vcenter.collector import (
    PAGE,
    SURROUNDINGS,
    VLANS,
    read_all,
    read_ancestors,
    read_pages,
    read_these,
    viewed,
)
from thresher.sources.vcenter.connection import VCenterConnection
from thresher.sources.vcenter.datacenter import check_privileges, find_datacenter, path_of
from thresher.sources.vcenter.find import DETAILS, NAMES, candidates, choose
from thresher.sources.vcenter.rows import Surroundings, moref
from thresher.sources.vcenter.translate import PROPERTIES, source_vm

Exporter = Callable[[VCenterConnection, SourceVM], AbstractAsyncContextManager[Export]]
"""Opens the disks of a VM that is off."""

_NAMES_EACH = 10
"""So many names take the place of one VM in an answer."""
_CANDIDATE = tuple(dict.fromkeys((*DETAILS, *PROPERTIES)))


class VCenterSource:
    """The VMs of one datacenter of a vCenter, or of a standalone ESXi host.

    Args:
        connection: shared by all that use this vCenter; entering the source enters it.
        datacenter: its path below the root folder, with or without a leading slash, or its name if only one has it.
        exporter: opens disks.
        page: objects in one answer of the vCenter.
    """

    def __init__(self, connection: VCenterConnection, datacenter: str, exporter: Exporter, *, page: int = PAGE) -> None:
        self._connection = connection
        self._datacenter = datacenter
        self._exporter = exporter
        self._page = page

    async def __aenter__(self) -> Self:
        """Nothing is asked of the server yet."""
        await self._connection.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Log out, if nobody else uses the connection."""
        await self._connection.__aexit__(*exc)

    async def check(self) -> SourceFacts:
        """Log in, find the datacenter, and prove that the user may export VMs and switch them.

        Raises:
            SourceError: what is wrong and what to do about it.
        """
        seen = await self._connection.call(self._check)
        pinned = self._connection.pinned
        trust = f"; its certificate was pinned when it was first seen: SHA-256 {pinned}" if pinned else ""
        return SourceFacts(f"{seen}{trust}", fingerprint=pinned or "")

    async def inventory(self) -> Sequence[SourceVM]:
        """Every VM of the datacenter, read in pages, in the order of folders and names. Raises SourceError."""
        return await self._connection.call(self._inventory)

    async def find(self, name: str, folder: str = "") -> SourceVM:
        """The one VM of that name, moref or UUID; see :func:`thresher.sources.vcenter.find.choose`.

        Raises:
            SourceNotFound: none, or several, which are listed.
            SourceError: the vCenter failed or refused.
        """
        return await self._connection.call(lambda instance: self._find(instance, name, folder))

    def export(self, vm: SourceVM, owner: str) -> AbstractAsyncContextManager[Export]:
        """Open the disks of a VM that is off. Raises SourceError when it is entered."""
        del owner  # a lease is all that is taken, and it ends with the export
        return self._exporter(self._connection, vm)

    def _check(self, instance: Any) -> str:
        content = instance.RetrieveContent()
        datacenter = find_datacenter(content, self._datacenter, self._connection.host)
        check_privileges(content, datacenter, self._connection.host)
        path = path_of(datacenter, read_ancestors(content, [datacenter]))
        return f"{content.about.fullName}, API {content.about.apiVersion}; datacenter {path}"

    def _inventory(self, instance: Any) -> Sequence[SourceVM]:
        content = instance.RetrieveContent()
        datacenter = find_datacenter(content, self._datacenter, self._connection.host)
        with viewed(content, datacenter, (*VLANS, "VirtualMachine")) as view:
            around = Surroundings([row for rows in read_pages(content, view, VLANS, self._page) for row in rows])
            pages = read_pages(content, view, {"VirtualMachine": PROPERTIES}, self._page)
            vms = [source_vm(row, around) for rows in pages for row in rows]
        return sorted(vms, key=lambda vm: (vm.folder, vm.name, vm.id))

    def _find(self, instance: Any, name: str, folder: str) -> SourceVM:
        content = instance.RetrieveContent()
        datacenter = find_datacenter(content, self._datacenter, self._connection.host)
        rows = read_all(content, datacenter, {"VirtualMachine": NAMES, **SURROUNDINGS}, self._page * _NAMES_EACH)
        vms = {row.moref: row for row in rows if row.kind == "VirtualMachine"}
        morefs = candidates(list(vms.values()), name)
        if not morefs and is_uuid(name):
            morefs = _by_uuid(content, datacenter, name)
        # As pyvmomi's own samples do; there is no public name for an instance's stub.
        managed = [vim.VirtualMachine(moref, instance._stub) for moref in morefs]  # noqa: SLF001
        vms.update({row.moref: row for row in read_these(content, managed, _CANDIDATE)})
        around = Surroundings(rows)
        root = f"{path_of(datacenter, read_ancestors(content, [datacenter]))}/vm" if folder.strip("/") else ""
        return source_vm(choose(list(vms.values()), around, name, folder, root=root), around)


def _by_uuid(content: Any, datacenter: Any, uuid: str) -> list[str]:
    """The VMs with that instance UUID, which is theirs alone, or with that SMBIOS UUID, which a copy may share."""
    for instance_uuid in (True, False):
        found = content.searchIndex.FindAllByUuid(
            datacenter=datacenter, uuid=uuid.lower(), vmSearch=True, instanceUuid=instance_uuid
        )
        if found:
            return [moref(vm) for vm in found]
    return []
