"""An export lease: opened, kept alive for as long as it is needed, and given back whatever happens.

"While the lease is held, operations that alter the state of the virtual machines covered by the lease are blocked";
it ends by itself when its holder does not report progress (vSphere Web Services API, HttpNfcLease).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Self

from pyVmomi import vim

from thresher.model.errors import SourceError, SourceNotFound, SourceUnreachable, StreamCut
from thresher.model.vm import SourceVM
from thresher.sources.uninterrupted import uninterrupted
from thresher.sources.vcenter.connection import VCenterConnection
from thresher.sources.vcenter.faults import said
from thresher.sources.vcenter.properties import machine, read
from thresher.sources.vcenter.served import LeaseItem

_log = logging.getLogger(__name__)

_State = vim.HttpNfcLease.State

_FIRST_LOOK_S = 0.1
_LOOK_S = 2.0
_READY_WAIT_S = 600.0
"""How long vCenter may prepare a lease. It says nothing of it; a busy host needs minutes."""
_KEEP_ALIVE_S = 30.0
"""The most between two reports of progress; less where the lease lives less than four times that."""
_GIVE_BACK_TRIES = 3
_GIVE_BACK_PAUSE_S = 1.0


class NfcLease:
    """The right to read the disks of a VM that is off. Entering it opens it.

    Left without an exception it is completed, else aborted; a cancellation waits for that. While it is open, a task
    of its own reports progress.

    Args:
        connection: entered by whoever owns it.
        vm: which is off.
        percent: asked how much was read so far, from 0 to 100.
    """

    def __init__(self, connection: VCenterConnection, vm: SourceVM, percent: Callable[[], int]) -> None:
        self._connection = connection
        self._vm = vm
        self._percent = percent
        self._lease: Any = None
        self._timeout_s = 0.0
        self._keeper: asyncio.Task[None] | None = None
        self._early_end = ""
        self._over = False
        self.items: tuple[LeaseItem, ...] = ()

    async def __aenter__(self) -> Self:
        """Open it. Raises SourceError: of what the lease says where it fails before it is ready."""
        try:
            await uninterrupted(self._request())
            await self._ready()
        except BaseException:
            await uninterrupted(self._give_back(whole=False))
            raise
        self._keeper = asyncio.create_task(self._keep_alive())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Give it back.

        Raises:
            StreamCut: the lease ended before the transfer did, which is why the transfer failed.
        """
        await uninterrupted(self._leave(error))
        if isinstance(error, SourceError) and str(error) != self._early_end:
            try:
                self.check()
            except StreamCut as early:
                raise early from error

    def check(self) -> None:
        """See that it is still there, as far as is known. Raises StreamCut. May be called from any thread."""
        if self._early_end:
            raise StreamCut(self._early_end)

    async def _request(self) -> None:
        def export(instance: Any) -> Any:
            try:
                return machine(instance, self._vm).ExportVm()
            except vim.fault.InvalidPowerState as error:
                raise SourceError(
                    f"{self._vm.name} is {error.existingState} and can only be exported when it is off; switch it off"
                ) from error

        self._lease = await self._connection.call(export)

    async def _ready(self) -> None:
        def look(instance: Any) -> Any:
            found = read(instance, self._lease, "state", "info", "error")
            if found["state"] == _State.error:
                self._over = True
                raise found.get("error") or vim.fault.InvalidState(msg="the lease failed and does not say why")
            return found.get("info") if found["state"] == _State.ready else None

        pause, until = _FIRST_LOOK_S, time.monotonic() + _READY_WAIT_S
        while (info := await self._looked(look)) is None:
            if time.monotonic() > until:
                raise SourceUnreachable(
                    f"the export of {self._vm.name} is not ready after {_READY_WAIT_S:.0f} s; look at the tasks of "
                    "the VM in vSphere"
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LOOK_S)
        self._timeout_s = float(info.leaseTimeout)
        self.items = tuple(_item(found) for found in info.deviceUrl)

    async def _looked(self, look: Callable[[Any], Any]) -> Any:
        """What a look at a lease finds that may end with its session before it is ready."""
        try:
            return await self._connection.call(look)
        except SourceNotFound as error:
            self._over = True
            raise SourceUnreachable(
                f"the export of {self._vm.name} ended before it was ready, as did the session that it belonged to; it "
                "is exported again"
            ) from error

    async def _keep_alive(self) -> None:
        pause = min(_KEEP_ALIVE_S, self._timeout_s / 4)
        while not self._early_end:
            await asyncio.sleep(pause)
            try:
                await self._progress(self._percent())
            except SourceError as error:
                _log.info("the export of %s could not be kept alive: %s", self._vm.name, error)
                await self._look()

    async def _progress(self, percent: int) -> None:
        await self._connection.call(lambda _: self._lease.HttpNfcLeaseProgress(percent))

    async def _look(self) -> None:
        """Find out whether the lease is still there. Where that cannot be known, the next report will tell."""
        why = None
        with contextlib.suppress(SourceError):
            why = await self._ended()
        if why is not None:
            self._over = True
            self._early_end = f"vCenter ended the export of {self._vm.name} early: {why}; it is exported again"

    async def _ended(self) -> str | None:
        """Why it is over, or None while it is not. Raises SourceError."""

        def look(instance: Any) -> str | None:
            found = read(instance, self._lease, "state", "error")
            if found["state"] == _State.error:
                return said(found["error"]) if "error" in found else "it does not say why"
            return "it was given back by someone else" if found["state"] == _State.done else None

        try:
            return await self._connection.call(look)
        except SourceNotFound:
            return "it is gone, as is the session that it belonged to"

    async def _leave(self, error: BaseException | None) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if isinstance(error, SourceError) and not self._early_end:
            await self._look()
        await self._give_back(whole=error is None and not self._early_end)

    async def _give_back(self, *, whole: bool) -> None:
        """Complete or abort it. Where vCenter cannot be told, the lease times out by itself."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        end = lease.HttpNfcLeaseComplete if whole else lease.HttpNfcLeaseAbort
        for left in reversed(range(_GIVE_BACK_TRIES)):
            try:
                await self._connection.call(lambda _: end())
            except SourceUnreachable as error:
                if left:
                    await asyncio.sleep(_GIVE_BACK_PAUSE_S)
                else:
                    self._not_given_back(error)
            except SourceError as error:
                self._not_given_back(error)
                return
            else:
                return

    def _not_given_back(self, error: SourceError) -> None:
        if self._over or isinstance(error, SourceNotFound):
            _log.debug("the lease of %s had ended before it was given back: %s", self._vm.name, error)
            return
        _log.warning(
            "the export of %s could not be ended, so the VM stays locked until its lease times out (%.0f s): %s",
            self._vm.name,
            self._timeout_s,
            error,
        )


def _item(found: Any) -> LeaseItem:
    return LeaseItem(
        found.key,
        found.url,
        bool(found.disk),
        (found.sslThumbprint or "").strip(),
        (found.sslCertificate or "").strip(),
    )
