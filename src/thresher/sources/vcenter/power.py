"""Switching VMs of a vCenter off and on."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from pyVmomi import vim

from thresher.model.errors import SourceBusy, SourceError
from thresher.model.vm import PowerState, SourceVM
from thresher.sources.vcenter.connection import VCenterConnection
from thresher.sources.vcenter.faults import said
from thresher.sources.vcenter.properties import machine, read

_log = logging.getLogger(__name__)

_STATES = {
    vim.VirtualMachine.PowerState.poweredOn: PowerState.ON,
    vim.VirtualMachine.PowerState.poweredOff: PowerState.OFF,
    vim.VirtualMachine.PowerState.suspended: PowerState.SUSPENDED,
}
_FIRST_LOOK_S = 0.1
_LOOK_S = 2.0
_TASK_WAIT_S = 300.0
"""Far longer than a host takes to switch a VM, unless the VM asks a question first."""


class VCenterPower:
    """Implements :class:`thresher.ports.Power`. Doing a thing twice is doing it once.

    Args:
        connection: entered by whoever owns it.
    """

    def __init__(self, connection: VCenterConnection) -> None:
        self._connection = connection

    async def power_state(self, vm: SourceVM) -> PowerState:
        """Whether it runs now. Raises SourceError."""

        def look(instance: Any) -> PowerState:
            return _STATES[read(instance, machine(instance, vm), "runtime.powerState")["runtime.powerState"]]

        return await self._connection.call(look)

    async def shut_down_guest(self, vm: SourceVM) -> None:
        """Ask the guest to shut down, and return at once; nothing happens where it is off already.

        Raises:
            SourceError: VMware Tools do not run in the guest, so nobody there would hear.
        """

        def shut_down(instance: Any) -> None:
            try:
                machine(instance, vm).ShutdownGuest()
            except vim.fault.ToolsUnavailable as error:
                raise SourceError(
                    f"VMware Tools do not run in {vm.name}, so its guest cannot be asked to shut down; shut it down "
                    "from within, or set forcePowerOff: true to have it switched off"
                ) from error
            except vim.fault.InvalidPowerState as error:
                if error.existingState != vim.VirtualMachine.PowerState.poweredOff:
                    raise

        await self._connection.call(shut_down)

    async def power_off(self, vm: SourceVM) -> None:
        """Switch it off, and wait until it is. Raises SourceError."""
        await self._switch(vm, PowerState.OFF, lambda known: known.PowerOffVM_Task())

    async def power_on(self, vm: SourceVM) -> None:
        """Switch it on, and wait until it is. Raises SourceError."""
        await self._switch(vm, PowerState.ON, lambda known: known.PowerOnVM_Task())

    async def _switch(self, vm: SourceVM, wanted: PowerState, start: Callable[[Any], Any]) -> None:
        def begin(instance: Any) -> Any:
            known = machine(instance, vm)
            if _STATES[read(instance, known, "runtime.powerState")["runtime.powerState"]] is wanted:
                return None
            return start(known)

        try:
            task = await self._connection.call(begin)
            if task is not None:
                await self._finish(vm, task, wanted)
        except SourceBusy:
            # somebody else, or the guest itself, was faster
            if await self.power_state(vm) is not wanted:
                raise

    async def _finish(self, vm: SourceVM, task: Any, wanted: PowerState) -> None:
        """Wait for a task: a few requests, ever further apart."""

        def look(instance: Any) -> bool:
            info = read(instance, task, "info.state", "info.error")
            if info["info.state"] == vim.TaskInfo.State.error:
                _log.debug("switching %s %s failed: %s", vm.name, wanted, said(info["info.error"]))
                raise info["info.error"]
            return bool(info["info.state"] == vim.TaskInfo.State.success)

        pause, until = _FIRST_LOOK_S, time.monotonic() + _TASK_WAIT_S
        while not await self._connection.call(look):
            if time.monotonic() > until:
                raise SourceBusy(
                    f"{vm.name} is not {wanted} {_TASK_WAIT_S:.0f} s after it was told to; look at its summary in "
                    "vSphere: it may ask a question that has to be answered there"
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LOOK_S)
