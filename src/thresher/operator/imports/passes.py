"""One pass of one import."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime

from thresher.api.virtualmachineimport import SourceReference
from thresher.imports.actions import (
    Accept,
    Action,
    CheckSource,
    Doing,
    Fail,
    FindVm,
    Finish,
    GiveUp,
    Look,
    PowerOff,
    Rest,
    RunPreflight,
    ShutDownGuest,
    TransferDisks,
    Wait,
)
from thresher.imports.decide import decide
from thresher.imports.facts import left_at_source
from thresher.imports.observed import Failure, Observed
from thresher.model.errors import TargetConflict, TargetUnreachable, ThresherError
from thresher.model.report import WorkerPhase
from thresher.model.spec import ImportSpec
from thresher.model.vm import PowerState
from thresher.operator.events import WARNING
from thresher.operator.imports.act import Hands, transfer_is_over
from thresher.operator.imports.aftermath import after_the_end, let_go, remove_finalizer
from thresher.operator.imports.held import QUEUED, Held
from thresher.operator.imports.look import deleted_at, look
from thresher.operator.imports.memory import Memory, dump
from thresher.operator.imports.observe import World, observed
from thresher.operator.imports.reporting import Reporting
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.transfer import name_of, source_of
from thresher.operator.imports.undo import free_slot, remove_transfer
from thresher.operator.imports.written import write_status
from thresher.operator.kinds import SECRET
from thresher.targets.harvester.objects import Object

log = logging.getLogger(__name__)

AT_ONCE, SOON, SOURCE_S, IDLE_S = 0.0, 2.0, 30.0, 60.0
"""Seconds until the next pass: after an action; after one that is not through; while a source is not ready;
and where a watch will tell."""
HELD_S = 6 * 3600.0
"""Likewise while a transfer is held: slots and bandwidth wake the import when it may begin, and what else could change
that is watched. To look at each of a thousand that wait every minute took 0.4 of a core (make bench, imports)."""
CHECKS = (FindVm, RunPreflight, Accept)
"""What touches nothing and is done in one go, so that the status does not flicker between them."""


@dataclass(slots=True)
class Pass:
    """Looks, decides, acts and reports, once.

    Attributes:
        vmi: the import, with the spec that holds.
        memory: what earlier passes remember.
        late: the generation of a change that came after the spec was accepted; 0 where there is none.
    """

    tools: Tools
    vmi: Object
    spec: ImportSpec
    ref: SourceReference
    memory: Memory
    late: int = 0
    _world: World = field(default_factory=World)
    _held: Held | None = None

    async def run(self) -> float | None:
        """One pass; seconds until the next is due, or None where only a change can help.

        Raises:
            TargetError: the API server did not answer.
        """
        if self.memory.over:
            return None if await after_the_end(self.tools, self.vmi, self.spec, self.ref, self.memory) else SOON
        if await let_go(self.tools, self.vmi, self.spec, self.memory):
            return None
        self._world, self.memory = await look(self.tools, self.spec, self.ref, self.memory)
        self._measure()
        self._share()
        try:
            return await self._go_on()
        finally:
            await self._report()

    # -- act ---------------------------------------------------------------------------------------------

    async def _go_on(self) -> float | None:
        while True:
            seen = self._seen
            action = decide(self.spec, seen, self.tools.clock(), self.tools.settings.policy)
            due = await self._carry_out(action, seen)
            if not isinstance(action, CHECKS) or isinstance(action, Accept) or due != AT_ONCE:
                return due

    async def _carry_out(self, action: Action, seen: Observed) -> float | None:
        match action:
            case Wait() | CheckSource() | Look():
                return self._until(action)
            case Accept() | GiveUp():
                return self._note(action)
            case Rest():
                return await self._rest()
            case Finish():
                return await self._finish()
            case Fail():
                return await self._fail(action)
        return await self._do(action, seen)

    def _note(self, action: Accept | GiveUp) -> float:
        recorded = self.memory.recorded
        if isinstance(action, Accept):
            accepted = dict(self.vmi["spec"])
            self.memory = replace(self.memory, recorded=recorded.accept(action.power), accepted=accepted)
        else:
            self.tools.metrics.error(action.failure.reason)
            self.memory = replace(self.memory, recorded=replace(recorded, gave_up=action.failure))
        return AT_ONCE

    async def _do(self, action: Doing, seen: Observed) -> float:
        self._held = self._not_now(action)
        if self._held is not None:
            return HELD_S
        hands = Hands(self.tools, self.vmi, self.spec, self._world, seen, self.memory, self._save)
        try:
            self._held = await hands.do(action)
        except (TargetUnreachable, TargetConflict):
            raise  # nothing is known of the world now: the queue comes back to it
        except ThresherError as error:
            failed = hands.memory.recorded.failed(action.step, Failure.of(error), self.tools.clock())
            self.memory = replace(hands.memory, recorded=failed)
            self.tools.metrics.error(error.reason)
            log.warning("%s: %s", action.step.value, error, extra=self._about)
            return AT_ONCE
        self.memory = hands.memory
        if self._held is None:
            self.memory = replace(self.memory, recorded=self.memory.recorded.succeeded(action.step))
            return AT_ONCE
        return HELD_S if self._held.reason == QUEUED else SOON

    def _not_now(self, action: Doing) -> Held | None:
        """Why a transfer is not begun: while nothing may be read, the source VM need not be off for it."""
        touched = self.memory.recorded.touched is not None
        if isinstance(action, TransferDisks) or (isinstance(action, ShutDownGuest | PowerOff) and not touched):
            paused = self.tools.bandwidth.hold(self.spec.uid, source_of(self.vmi))
            return Held(paused.reason, paused.message) if paused is not None else None
        return None

    def _until(self, wait: Wait | CheckSource | Look) -> float:
        if isinstance(wait, CheckSource):
            return SOURCE_S  # its own controller looks at it, and a watch tells
        if isinstance(wait, Look):
            return SOON  # every pass begins with a look
        poll = self.tools.settings.policy.poll.total_seconds()
        if self._world.report is not None and not self._world.trouble:  # nothing tells that a Pod does not start
            poll = IDLE_S if self._world.power is None else poll
        return pause(wait, self._world.power, self.tools.clock(), poll)

    async def _rest(self) -> float | None:
        """It is suspended: a watch tells when not; but that the source VM runs meanwhile, only a look does."""
        if not self.memory.recorded.copies:  # else it may be what the sweep of another day logs in with
            await self.tools.kube.delete(SECRET, self.spec.namespace, name_of(self.spec.uid))
        self.memory = replace(self.memory, recorded=self.memory.recorded.rested())
        if not await free_slot(self.tools, self.spec):
            return SOON
        return None if self._world.power is None else IDLE_S

    async def _finish(self) -> float | None:
        await remove_transfer(self.tools, self.spec)
        await self._tell_what_is_left()
        if deleted_at(self.vmi) is not None:
            await remove_finalizer(self.tools, self.vmi)
            return None
        self.memory = replace(self.memory, over=True)
        return AT_ONCE

    async def _fail(self, fail: Fail) -> float | None:
        """It is over; what it made goes, unless the new VM is there to be looked at."""
        invalid = not self.memory.recorded.accepted and self.memory.recorded.gave_up is None
        if invalid and deleted_at(self.vmi) is None:
            return self.tools.settings.recheck.total_seconds()
        await remove_transfer(self.tools, self.spec)
        ours = self._world.target.exists and not self._world.target.foreign
        if not ours and not await self.tools.target.discard(self.spec, self.memory.vm):
            return SOON
        await self._tell_what_is_left()
        if fail.not_restored is not None:
            await self.tools.events.tell(self.vmi, "SourceNotRestored", fail.not_restored.message, WARNING)
        if deleted_at(self.vmi) is not None:
            await remove_finalizer(self.tools, self.vmi)
            return None
        self.memory = replace(self.memory, over=True)
        return AT_ONCE

    async def _tell_what_is_left(self) -> None:
        left = left_at_source(self._seen)
        if left is not None:
            await self.tools.events.tell(self.vmi, "CopiesLeftAtSource", left.message, WARNING)

    # -- observe -----------------------------------------------------------------------------------------

    @property
    def _seen(self) -> Observed:
        deleting = deleted_at(self.vmi) is not None
        return observed(self._world, self.memory, self.ref.kind, deleting=deleting)

    @property
    def _about(self) -> dict[str, str]:
        return {"import": f"{self.spec.namespace}/{self.spec.name}"}

    def _measure(self) -> None:
        if self._world.report is not None and not transfer_is_over(self._world):
            self.tools.metrics.report(self.spec.uid, self._world.report)
        else:
            self.tools.metrics.still(self.spec.uid)

    def _share(self) -> None:
        """Have a share of the bandwidth for as long as the worker reads."""
        report = self._world.report
        if self._world.source is not None:
            self.tools.bandwidth.learn(self._world.source.source)
        whole = report is not None and report.phase in (WorkerPhase.SERVING, WorkerPhase.DONE)
        if transfer_is_over(self._world) or whole:
            self.tools.bandwidth.ends(self.spec.uid)
        else:
            self.tools.bandwidth.begins(self.spec.uid, self.spec.namespace, source_of(self.vmi))

    # -- report ------------------------------------------------------------------------------------------

    async def _save(self, memory: Memory) -> None:
        """Write the memory down now, whatever comes of this pass."""
        text = dump(memory)
        await write_status(self.tools, self.vmi, {"recorded": text})
        self.vmi = {**self.vmi, "status": {**(self.vmi.get("status") or {}), "recorded": text}}

    async def _report(self) -> None:
        """Say how the import stands, in its status and in events."""
        reporting = Reporting(
            self.tools, self.vmi, self.spec, self._world, self._seen, self.memory, self._held, self.late
        )
        self.memory = await reporting.run()


def pause(wait: Wait, power: PowerState | None, now: datetime, poll: float) -> float:
    """Seconds to wait: of the cluster's objects a watch tells, of the source VM's power nobody does."""
    if wait.until is None:
        return poll
    longest = IDLE_S if power in (None, PowerState.OFF) else poll
    return max(min((wait.until - now).total_seconds(), longest), 0.0)
