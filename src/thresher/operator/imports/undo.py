"""Takes back what an import made, here and at the source. Doing it twice is doing it once."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from thresher.imports.actions import CleanUp, Halt, Sweep
from thresher.model.errors import SourceError
from thresher.model.spec import ImportSpec
from thresher.operator.imports.held import Held
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.observe import World
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.transfer import name_of
from thresher.operator.kinds import CONFIG_MAP, IMPORT_LABEL, JOB, POD, ROLE, ROLE_BINDING, SECRET, SERVICE_ACCOUNT
from thresher.targets.harvester.objects import CLAIM

LOST = timedelta(minutes=1)
"""How long after its last moment (``deletionTimestamp``, which has the grace period in it) a Pod may still be there."""


@dataclass(frozen=True, slots=True)
class Undoing:
    """Takes back, in one pass.

    Attributes:
        world: what this pass has seen.
        memory: what is remembered; never changed, a new one is returned.
    """

    tools: Tools
    spec: ImportSpec
    world: World
    memory: Memory

    async def do(self, action: CleanUp | Halt | Sweep) -> tuple[Memory, Held | None]:
        """Carry out ``action``; what is remembered now, and what it waits for. Raises ThresherError."""
        match action:
            case CleanUp():
                return await self._clean_up(action)
            case Halt():
                return await self._halt()
            case Sweep():
                return await self._sweep()

    async def _clean_up(self, action: CleanUp) -> tuple[Memory, Held | None]:
        await remove_worker(self.tools, self.spec)
        await self.tools.kube.delete(CLAIM, self.spec.namespace, name_of(self.spec.uid))
        gone = await self.tools.target.discard(self.spec, self.memory.vm)
        if not gone or self.world.job is not None or self.world.scratch is not None:
            return self.memory, Held("CleaningUp", f"What was made is being removed, because {action.why}.")
        if action.again:
            return replace(self.memory, recorded=self.memory.recorded.begin_again()), None
        return self.memory, None

    async def _halt(self) -> tuple[Memory, Held | None]:
        await remove_worker(self.tools, self.spec)
        gone = await self.tools.target.discard(self.spec, self.memory.vm, keep_ready=True)
        if not gone or self.world.job is not None:
            return self.memory, Held("Suspending", "What moves is being stopped, because spec.suspend is true.")
        return self.memory, None

    async def _sweep(self) -> tuple[Memory, Held | None]:
        await remove_worker(self.tools, self.spec)
        if any(not lost for lost in await _lost(self.tools, self.spec)):
            return self.memory, Held(
                "CleaningUp", "The worker is ended, so that it makes no more copies at the source."
            )
        source = self.world.require_source()
        async with self.tools.sessions.use(source) as opened:
            leftovers = opened.leftovers
            if leftovers is None:
                raise SourceError("This source cannot remove what exports leave there; report this defect.")
            await leftovers.sweep(self.memory.recorded.copies)
        return replace(self.memory, recorded=self.memory.recorded.swept()), None


async def remove_transfer(tools: Tools, spec: ImportSpec) -> None:
    """Remove everything that served the transfer, the worker first. Raises TargetError."""
    await remove_worker(tools, spec)
    for kind in (SECRET, CLAIM):
        await tools.kube.delete(kind, spec.namespace, name_of(spec.uid))


async def remove_worker(tools: Tools, spec: ImportSpec) -> None:
    """Remove the worker; what the next one or the end needs stays. Raises TargetError.

    That is the scratch volume with its ledger, and the Secret: with it the source can be put right even when the
    source's own is gone.
    """
    for kind in (JOB, CONFIG_MAP, ROLE_BINDING, ROLE, SERVICE_ACCOUNT):
        await tools.kube.delete(kind, spec.namespace, name_of(spec.uid))
    await free_slot(tools, spec)


async def free_slot(tools: Tools, spec: ImportSpec) -> bool:
    """Give back the slot and the bandwidth once no worker can use them; whether none has them now. Raises TargetError.

    A Job that was deleted is there until its Pods are not.
    """
    if tools.slots.holds(spec.uid) and await tools.kube.get(JOB, spec.namespace, name_of(spec.uid)) is not None:
        lost = await _lost(tools, spec)
        if not lost or not all(lost):
            return False
    tools.slots.give_back(spec.uid)
    tools.bandwidth.ends(spec.uid)
    return True


async def _lost(tools: Tools, spec: ImportSpec) -> list[bool]:
    """For each Pod of the worker whether it is lost: its node does not answer, so it is not waited for."""
    pods = await tools.kube.list_all(POD, spec.namespace, labels=f"{IMPORT_LABEL}={spec.uid}")
    ends = [pod["metadata"].get("deletionTimestamp") for pod in pods]
    return [end is not None and tools.clock() >= datetime.fromisoformat(end) + LOST for end in ends]
