"""What is left to do of an import that is over, and of one that is let go."""

from dataclasses import replace

from thresher.api.virtualmachineimport import SourceReference
from thresher.imports.actions import Sweep
from thresher.imports.observed import Step
from thresher.imports.phases import TABLE
from thresher.imports.status import Truth, stamp
from thresher.model.errors import SourceBusy, SourceError, UsageError
from thresher.model.naming import copies_prefix
from thresher.model.spec import ImportSpec
from thresher.operator.events import WARNING
from thresher.operator.imports.look import deleted_at, look
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.undo import Undoing, free_slot, remove_transfer
from thresher.operator.imports.written import write_status
from thresher.operator.kinds import FINALIZER, IMPORT
from thresher.operator.status import changes, from_json, to_json
from thresher.targets.harvester.objects import Object


async def after_the_end(tools: Tools, vmi: Object, spec: ImportSpec, ref: SourceReference, memory: Memory) -> bool:
    """Keep the house of an import that is over; whether its slot is free, so that nothing is left to wait for."""
    freed = await free_slot(tools, spec)
    tools.metrics.phase(spec.uid, memory.phase)
    if deleted_at(vmi) is not None:
        if memory.recorded.copies and not await _swept_once_more(tools, vmi, spec, ref, memory):
            return False
        await remove_transfer(tools, spec)
        await remove_finalizer(tools, vmi)
    elif memory.vm is not None and TABLE[memory.phase].succeeded:
        state = await tools.target.vm_state(spec, memory.vm)
        if not state.exists:
            await _say_vm_is_gone(tools, vmi, memory)
    return freed


async def _swept_once_more(tools: Tools, vmi: Object, spec: ImportSpec, ref: SourceReference, memory: Memory) -> bool:
    """Remove copies that could not be removed when the import ended; what stays is told by its name.

    Returns:
        Whether that was tried; false where a worker is still there, which may make more of them.
    """
    world, memory = await look(tools, spec, ref, memory)
    try:
        _, held = await Undoing(tools, spec, world, memory).do(Sweep())
    except (SourceError, UsageError) as error:
        await tools.events.tell(vmi, "CleanupIncomplete", f"{error} {_left_at_source(memory)}", WARNING)
        return True
    return held is None


def _left_at_source(memory: Memory) -> str:
    return f"At the source, remove whatever has a name that begins with {copies_prefix(memory.recorded.copies)}."


async def _say_vm_is_gone(tools: Tools, vmi: Object, memory: Memory) -> None:
    """The new VM is its user's: it is not made again, but the import does not claim that it runs."""
    before = vmi.get("status") or {}
    message = "The new VM was deleted after the import had ended, so it is not made again."
    told = from_json(before.get("conditions"))
    gone = tuple(
        replace(condition, status=Truth.FALSE, reason="VirtualMachineDeleted", message=message)
        for condition in told
        if condition.type in ("Ready", "VirtualMachineCreated", "VirtualMachineRunning")
    )
    kinds = {condition.type for condition in gone}
    stamped = (*stamp(gone, told, tools.clock()), *(c for c in told if c.type not in kinds))
    after = {**before, "conditions": to_json(stamped, memory.generation)}
    after.pop("newVirtualMachine", None)
    patch = changes(before, after)
    if patch and told and told[0].reason != "VirtualMachineDeleted":
        await write_status(tools, vmi, patch)
        await tools.events.tell(vmi, "VirtualMachineDeleted", message, WARNING)


async def let_go(tools: Tools, vmi: Object, spec: ImportSpec, memory: Memory) -> bool:
    """Whether a deletion has waited long enough for what cannot be undone; then the import is gone."""
    asked, settings = deleted_at(vmi), tools.settings
    patience = settings.let_go_busy if _source_is_at_work(memory) else settings.let_go
    if asked is None or tools.clock() < asked + patience:
        return False
    owed = " The source VM may still be off." if memory.recorded.touched else ""
    if memory.recorded.copies:
        owed += f" {_left_at_source(memory)}"
    minutes = patience.total_seconds() / 60
    message = f"What the import made could not be undone within {minutes:.0f} minutes, so it is let go.{owed}"
    await tools.events.tell(vmi, "CleanupIncomplete", message, WARNING)
    await remove_transfer(tools, spec)
    await remove_finalizer(tools, vmi)
    return True


def _source_is_at_work(memory: Memory) -> bool:
    """Whether what is to be undone at the source waits for something that it does: a copy under way, a task."""
    failing = [memory.recorded.of(step) for step in (Step.RESTORE, Step.SWEEP)]
    return any(tries is not None and tries.failure.reason == SourceBusy.reason for tries in failing)


async def remove_finalizer(tools: Tools, vmi: Object) -> None:
    """Nothing has to be undone any more: it may go."""
    meta = vmi["metadata"]
    rest = [name for name in meta.get("finalizers") or [] if name != FINALIZER]
    await tools.kube.merge(IMPORT, meta["namespace"], meta["name"], {"metadata": {"finalizers": rest}})
