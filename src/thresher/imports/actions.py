"""What an import may do next, as frozen values. A driver carries one out; it never chooses."""

from dataclasses import dataclass
from datetime import datetime

from thresher.imports.observed import Failure, Step
from thresher.model.vm import PowerState


@dataclass(frozen=True, slots=True)
class Look:
    """Look at the world again after a look that failed."""

    step = Step.LOOK


@dataclass(frozen=True, slots=True)
class CheckSource:
    """Reach the source and prove the credentials."""

    step = Step.CHECK


@dataclass(frozen=True, slots=True)
class FindVm:
    """Find the source VM."""

    step = Step.FIND


@dataclass(frozen=True, slots=True)
class RunPreflight:
    """Collect every finding about the VM and the target."""

    step = Step.PREFLIGHT


@dataclass(frozen=True, slots=True)
class ShutDownGuest:
    """Ask the guest to shut down. ``touched`` is recorded before, ``shutdown_asked`` after."""

    step = Step.SHUT_DOWN


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Switch the source VM off. ``touched`` is recorded before, ``power_off_asked`` after."""

    step = Step.POWER_OFF


@dataclass(frozen=True, slots=True)
class TransferDisks:
    """Copy these disks, going on where they stopped."""

    keys: tuple[str, ...]
    step = Step.TRANSFER


@dataclass(frozen=True, slots=True)
class SubmitImages:
    """Make the images of these disks; failed ones among them are removed first.

    Attributes:
        keys: the disks.
        remake: whether these failed before; a remake is counted.
    """

    keys: tuple[str, ...]
    remake: bool = False
    step = Step.SUBMIT


@dataclass(frozen=True, slots=True)
class CreateVm:
    """Create the new VM."""

    step = Step.CREATE


@dataclass(frozen=True, slots=True)
class StartVm:
    """Start the new VM. ``start_asked`` is recorded after."""

    step = Step.START


@dataclass(frozen=True, slots=True)
class CleanUp:
    """Remove what the import made at the target: it is stale, or not wanted any more.

    Attributes:
        why: completes the sentence "removed because ...".
        again: whether the copy starts anew afterwards, and the source VM has to be asked again to be off.
    """

    why: str
    again: bool = False
    step = Step.CLEAN_UP


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop what moves, and keep what saves work: the import is suspended. A VM that does not run yet is removed."""

    step = Step.HALT


@dataclass(frozen=True, slots=True)
class RestorePower:
    """Switch the source VM on again."""

    step = Step.RESTORE


@dataclass(frozen=True, slots=True)
class Sweep:
    """Remove what exports left at the source. ``copies`` is forgotten after."""

    step = Step.SWEEP


@dataclass(frozen=True, slots=True)
class Accept:
    """Record that the checks passed, and the source VM's power state before anything is touched."""

    power: PowerState | None


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Record that the import failed, and why; what has to be put right follows."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until then, or until something changes.

    Attributes:
        why: completes the sentence "waiting for ...".
        until: when a decision is due at the latest; None where only a change can help.
    """

    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing moves and the source is as it was found; what it was asked is forgotten. Only the spec can go on."""


@dataclass(frozen=True, slots=True)
class Finish:
    """It is done: the new VM is as asked for, or all that was to be undone is undone."""


@dataclass(frozen=True, slots=True)
class Fail:
    """It is over.

    Attributes:
        failure: why.
        not_restored: why the source could not be left as it was found; None where it was.
    """

    failure: Failure
    not_restored: Failure | None = None


Doing = (
    Look
    | CheckSource
    | FindVm
    | RunPreflight
    | ShutDownGuest
    | PowerOff
    | TransferDisks
    | SubmitImages
    | CreateVm
    | StartVm
    | CleanUp
    | Halt
    | RestorePower
    | Sweep
)
"""Actions that reach out of the process. Each can fail, and is counted under its ``step``."""

Action = Doing | Accept | GiveUp | Wait | Rest | Finish | Fail
