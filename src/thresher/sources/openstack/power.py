"""Switching servers of an OpenStack off and on."""

import asyncio
import logging
import time

from openstack import exceptions as sdk
from openstack.connection import Connection

from thresher.model.errors import SourceBusy, SourceError, SourceNotFound
from thresher.model.vm import PowerState, SourceVM
from thresher.sources.openstack import reading
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.rows import Row
from thresher.sources.openstack.states import TASK_STATE, VM_STATE, power_of

_log = logging.getLogger(__name__)

_FIRST_LOOK_S = 0.2
_LOOK_S = 5.0
_WAIT_S = 90.0
"""Nova gives a guest 60 s to shut down, or what its image asks for (os_shutdown_timeout), and then switches it off.
Less than an operator's pass gives a source for an answer; what takes longer is under way, and whoever asked asks again.
"""
_TRIES = 3
"""How often something that Nova accepted and did not do is asked for again."""
_ACTIONS = {
    PowerState.OFF: {"active": "os-stop", "error": "os-stop", "paused": "unpause", "suspended": "resume"},
    PowerState.ON: {"stopped": "os-start", "paused": "unpause", "suspended": "resume"},
}
"""What leads from a ``vm_state`` towards a power state (Nova, "Virtual Machine States and Transitions"). Nova stops
only what is active, so that a paused server has to run again first, and loses nothing that it holds in memory."""


class OpenstackPower:
    """Implements :class:`thresher.ports.Power`. Doing a thing twice is doing it once.

    Nova has one way to stop a server: it asks the guest by ACPI, waits for 60 s or for what the image asks for, and
    then switches it off. So both ways here are the same, except that :meth:`power_off` waits.

    Args:
        connection: entered by whoever owns it.
        wait_s: how long one call waits for Nova.
    """

    def __init__(self, connection: OpenstackConnection, wait_s: float = _WAIT_S) -> None:
        self._connection = connection
        self._wait_s = wait_s

    async def power_state(self, vm: SourceVM) -> PowerState:
        """Whether it runs now. Raises SourceError."""
        return power_of(await self._look(vm))

    async def shut_down_guest(self, vm: SourceVM) -> None:
        """Have Nova stop it, and return at once; nothing happens where it is off or on its way.

        Raises:
            SourceError: it is locked, or in a state that it cannot be stopped in.
        """
        try:
            if not _is_stopping(await self._look(vm)):
                await self._act(vm, "os-stop")
        except SourceBusy:
            # somebody else, or the guest itself, was faster
            if not _is_stopping(await self._look(vm)):
                raise

    async def power_off(self, vm: SourceVM) -> None:
        """Stop it, and wait until it is off. Raises SourceError, and SourceBusy where it is only under way."""
        await self._switch(vm, PowerState.OFF)

    async def power_on(self, vm: SourceVM) -> None:
        """Start it, and wait until it runs. Raises SourceError, and SourceBusy where it is only under way."""
        await self._switch(vm, PowerState.ON)

    async def _switch(self, vm: SourceVM, wanted: PowerState) -> None:
        pause, until, tries = _FIRST_LOOK_S, time.monotonic() + self._wait_s, _TRIES
        while True:
            row = await self._look(vm)
            if not row.get(TASK_STATE):
                if power_of(row) is wanted:
                    return
                tries -= await self._step(vm, str(row.get(VM_STATE)), wanted)
            if time.monotonic() > until or tries < 0:
                raise SourceBusy(
                    f"{vm.name} ({vm.id}) is not {wanted} yet though Nova was told to switch it: it is "
                    f"{row.get('status')}, task {row.get(TASK_STATE) or 'none'}; it is asked again. Look at its action "
                    "log in OpenStack"
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LOOK_S)

    async def _step(self, vm: SourceVM, state: str, wanted: PowerState) -> bool:
        """Do what leads on from a state; whether Nova accepted it."""
        action = _ACTIONS[wanted].get(state)
        if action is None:
            raise SourceError(
                f"{vm.name} ({vm.id}) cannot be switched {wanted} while Nova calls it {state}; mend it there first"
            )
        try:
            await self._act(vm, action)
        except SourceBusy as error:
            _log.debug("%s of %s waits: %s", action, vm.id, error)  # another task came first: look again
            return False
        return True

    async def _look(self, vm: SourceVM) -> Row:
        row = await self._connection.call(lambda cloud: reading.server(cloud, vm.id))
        if row is None:
            raise SourceNotFound(f"{self._connection.place} no longer has the server {vm.name} ({vm.id})")
        return row

    async def _act(self, vm: SourceVM, action: str) -> None:
        """Raises SourceBusy where the server's state does not allow it, SourceError where it is locked."""

        def post(cloud: Connection) -> None:
            sdk.raise_from_response(cloud.compute.post(f"/servers/{vm.id}/action", json={action: None}))

        try:
            await self._connection.call(post)
        except SourceBusy as error:
            if "is locked" in str(error):  # Nova's InstanceIsLocked, which has no code of its own
                raise SourceError(
                    f"{vm.name} ({vm.id}) is locked, so that only an administrator may switch it; unlock it first"
                ) from error
            raise


def _is_stopping(row: Row) -> bool:
    return power_of(row) is PowerState.OFF or row.get(TASK_STATE) == "powering-off"
