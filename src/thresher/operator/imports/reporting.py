"""Says how an import stands: its status, its events, and to its worker that it is through."""

import logging
from dataclasses import dataclass, replace

from thresher.imports.facts import facts_of, images_ready
from thresher.imports.observed import Observed
from thresher.imports.phases import TABLE, Phase, route
from thresher.imports.status import Condition, ImportStatus, Truth, derive, stamp
from thresher.model.handover import STOP
from thresher.model.spec import ImportSpec
from thresher.operator.bandwidth import BLACKOUT, LIMITED, PAUSED
from thresher.operator.events import NORMAL, WARNING
from thresher.operator.imports.act import transfer_is_over
from thresher.operator.imports.held import Held
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.observe import World
from thresher.operator.imports.render import previous, render
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.transfer import command, name_of
from thresher.operator.imports.written import write_status
from thresher.operator.kinds import CONFIG_MAP
from thresher.operator.status import changes, to_json
from thresher.targets.harvester.objects import Object

log = logging.getLogger(__name__)

TOO_LATE = "SpecChangeRefused"


@dataclass(slots=True)
class Reporting:
    """The end of one pass.

    Attributes:
        vmi: the import, with the spec that holds.
        world: what the pass has seen.
        seen: the same, as decisions want it, with what the pass did.
        memory: what is remembered.
        held: why its action has to wait; None where it has not.
        late: the generation of a change that came after the spec was accepted; 0 where there is none.
    """

    tools: Tools
    vmi: Object
    spec: ImportSpec
    world: World
    seen: Observed
    memory: Memory
    held: Held | None
    late: int

    async def run(self) -> Memory:
        """Derive the status, write it down where it changed, and tell what happened; what is remembered now."""
        seen, now = self.seen, self.tools.clock()
        before = self.vmi.get("status") or {}
        last = previous(before, self.memory.phase)
        phases = route(facts_of(self.spec, seen))
        passed = phases[phases.index(last.phase) + 1 :] if last.phase in phases else phases[-1:]
        status = self._explained(derive(self.spec, seen, last, now, policy=self.tools.settings.policy), last)
        self.memory = replace(self.memory, phase=status.phase, generation=self._generation())
        after = render(status, self.spec, self.memory, self.world.report, created=seen.target.ours)
        if "conditions" in after:
            after["conditions"] += await self._refusal(last) + self._limited(last)
        patch = changes(before, after)
        if patch:
            await write_status(self.tools, self.vmi, patch)
        self.tools.metrics.phase(self.spec.uid, status.phase)
        for phase in passed:
            await self._tell(phase, derive(self.spec, seen, last, now, phase=phase))
        await self._tell_trouble(last, status)
        if status.phase is not Phase.SUSPENDED:
            await self.stop_worker()
        return self.memory

    def _generation(self) -> int:
        return int(self.memory.generation or self.vmi["metadata"].get("generation", 0))

    def _explained(self, status: ImportStatus, last: ImportStatus) -> ImportStatus:
        """The status with what holds this pass up, in place of what it waits for in general."""
        held, report = self.held, self.world.report
        if held is None and self.world.trouble:
            held = Held("WorkerNotStarted", self.world.trouble)
        if held is None and report is not None and report.failure is not None and not transfer_is_over(self.world):
            held = Held(report.failure.reason, report.failure.message)
        if held is None:
            held = self._paused()
        if held is None:
            held = _image_failure(self.seen)
        if held is None or TABLE[status.phase].terminal or not status.conditions:
            return status
        ready = replace(status.conditions[0], reason=held.reason, message=held.message)
        ready = stamp((ready,), last.conditions, self.tools.clock())[0]
        return replace(status, conditions=(ready, *status.conditions[1:]))

    def _paused(self) -> Held | None:
        standing = self.tools.bandwidth.standing(self.spec.uid)
        return Held(standing.reason, standing.message) if standing is not None and standing.paused else None

    def _limited(self, last: ImportStatus) -> list[Object]:
        """The condition that says which limit is in force, where one is."""
        standing = self.tools.bandwidth.standing(self.spec.uid)
        if standing is None:
            return []
        condition = Condition(LIMITED, Truth.TRUE, standing.reason, standing.message)
        return to_json(stamp((condition,), last.conditions, self.tools.clock()), self.memory.generation)

    async def _refusal(self, last: ImportStatus) -> list[Object]:
        """The condition that says that a change of the spec came too late, told once."""
        if not self.late:
            return []
        message = (
            "The spec was changed after the import had begun, so the change is not taken up. "
            "Undo it, or delete the import and make it again."
        )
        condition = Condition("SpecAccepted", Truth.FALSE, TOO_LATE, message)
        if all(before.type != condition.type for before in last.conditions):
            await self.tools.events.tell(self.vmi, TOO_LATE, message, WARNING)
        return to_json(stamp((condition,), last.conditions, self.tools.clock()), self.late)

    async def _tell(self, phase: Phase, status: ImportStatus) -> None:
        kind = WARNING if phase in (Phase.INVALID, Phase.FAILED, Phase.IMAGE_FAILED) else NORMAL
        failed = _image_failure(self.seen) if phase is Phase.IMAGE_FAILED else None
        message = failed.message if failed is not None else status.message
        await self.tools.events.tell(self.vmi, phase.value, message, kind)
        log.info("%s: %s", phase.value, message, extra={"import": f"{self.spec.namespace}/{self.spec.name}"})
        if phase is Phase.VALID:
            for loss in status.findings:
                await self.tools.events.tell(self.vmi, loss.rule, f"{loss.subject}: {loss.message}", WARNING)

    async def _tell_trouble(self, last: ImportStatus, status: ImportStatus) -> None:
        """Say what holds the import up, once for each new reason."""
        ready = status.conditions[0]
        was = last.conditions[0] if last.conditions else None
        if was is not None and (was.reason, was.message) == (ready.reason, ready.message):
            return
        if ready.reason != status.phase.value and not TABLE[status.phase].terminal:
            kind = NORMAL if self.held is not None or ready.reason in (BLACKOUT, PAUSED) else WARNING
            await self.tools.events.tell(self.vmi, ready.reason, ready.message, kind)

    async def stop_worker(self) -> None:
        """Let the worker end once every image is in; its slot is free when it has."""
        if transfer_is_over(self.world):
            if self.seen.target.ours or images_ready(self.seen):
                self.tools.slots.give_back(self.spec.uid)
            return
        if images_ready(self.seen) and self.world.command != STOP:
            # no more than a change: what this very pass has removed must not come back
            told = {"data": command(self.vmi, STOP)["data"]}
            await self.tools.kube.merge(CONFIG_MAP, self.spec.namespace, name_of(self.spec.uid), told)


def _image_failure(seen: Observed) -> Held | None:
    """Why an image failed, in Harvester's words."""
    failure = next((image.failure for image in seen.images if image.failure is not None), None)
    return Held(failure.reason, failure.message) if failure is not None else None
