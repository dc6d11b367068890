"""The OVA source: VMs of an OVF package, as a port."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from thresher.model.errors import FormatError, SourceNotFound, VerificationError
from thresher.model.units import human
from thresher.model.vm import Loss, Severity, SourceVM
from thresher.ports import Export, SourceFacts
from thresher.sources.bytes import HttpAccess, HttpFile, LocalFile
from thresher.sources.ova.archive import SeekableArchive, StreamArchive, archive_package
from thresher.sources.ova.disks import Examined, examine
from thresher.sources.ova.folder import FolderPackage, local_folder, web_folder
from thresher.sources.ova.package import OVF, suffix

_Opened = SeekableArchive | StreamArchive | FolderPackage


class OvaSource:
    """VMs in an ``.ova``, or in an ``.ovf`` with its files beside it.

    Nothing is downloaded before it is needed, and no archive or disk is ever stored. What was seen of the
    package is kept while the source is entered; a file that changes on the server meanwhile is an error.

    Args:
        location: an http or https URL, or a path.
        access: how the web server is reached.

    Raises:
        UsageError: when it is first used, where the URL or the access cannot be used as written.
    """

    def __init__(self, location: str, access: HttpAccess = HttpAccess()) -> None:  # noqa: B008 - frozen
        self._location = location
        self._access = access
        self._lock = threading.Lock()
        self._package: _Opened | None = None

    async def __aenter__(self) -> Self:
        """Nothing is asked of the server yet."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Forget what was seen."""
        with self._lock:
            package, self._package = self._package, None
        if isinstance(package, StreamArchive):
            package.close()

    async def check(self) -> SourceFacts:
        """Reach the package, prove the credentials, and see that it begins as a package does."""
        return await asyncio.to_thread(self._check)

    async def inventory(self) -> Sequence[SourceVM]:
        """Every VM that the descriptor describes, in its order."""
        return await asyncio.to_thread(self._inventory)

    async def find(self, name: str, folder: str = "") -> SourceVM:  # noqa: ARG002 - a package has no folders
        """The VM of that name; or the only VM there is, whatever it is called.

        Harvester's add-on takes the name of an OVA's import for the new VM and never looks for it in the OVA
        (pkg/source/ova/client.go of vm-import-controller, GenerateVirtualMachine). Manifests written for it
        go on working: the only VM of a package is the one that is meant, and it bears the name asked for.

        Raises:
            SourceNotFound: there are several VMs and none, or more than one, has that name.
        """
        vms = await asyncio.to_thread(self._inventory)
        named = [vm for vm in vms if vm.name == name]
        if len(named) == 1:
            return named[0]
        if len(vms) == 1:
            return replace(vms[0], name=name or vms[0].name)
        listed = ", ".join(repr(vm.name) for vm in vms)
        what = f"{len(named)} VMs" if named else "no VM"
        raise SourceNotFound(f"the package holds {what} with the name {name!r}; it holds {listed}: name one of them")

    @asynccontextmanager
    async def export(self, vm: SourceVM, owner: str) -> AsyncIterator[Export]:
        """Open the disks. Several are read at once wherever the package can be read in place."""
        del owner  # nothing is made at the source
        package = await asyncio.to_thread(self._open)
        try:
            yield await asyncio.to_thread(_export, package, vm)
        finally:
            if isinstance(package, StreamArchive):
                package.close()

    def _open(self) -> _Opened:
        with self._lock:
            if self._package is None:
                self._package = _package(self._location, self._access)
            return self._package

    def _check(self) -> SourceFacts:
        package = self._open()
        if isinstance(package, FolderPackage):
            vms = package.describe(whole=False).ovf.vms
            return SourceFacts(f"an OVF descriptor of {len(vms)} VM{'s' * (len(vms) != 1)}")
        package.begins()
        size = "of unknown size" if package.size is None else f"of {human(package.size)}"
        way = "read in place" if package.parallel else "read as one stream: the server has no Range requests"
        return SourceFacts(f"an OVA {size}, {way}")

    def _inventory(self) -> Sequence[SourceVM]:
        package = self._open()
        return [_with_findings(package, vm) for vm in package.describe(whole=False).ovf.vms]


def _package(location: str, access: HttpAccess) -> _Opened:
    if "://" in location:
        if suffix(urlsplit(location).path) == OVF:
            return web_folder(location, access)
        return archive_package(HttpFile(location, access))
    path = Path(location)
    return local_folder(path) if suffix(path.name) == OVF else archive_package(LocalFile(path))


def _with_findings(package: _Opened, vm: SourceVM) -> SourceVM:
    """The VM with what its disks' own bytes say, and with what will stop its export."""
    described = package.describe(whole=False)
    disks, losses = [], list(vm.losses)
    for disk in vm.disks:
        try:
            examined = examine(package, described, disk)
        except (SourceNotFound, VerificationError, FormatError) as error:
            losses.append(Loss(error.reason, f"disk {disk.key}", str(error), Severity.BLOCKER))
            disks.append(disk)
        else:
            losses.extend(examined.losses)
            disks.append(examined.stream.disk)
    return replace(vm, disks=tuple(disks), losses=tuple(losses))


def _export(package: _Opened, vm: SourceVM) -> Export:
    described = package.describe(whole=True)
    examined: list[Examined] = [examine(package, described, disk) for disk in vm.disks]
    if not package.parallel:
        examined.sort(key=lambda one: one.place)
    return Export(tuple(one.stream for one in examined), package.parallel)
