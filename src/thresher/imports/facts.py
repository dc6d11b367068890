"""From what was seen to the facts that the table of phases knows. Purely computational.

Disks and images are always summarised by content: all of them, or any of them, never the first or the last.
"""

from dataclasses import replace

from thresher.imports.observed import DiskState, Failure, ImageState, Observed, Step, TargetState
from thresher.imports.phases import Fact
from thresher.imports.strategy import effective_run_strategy, shall_run
from thresher.model.errors import PreflightError
from thresher.model.naming import copies_prefix
from thresher.model.spec import ImportSpec, RunStrategy, Verify
from thresher.model.vm import Loss, PowerState, Severity

NAME_TAKEN = "NameTaken"
SUSPENDED = "SuspendedVm"
NEVER_SKIPPED = frozenset({NAME_TAKEN, SUSPENDED})
"""Findings that ``skipPreflightChecks`` does not turn into warnings: going on would touch what is not ours,
or destroy memory that nothing can bring back."""


def facts_of(spec: ImportSpec, observed: Observed) -> frozenset[Fact]:
    """Every fact that holds."""
    ours = observed.target.ours
    checked = observed.vm is not None and (observed.recorded.accepted or observed.findings is not None)
    blocked = not observed.recorded.accepted and bool(blockers(spec, observed))
    copied = disks_done(observed) or images_ready(observed)
    images = _image_states(observed)
    facts = {
        Fact.CHECKS_PASSED: checked and not blocked,
        Fact.CHECKS_FAILED: checked and blocked,
        Fact.SOURCE_READY: ours or copied or observed.source_ready,
        Fact.DISKS_DONE: ours or (copied and observed.is_off),
        Fact.IMAGES_SUBMITTED: ours or (bool(images) and ImageState.ABSENT not in images),
        Fact.IMAGE_FAILED: not ours and ImageState.FAILED in images,
        Fact.IMAGES_READY: ours or images_ready(observed),
        Fact.VM_EXISTS: ours,
        Fact.VM_RUNS: _runs_as_asked(spec, observed),
        Fact.SHALL_NOT_RUN: not shall_start(spec, observed),
        Fact.GAVE_UP: observed.recorded.gave_up is not None,
        Fact.DELETION_ASKED: observed.deletion_asked,
        Fact.SUSPENSION_ASKED: _suspension_asked(spec, observed),
    }
    return frozenset(fact for fact, holds in facts.items() if holds)


def _suspension_asked(spec: ImportSpec, observed: Observed) -> bool:
    """Whether the import is to rest; one whose new VM runs has nothing to rest from."""
    running = observed.target.state is TargetState.RUNNING
    return spec.suspend and not running and not is_finished(spec, observed)


def strategy_of(spec: ImportSpec, observed: Observed) -> RunStrategy:
    """The run strategy that holds for this import."""
    power = observed.recorded.power_when_found
    if power is None and observed.vm is not None:
        power = observed.vm.power
    return effective_run_strategy(spec, power, always_off=observed.always_off)


def shall_start(spec: ImportSpec, observed: Observed) -> bool:
    """Whether the import is finished only when the new VM runs; else once it exists."""
    return spec.start if spec.start is not None else shall_run(strategy_of(spec, observed))


def is_finished(spec: ImportSpec, observed: Observed) -> bool:
    """Whether the new VM is as asked for. From when it runs it belongs to the user and is never removed."""
    if observed.target.state is TargetState.RUNNING:
        return _runs_as_asked(spec, observed)
    return observed.target.ours and not shall_start(spec, observed)


def _runs_as_asked(spec: ImportSpec, observed: Observed) -> bool:
    """Whether the new VM runs, and its guest gave the sign of life that ``verify: boot`` asks for."""
    silent = spec.verify is Verify.BOOT and observed.target.alive is False
    return observed.target.state is TargetState.RUNNING and not silent


def owes_power(observed: Observed) -> bool:
    """Whether the source VM ran when it was found, and we had a hand in its not running now."""
    recorded = observed.recorded
    return recorded.touched is not None and recorded.power_when_found is PowerState.ON


def findings_of(spec: ImportSpec, observed: Observed) -> tuple[Loss, ...]:
    """Every finding: those of the source and the target, and those that follow from what was seen."""
    found = observed.findings or ()
    if observed.target.state is TargetState.FOREIGN:
        message = (
            "A VM of this name is already there and does not belong to this import. "
            "It is left alone: choose another name with targetName, or remove it."
        )
        found += (Loss(NAME_TAKEN, f"the new VM of {spec.vm_name}", message, Severity.BLOCKER),)
    if observed.power is PowerState.SUSPENDED and not spec.force_power_off:
        message = (
            "The VM is suspended, and its memory cannot be carried over. "
            "Resume it and shut it down, or set forcePowerOff to lose what it holds in memory."
        )
        found += (Loss(SUSPENDED, spec.vm_name, message, Severity.BLOCKER),)
    return found


def blockers(spec: ImportSpec, observed: Observed) -> tuple[Loss, ...]:
    """The findings that stop this import, after what ``skipPreflightChecks`` may forgive."""
    return tuple(
        loss
        for loss in findings_of(spec, observed)
        if loss.severity is Severity.BLOCKER and (not spec.skip_preflight or loss.rule in NEVER_SKIPPED)
    )


def preflight_failure(spec: ImportSpec, observed: Observed) -> Failure:
    """All blockers in one failure, so that the user mends them in one go."""
    found = blockers(spec, observed)
    lines = [f"{loss.rule}: {loss.subject}: {loss.message}" for loss in found]
    return Failure.of(PreflightError("Nothing was touched, because " + " ".join(lines)))


def left_at_source(observed: Observed) -> Failure | None:
    """Why copies may be left at the source, and how to tell them from what is not ours; None where none are."""
    tries, owner = observed.recorded.of(Step.SWEEP), observed.recorded.copies
    if tries is None or not owner:
        return None
    look = f"Whatever is left at the source has a name that begins with {copies_prefix(owner)}: remove it there."
    return replace(tries.failure, message=f"{tries.failure.message} {look}")


def disks_done(observed: Observed) -> bool:
    """Whether every disk of the VM is copied and proved. A VM without disks has nothing to wait for."""
    if observed.vm is None:
        return False
    done = {disk.key for disk in observed.disks if disk.state is DiskState.DONE}
    spoiled = {disk.key for disk in observed.disks if disk.state is not DiskState.DONE}
    return {disk.key for disk in observed.vm.disks} <= done - spoiled


def images_ready(observed: Observed) -> bool:
    """Whether every disk of the VM has a finished image."""
    states = _image_states(observed)
    return bool(states) and states == {ImageState.READY}


def _image_states(observed: Observed) -> frozenset[ImageState]:
    """The states of the VM's images; a disk without an image counts as one that is absent."""
    if observed.vm is None:
        return frozenset()
    seen = {image.key: image.state for image in observed.images}
    states = {seen.get(disk.key, ImageState.ABSENT) for disk in observed.vm.disks}
    return frozenset(states or {ImageState.READY})
