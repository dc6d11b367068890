"""What to do next. Pure and total: for anything that can be seen there is exactly one action.

Level-triggered: the decision comes from what is seen now, never from what was done before, so after a crash
an import goes on where the world stands. :func:`decide` must be called again after every action.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from thresher.imports.actions import (
    Accept,
    Action,
    CheckSource,
    CleanUp,
    CreateVm,
    Doing,
    Fail,
    FindVm,
    Finish,
    GiveUp,
    Halt,
    Look,
    PowerOff,
    Rest,
    RestorePower,
    RunPreflight,
    ShutDownGuest,
    StartVm,
    SubmitImages,
    Sweep,
    TransferDisks,
    Wait,
)
from thresher.imports.facts import facts_of, findings_of, is_finished, owes_power, preflight_failure
from thresher.imports.observed import DiskState, Failure, ImageState, Observed, Step, TargetState, Tries
from thresher.imports.phases import Phase, phase_of
from thresher.imports.policy import DEFAULT, Policy
from thresher.imports.retries import PUTS_RIGHT, most_tries, next_attempt, next_remake
from thresher.model.errors import BootError, SourceError, TargetError, ThresherError
from thresher.model.spec import ImportSpec
from thresher.model.vm import PowerState

_STALE = "the source VM runs again, so what was copied of it is stale"
_AGAIN_ON = "the source VM is switched on again"
_MINUTES_FROM_S = 120

Decider = Callable[[ImportSpec, Observed, datetime, Policy], Action]


def decide(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy = DEFAULT) -> Action:
    """Choose the next action.

    Args:
        spec: what the user asked for.
        observed: what was seen this time.
        now: the time, from the same clock as the recorded times.
        policy: how patient to be.
    """
    phase = phase_of(facts_of(spec, observed))
    if phase in _SETTLED:
        return _settle(phase, spec, observed, now, policy)
    stopping = phase is Phase.SUSPENDED and observed.moving  # which needs no answer of the source
    if observed.recorded.of(Step.LOOK) is not None and not stopping:
        return _attempt(Look(), spec, observed, now, policy)
    if phase not in (Phase.PENDING, Phase.SUSPENDED):
        if not observed.recorded.accepted:
            return _accept(observed)
        if observed.target.state is TargetState.FOREIGN:
            return _give_up(TargetError(findings_of(spec, observed)[-1].message))
    return _DECIDERS[phase](spec, observed, now, policy)


def _accept(observed: Observed) -> Action:
    if observed.always_off or observed.vm is None:
        return Accept(None)
    return Accept(observed.vm.power if observed.power is None else observed.power)


def _pending(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    if not observed.source_ready:
        return _attempt(CheckSource(), spec, observed, now, policy)
    if observed.vm is None:
        return _attempt(FindVm(), spec, observed, now, policy)
    return _attempt(RunPreflight(), spec, observed, now, policy)


def _valid(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    return _attempt(CheckSource(), spec, observed, now, policy)


def _copying(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    if not observed.is_off:
        return _switch_off(spec, observed, now, policy)
    dead = next((disk.failure for disk in observed.disks if disk.failure and not disk.failure.retryable), None)
    if dead is not None:
        return GiveUp(dead)
    done = {disk.key for disk in observed.disks if disk.state is DiskState.DONE}
    disks = observed.vm.disks if observed.vm is not None else ()
    if any(disk.state is DiskState.RUNNING for disk in observed.disks):
        early = tuple(key for key in _without_image(observed) if key in done)  # it need not wait for the others
        return _attempt(SubmitImages(early), spec, observed, now, policy) if early else Wait("the disks to be copied")
    keys = tuple(disk.key for disk in disks if disk.key not in done)
    return _attempt(TransferDisks(keys), spec, observed, now, policy)


def _switch_off(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    recorded = observed.recorded
    if observed.left_behind:
        return _attempt(CleanUp(_STALE, again=True), spec, observed, now, policy)
    if recorded.power_off_asked is not None:
        return _wait_until_off(spec, recorded.power_off_asked, now, policy)
    if spec.force_power_off or observed.power is PowerState.SUSPENDED:
        return _attempt(PowerOff(), spec, observed, now, policy)
    if recorded.shutdown_asked is None:
        return _attempt(ShutDownGuest(), spec, observed, now, policy)
    due = recorded.shutdown_asked + timedelta(seconds=spec.graceful_shutdown_timeout_s)
    late = now >= due  # a guest that does not obey is switched off (harvester/harvester#8903)
    return _attempt(PowerOff(), spec, observed, now, policy) if late else Wait("the guest to shut down", due)


def _wait_until_off(spec: ImportSpec, asked: datetime, now: datetime, policy: Policy) -> Action:
    due = asked + policy.power_off_wait
    if now < due:
        return Wait("the source VM to be off", due)
    message = f"{spec.vm_name} still runs {policy.power_off_wait.seconds} s after it was switched off. "
    return _give_up(SourceError(message + "Look at its tasks at the source and switch it off there."))


def _exported(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    return _attempt(SubmitImages(_without_image(observed)), spec, observed, now, policy)


def _without_image(observed: Observed) -> tuple[str, ...]:
    made = {image.key for image in observed.images if image.state is not ImageState.ABSENT}
    disks = observed.vm.disks if observed.vm is not None else ()
    return tuple(disk.key for disk in disks if disk.key not in made)


def _submitted(_spec: ImportSpec, _observed: Observed, _now: datetime, _policy: Policy) -> Action:
    return Wait("the images to be imported")


def _image_failed(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    failed = tuple(image for image in observed.images if image.state is ImageState.FAILED)
    unknown = Failure.of(TargetError(f"The image of {failed[0].key} failed without a reason."))
    dead = next((image.failure for image in failed if image.failure and not image.failure.retryable), None)
    if dead is not None:
        return GiveUp(dead)
    remakes = observed.recorded.remakes
    if remakes >= policy.remakes:
        return GiveUp(failed[0].failure or unknown)
    due = next_remake(spec, observed, policy) or now
    if now < due and any(image.since for image in failed):
        return Wait("the failed image to be made again", due)
    keys = tuple(image.key for image in failed)
    return _attempt(SubmitImages(keys, remake=True), spec, observed, now, policy)


def _images_ready(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    return _attempt(CreateVm(), spec, observed, now, policy)


def _created(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    recorded = observed.recorded
    if recorded.start_asked is None:
        return _attempt(StartVm(), spec, observed, now, policy)
    due = recorded.start_asked + policy.boot_wait
    if now < due:
        silent = observed.target.state is TargetState.RUNNING
        return Wait("the new VM's guest agent to connect" if silent else "the new VM to run", due)
    return _give_up(_not_booted(observed, policy.boot_wait))


def _not_booted(observed: Observed, wait: timedelta) -> BootError:
    seconds = int(wait.total_seconds())
    waited = f"{seconds // 60} minutes" if seconds >= _MINUTES_FROM_S else f"{seconds} s"
    if observed.target.state is TargetState.RUNNING:
        return BootError(
            f"The new VM runs, but its guest gave no sign of life within {waited}, which verify: boot asks for: no "
            "guest agent connected. Look at its console. Where the guest is well, install qemu-guest-agent in it, or "
            "import without verify: boot. The new VM is left running, and the source VM off."
        )
    why = observed.target.message or "it gave no reason"
    return BootError(f"The new VM did not run within {waited}: {why}. Look at its console.")


def _suspended(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    """Put the source back as it was found, stop what moves, then rest."""
    if owes_power(observed):
        if observed.vm is None:  # a run that was broken off before it found again what it switched off
            return _pending(spec, observed, now, policy)
        if observed.left_behind:
            return _attempt(CleanUp(_AGAIN_ON), spec, observed, now, policy)
        restore = _restore(spec, observed, now, policy)
        if restore is not None:
            return restore
    elif observed.left_behind and not observed.is_off:
        return _attempt(CleanUp(_STALE), spec, observed, now, policy)
    if observed.moving:
        return _attempt(Halt(), spec, observed, now, policy)
    return _swept(Rest(), spec, observed, now, policy)


_DECIDERS: Mapping[Phase, Decider] = MappingProxyType(
    {
        Phase.PENDING: _pending,
        Phase.VALID: _valid,
        Phase.COPYING: _copying,
        Phase.EXPORTED: _exported,
        Phase.SUBMITTED: _submitted,
        Phase.IMAGE_FAILED: _image_failed,
        Phase.IMAGES_READY: _images_ready,
        Phase.CREATED: _created,
        Phase.SUSPENDED: _suspended,
    }
)
_SETTLED = frozenset(Phase) - _DECIDERS.keys()


def _settle(phase: Phase, spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    """Put right what has to be, then remove what is left at the source, then end."""
    action = _settled(phase, spec, observed, now, policy)
    return _swept(action, spec, observed, now, policy) if isinstance(action, Finish | Fail) else action


def _swept(end: Finish | Fail | Rest, spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    """Remove what is left at the source before ``end``."""
    if not observed.recorded.copies:
        return end
    sweep = _attempt(Sweep(), spec, observed, now, policy)
    return end if isinstance(sweep, GiveUp) else sweep  # the status and the outcome say what is left


def _settled(phase: Phase, spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    if is_finished(spec, observed):
        return Finish()
    failure = observed.recorded.gave_up
    if phase is Phase.INVALID:
        failure = preflight_failure(spec, observed)
    if observed.target.state is TargetState.RUNNING:  # never removed, and never two of them at once
        return Finish() if failure is None or phase is Phase.DELETED else Fail(failure)
    owed = owes_power(observed)
    not_restored = None
    if owed and observed.vm is None:  # a run that was broken off before it found again what it switched off
        action = _pending(spec, observed, now, policy)
        return Fail(failure or action.failure, action.failure) if isinstance(action, GiveUp) else action
    if observed.left_behind and (owed or phase is Phase.DELETED):
        action = _attempt(CleanUp(_why_clean(phase)), spec, observed, now, policy)
        if not isinstance(action, GiveUp):
            return action
        not_restored = action.failure
    if owed and not observed.target.ours:  # the new VM may start by itself: never two of them at once
        restore = _restore(spec, observed, now, policy)
        if restore is not None and not isinstance(restore, GiveUp):
            return restore
        not_restored = not_restored if restore is None else restore.failure
    failure = failure or not_restored
    return Finish() if failure is None else Fail(failure, not_restored)


def _why_clean(phase: Phase) -> str:
    return "the import is deleted" if phase is Phase.DELETED else _AGAIN_ON


def _restore(spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action | None:
    """Switch the source VM on, after a shutdown under way has ended; None when nothing is left to do."""
    recorded = observed.recorded
    if observed.power is not PowerState.ON:
        return _attempt(RestorePower(), spec, observed, now, policy)
    ends = [recorded.power_off_asked + policy.power_off_wait] if recorded.power_off_asked else []
    asked = recorded.shutdown_asked or recorded.touched
    if asked is not None:
        ends.append(asked + timedelta(seconds=spec.graceful_shutdown_timeout_s) + policy.late_shutdown)
    due = max(ends, default=now)
    return Wait("the shutdown under way, to switch the source VM on again", due) if now < due else None


def _give_up(error: ThresherError) -> GiveUp:
    return GiveUp(Failure.of(error))


def _spent(observed: Observed, policy: Policy) -> bool:
    """Whether the import has failed too often in all. What has to be put right afterwards is not bounded by it."""
    ending = observed.recorded.gave_up is not None or observed.deletion_asked
    return observed.recorded.failures >= policy.budget and not ending


def _attempt(action: Doing, spec: ImportSpec, observed: Observed, now: datetime, policy: Policy) -> Action:
    """``action`` if it is its turn, else the wait for it, or giving up."""
    tries: Tries | None = observed.recorded.of(action.step)
    if tries is None:
        return action
    if tries.count >= most_tries(tries, policy):
        return GiveUp(tries.failure)
    if action.step not in PUTS_RIGHT and _spent(observed, policy):
        spent = f"{tries.failure.message} This was failure {observed.recorded.failures} of this import: it gives up."
        return GiveUp(replace(tries.failure, message=spent))
    due = next_attempt(tries, spec, policy)
    return Wait(f"another attempt to {action.step}: {tries.failure.message}", due) if now < due else action
