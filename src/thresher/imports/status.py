"""The status of an import, derived in this one place from what was seen; also after a failure. Pure.

Conditions follow Kubernetes' API conventions: each is set from the first visit on, has a CamelCase reason
always, and ``Ready`` is the summary. They report, and nothing reads them back but for the time of their last
change.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from thresher.imports.facts import (
    disks_done,
    facts_of,
    findings_of,
    images_ready,
    left_at_source,
    owes_power,
    preflight_failure,
)
from thresher.imports.observed import (
    DiskSeen,
    DiskState,
    Failure,
    ImageSeen,
    ImageState,
    Observed,
    Step,
    TargetState,
)
from thresher.imports.phases import TABLE, Phase, StatusWord, phase_of
from thresher.imports.policy import DEFAULT, Policy
from thresher.imports.retries import retries
from thresher.model.spec import ImportSpec, Verify
from thresher.model.units import Bytes
from thresher.model.vm import Loss, PowerState


class Truth(StrEnum):
    """A condition's status."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition, as Kubernetes has them."""

    type: str
    status: Truth
    reason: str
    message: str = ""
    last_update: datetime | None = None
    last_transition: datetime | None = None


@dataclass(frozen=True, slots=True)
class DiskRow:
    """One row of ``diskImportStatus``.

    Attributes:
        name: the disk's key at the source.
        size: in bytes; None while unknown.
        state: ``pending``, ``running``, ``done`` or ``failed``; then the image's.
        percent: how much of the copy is done.
        image: the name of its VirtualMachineImage; "" before there is one.
        bus: the bus it hung on at the source.
        conditions: what happened to it.
    """

    name: str
    size: Bytes | None
    state: str
    percent: int
    image: str
    bus: str
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """The whole status of an import.

    Attributes:
        phase: where it stands.
        import_status: the word that Harvester's users know.
        message: what it waits for or why it failed, in a sentence.
        percent: how far it is, 0 to 100.
        import_conditions: the condition types of Harvester's add-on.
        conditions: Kubernetes' way, ``Ready`` first.
        disks: one row for each disk, in the VM's order.
        findings: what cannot be carried over, all of it.
    """

    phase: Phase = Phase.PENDING
    import_status: StatusWord = StatusWord.NONE
    message: str = ""
    percent: int = 0
    import_conditions: tuple[Condition, ...] = ()
    conditions: tuple[Condition, ...] = ()
    disks: tuple[DiskRow, ...] = ()
    findings: tuple[Loss, ...] = ()


def derive(
    spec: ImportSpec,
    observed: Observed,
    previous: ImportStatus,
    now: datetime,
    *,
    phase: Phase | None = None,
    policy: Policy = DEFAULT,
) -> ImportStatus:
    """Derive the status.

    Args:
        spec: what was asked for.
        observed: what was seen.
        previous: the last status, for the times of change and a word that stays.
        now: the time.
        phase: a phase that was passed on the way, to be reported as such; None for where the import stands.
        policy: what decides on further attempts.
    """
    at = phase if phase is not None else phase_of(facts_of(spec, observed))
    word = TABLE[at].word
    failure = failure_of(spec, observed, at)
    message = failure.message if failure else f"Waiting for {TABLE[at].waits_for}."
    if TABLE[at].succeeded or at is Phase.DELETED:
        said = TABLE[at].waits_for.removeprefix("nothing: ")
        message = f"{said[:1].upper()}{said[1:]}."
    conditions = (*_conditions(spec, observed, at, failure), _retrying(spec, observed, at, policy))
    return ImportStatus(
        phase=at,
        import_status=previous.import_status if word is None else word,
        message=message,
        percent=_percent(observed, at),
        import_conditions=stamp(_import_conditions(observed, at), previous.import_conditions, now),
        conditions=stamp((*conditions, *_copies(observed)), previous.conditions, now),
        disks=_rows(observed, previous, now),
        findings=findings_of(spec, observed),
    )


def failure_of(spec: ImportSpec, observed: Observed, phase: Phase) -> Failure | None:
    """Why the import failed or what holds it up at present; None where all is well."""
    if TABLE[phase].succeeded or phase is Phase.DELETED:
        return None
    if phase is Phase.INVALID:
        return preflight_failure(spec, observed)
    latest = max(observed.recorded.tries, key=lambda tries: tries.last, default=None)
    if observed.recorded.gave_up is not None and phase is Phase.FAILED:
        return _with_what_is_owed(observed.recorded.gave_up, observed)
    if latest is not None:
        return latest.failure
    return observed.source_failure if not observed.source_ready else None


def _with_what_is_owed(failure: Failure, observed: Observed) -> Failure:
    """Add why the source VM is not yet, or cannot be, as it was found: the user must not have to guess."""
    for step in (Step.CLEAN_UP, Step.RESTORE):
        tries = observed.recorded.of(step)
        if tries is not None:
            owed = f"The source VM is still off: the attempt to {step} failed: {tries.failure.message}"
            return replace(failure, message=f"{failure.message} {owed}")
    return failure


def _conditions(spec: ImportSpec, observed: Observed, phase: Phase, failure: Failure | None) -> tuple[Condition, ...]:
    rule = TABLE[phase]
    if rule.succeeded:
        ready = Condition("Ready", Truth.TRUE, "Imported", "The new VM is as asked for.")
    elif failure is not None:
        ready = Condition("Ready", Truth.FALSE, failure.reason, failure.message)
    else:
        ready = Condition("Ready", Truth.FALSE, phase.value, f"Waiting for {rule.waits_for}.")
    copied = rule.succeeded or observed.target.ours or disks_done(observed)
    ready_images = rule.succeeded or observed.target.ours or images_ready(observed)
    return (
        ready,
        _suspended(observed, phase),
        _source(observed),
        _preflight(observed, phase, failure),
        _of("DisksExported", holds=copied, step=Step.TRANSFER, observed=observed),
        _of("ImagesReady", holds=ready_images, step=Step.SUBMIT, observed=observed),
        _of("VirtualMachineCreated", holds=observed.target.ours, step=Step.CREATE, observed=observed),
        _of(
            "VirtualMachineRunning",
            holds=observed.target.state is TargetState.RUNNING,
            step=Step.START,
            observed=observed,
        ),
        *_alive(spec, observed),
    )


def _of(kind: str, *, holds: bool, step: Step, observed: Observed) -> Condition:
    """A condition that one step brings about."""
    if holds:
        return Condition(kind, Truth.TRUE, "Done")
    tries = observed.recorded.of(step)
    if tries is not None:
        return Condition(kind, Truth.FALSE, tries.failure.reason, tries.failure.message)
    return Condition(kind, Truth.FALSE, "NotYet")


def _source(observed: Observed) -> Condition:
    tries = observed.recorded.of(Step.CHECK)
    failure = tries.failure if tries is not None else observed.source_failure
    if observed.source_ready:
        return Condition("SourceReady", Truth.TRUE, "Reachable")
    if failure is not None:
        return Condition("SourceReady", Truth.FALSE, failure.reason, failure.message)
    return Condition("SourceReady", Truth.UNKNOWN, "NotLookedAt")


def _retrying(spec: ImportSpec, observed: Observed, phase: Phase, policy: Policy) -> Condition:
    """What is tried again, why, how often and when next."""
    said = () if TABLE[phase].terminal or observed.recorded.gave_up else retries(spec, observed, policy)
    if not said:
        return Condition("Retrying", Truth.FALSE, "NothingFailed")
    spent = f"{observed.recorded.failures} of {policy.budget} failures that this import may have."
    return Condition("Retrying", Truth.TRUE, "AttemptFailed", " ".join([*said, spent]))


def _suspended(observed: Observed, phase: Phase) -> Condition:
    if phase is not Phase.SUSPENDED:
        return Condition("Suspended", Truth.FALSE, "NotAsked")
    if observed.moving or owes_power(observed):
        message = "What moves is being stopped, and the source VM put back as it was found."
        return Condition("Suspended", Truth.FALSE, "Suspending", message)
    message = "Nothing moves, and the source VM is as it was found. Set spec.suspend to false to go on."
    return Condition("Suspended", Truth.TRUE, "Suspended", message)


def _alive(spec: ImportSpec, observed: Observed) -> tuple[Condition, ...]:
    """Whether the guest gave a sign of life, where that is asked for and the target can tell."""
    alive = observed.target.alive
    if spec.verify is not Verify.BOOT or alive is None:
        return ()
    if alive:
        return (Condition("GuestAlive", Truth.TRUE, "AgentConnected"),)
    return (Condition("GuestAlive", Truth.FALSE, "NoSignOfLife", "No guest agent has connected yet."),)


def _copies(observed: Observed) -> tuple[Condition, ...]:
    """Whether copies that were made at the source are removed; nothing where none are there."""
    if not observed.recorded.copies:
        return ()
    left = left_at_source(observed)
    if left is not None:
        return (Condition("CopiesRemoved", Truth.FALSE, left.reason, left.message),)
    return (Condition("CopiesRemoved", Truth.FALSE, "NotYet"),)


def _preflight(observed: Observed, phase: Phase, failure: Failure | None) -> Condition:
    if phase is Phase.INVALID and failure is not None:
        return Condition("PreflightPassed", Truth.FALSE, failure.reason, failure.message)
    if phase is Phase.PENDING or (not observed.recorded.accepted and phase is Phase.SUSPENDED):
        return Condition("PreflightPassed", Truth.UNKNOWN, "NotChecked")
    found = len(observed.findings or ())
    return Condition("PreflightPassed", Truth.TRUE, "Passed", f"{found} findings, none of them in the way.")


def _import_conditions(observed: Observed, phase: Phase) -> tuple[Condition, ...]:
    """The condition types that Harvester's add-on uses, each only once it has a meaning."""
    recorded = observed.recorded
    found: list[Condition] = []

    def tell(kind: str, reason: str, *, when: bool, message: str = "") -> None:
        if when:
            found.append(Condition(kind, Truth.TRUE, reason, message))

    tell("VMShutdownGuest", "Asked", when=recorded.shutdown_asked is not None)
    tell("VMPoweringOff", "Asked", when=recorded.power_off_asked is not None)
    was_on = recorded.power_when_found not in (None, PowerState.OFF)
    tell("VMPoweredOff", "Off", when=was_on and observed.is_off and recorded.touched is not None)
    tell("VMExported", "Copied", when=disks_done(observed))
    tries = recorded.of(Step.TRANSFER)
    if tries is not None:
        tell("VMExportFailed", tries.failure.reason, when=True, message=tries.failure.message)
    images = observed.images
    submitted = bool(images) and all(image.state is not ImageState.ABSENT for image in images)
    tell("VirtualMachineImageSubmitted", "Submitted", when=submitted)
    tell("VirtualMachineImageReady", "Imported", when=bool(images) and images_ready(observed))
    for image in images:
        if image.state is ImageState.FAILED and phase is not Phase.DELETED:
            why = image.failure
            tell(
                "VirtualMachineImageFailed",
                why.reason if why else "Unknown",
                when=True,
                message=why.message if why else image.name,
            )
            break  # one condition of a type; every row of diskImportStatus has its own
    return tuple(found)


def _rows(observed: Observed, previous: ImportStatus, now: datetime) -> tuple[DiskRow, ...]:
    disks = {disk.key: disk for disk in observed.disks}
    images = {image.key: image for image in observed.images}
    before = {row.name: row.conditions for row in previous.disks}
    rows = []
    for disk in observed.vm.disks if observed.vm is not None else ():
        copy = disks.get(disk.key, DiskSeen(disk.key))
        image = images.get(disk.key, ImageSeen(disk.key))
        imaged = copy.state is DiskState.DONE and image.state is not ImageState.ABSENT
        rows.append(
            DiskRow(
                name=disk.key,
                size=disk.capacity if disk.capacity is not None else copy.total,
                state=image.state.value if imaged else copy.state.value,
                percent=round(100 * _copied(copy)),
                image=image.name,
                bus=disk.bus.value,
                conditions=stamp(_disk_conditions(copy, image), before.get(disk.key, ()), now),
            )
        )
    return tuple(rows)


def _disk_conditions(copy: DiskSeen, image: ImageSeen) -> tuple[Condition, ...]:
    found: list[Condition] = []
    if copy.failure is not None:
        found.append(Condition("VMExportFailed", Truth.TRUE, copy.failure.reason, copy.failure.message))
    elif copy.state is DiskState.DONE:
        found.append(Condition("VMExported", Truth.TRUE, "Copied"))
    if image.failure is not None:
        why = image.failure
        found.append(Condition("VirtualMachineImageFailed", Truth.TRUE, why.reason, why.message))
    elif image.state is ImageState.READY:
        found.append(Condition("VirtualMachineImageReady", Truth.TRUE, "Imported"))
    return tuple(found)


def _copied(disk: DiskSeen) -> float:
    if disk.state is DiskState.DONE:
        return 1.0
    return min(disk.position / disk.total, 1.0) if disk.total else 0.0


def _share(parts: tuple[float, ...]) -> float:
    return sum(parts) / len(parts) if parts else 0.0


_COPY, _IMAGES, _CREATED = 80, 15, 98
"""Parts of a whole import in percent: copying takes nearly all of it. The last 2 are for the boot."""


def _percent(observed: Observed, phase: Phase) -> int:
    if TABLE[phase].succeeded:
        return 100
    if observed.target.ours:
        return _CREATED
    images = tuple(1.0 if i.state is ImageState.READY else i.percent / 100 for i in observed.images)
    copies = tuple(_copied(disk) for disk in observed.disks)
    return int(_COPY * _share(copies) + _IMAGES * _share(images))


def stamp(found: tuple[Condition, ...], before: tuple[Condition, ...], now: datetime) -> tuple[Condition, ...]:
    """Give each condition its times: the transition's only where its status changed."""
    known = {condition.type: condition for condition in before}
    return tuple(_stamped(condition, known.get(condition.type), now) for condition in found)


def _stamped(new: Condition, old: Condition | None, now: datetime) -> Condition:
    if old is None or old.status is not new.status:
        return replace(new, last_update=now, last_transition=now)
    same = (old.reason, old.message) == (new.reason, new.message)
    return replace(new, last_update=old.last_update if same else now, last_transition=old.last_transition)
