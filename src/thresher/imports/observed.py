"""What was seen in the world, as frozen facts: the input of every decision.

Almost everything here can be looked at again. The few facts that cannot are in :class:`Recorded`; they have
to survive a restart.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from thresher.model.failure import Failure
from thresher.model.units import Bytes
from thresher.model.vm import Loss, PowerState, SourceVM

__all__ = [
    "NOTHING",
    "DiskSeen",
    "DiskState",
    "Failure",
    "ImageSeen",
    "ImageState",
    "Observed",
    "Recorded",
    "Retry",
    "Step",
    "TargetSeen",
    "TargetState",
    "Tries",
]

NOTHING = Bytes(0)


class Step(StrEnum):
    """What can fail and be tried again, each with its own count."""

    LOOK = "look"
    CHECK = "check"
    FIND = "find"
    PREFLIGHT = "preflight"
    SHUT_DOWN = "shut down"
    POWER_OFF = "power off"
    TRANSFER = "transfer"
    SUBMIT = "submit"
    CREATE = "create"
    START = "start"
    CLEAN_UP = "clean up"
    HALT = "halt"
    RESTORE = "restore"
    SWEEP = "sweep"


class DiskState(StrEnum):
    """How far the copy of a disk is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DiskSeen:
    """The copy of one disk.

    Attributes:
        key: the disk's key at the source.
        state: how far it is.
        begun: whether anything of it is written, by this run or an earlier one.
        position: bytes that are behind us.
        total: out of how many; None where unknown.
        failure: why it failed.
    """

    key: str
    state: DiskState = DiskState.PENDING
    begun: bool = False
    position: Bytes = NOTHING
    total: Bytes | None = None
    failure: Failure | None = None


class ImageState(StrEnum):
    """How far the image of a disk is at the target."""

    ABSENT = "absent"
    SUBMITTED = "submitted"
    IMPORTING = "importing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImageSeen:
    """The image made of one disk.

    Attributes:
        key: the disk's key at the source.
        state: how far it is.
        name: the image's name at the target; "" where there is none.
        percent: 0 to 100, as the target states it.
        failure: why it failed.
        since: when it failed, which is what the back-off counts from.
    """

    key: str
    state: ImageState = ImageState.ABSENT
    name: str = ""
    percent: int = 0
    failure: Failure | None = None
    since: datetime | None = None


class TargetState(StrEnum):
    """What is at the target under the new VM's name."""

    ABSENT = "absent"
    CREATED = "created"
    RUNNING = "running"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class TargetSeen:
    """The new VM, or a stranger of its name.

    Attributes:
        state: what is there.
        message: why it does not run, in the target's words.
        alive: whether its guest gave a sign of life; None where the target cannot tell.
    """

    state: TargetState = TargetState.ABSENT
    message: str = ""
    alive: bool | None = None

    @property
    def ours(self) -> bool:
        """Whether the VM of this import is there."""
        return self.state in (TargetState.CREATED, TargetState.RUNNING)


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a step failed since it last succeeded or got further."""

    step: Step
    count: int
    last: datetime
    failure: Failure


@dataclass(frozen=True, slots=True)
class Recorded:
    """What cannot be observed again. Kept in a file or in the import's status, not in conditions.

    Attributes:
        accepted: the checks passed; from here on they are behind us, and things may be touched.
        power_when_found: the source VM's power state before anything was touched.
        touched: when we first laid hands on the source VM's power, written down before we do, so that a crash
            cannot hide it; None once it is restored.
        shutdown_asked: when the guest was asked to shut down; written down afterwards, so that a crash only
            makes us ask again.
        power_off_asked: when the source VM was switched off; likewise.
        start_asked: when the new VM was started.
        copies: whose copies of the disks the source may hold, as it was given to :meth:`thresher.ports.Source.export`;
            written down before the first can be made, so that a crash cannot hide them. "" where there are none.
        remakes: how many times failed images were made again.
        failures: of all steps together; what the import's budget is spent on.
        tries: the steps that fail at present.
        gave_up: why the import gave up; it stays given up, whatever is cleaned up afterwards.
    """

    accepted: bool = False
    power_when_found: PowerState | None = None
    touched: datetime | None = None
    shutdown_asked: datetime | None = None
    power_off_asked: datetime | None = None
    start_asked: datetime | None = None
    copies: str = ""
    remakes: int = 0
    failures: int = 0
    tries: tuple[Tries, ...] = ()
    gave_up: Failure | None = None

    def of(self, step: Step) -> Tries | None:
        """How ``step`` fails at present, or None."""
        return next((tries for tries in self.tries if tries.step is step), None)

    def failed(self, step: Step, failure: Failure, now: datetime, *, got_further: bool = False) -> "Recorded":
        """Count a failure of ``step``; the count begins anew where it got further than before."""
        before = self.of(step)
        count = 1 if before is None or got_further else before.count + 1
        others = tuple(tries for tries in self.tries if tries.step is not step)
        spent = self.failures if got_further else self.failures + 1
        return replace(self, tries=(*others, Tries(step, count, now, failure)), failures=spent)

    def succeeded(self, step: Step) -> "Recorded":
        """Forget the failures of ``step``."""
        return replace(self, tries=tuple(tries for tries in self.tries if tries.step is not step))

    def begin_again(self) -> "Recorded":
        """The source VM runs although it was off: what it was asked before does not count any more."""
        return replace(self, shutdown_asked=None, power_off_asked=None)

    def restored(self) -> "Recorded":
        """The source VM is as it was found: nothing is owed to it any more."""
        return replace(self, touched=None, shutdown_asked=None, power_off_asked=None)

    def rested(self) -> "Recorded":
        """The import is suspended and the source VM as it was found: it goes on as if it had not been touched."""
        return replace(self.restored(), start_asked=None, tries=(), failures=0)

    def swept(self) -> "Recorded":
        """The source holds no copies any more."""
        return replace(self, copies="")

    def another_run(self) -> "Recorded":
        """The user starts again: failures are forgiven, what was done to the source VM is not forgotten."""
        return replace(self, accepted=False, tries=(), gave_up=None, remakes=0, failures=0, start_asked=None)

    def accept(self, power: PowerState | None) -> "Recorded":
        """The checks passed. The power state is kept where an earlier run already touched it."""
        return replace(self, accepted=True, power_when_found=self.power_when_found if self.touched else power)


@dataclass(frozen=True, slots=True)
class Retry:
    """What is tried again by somebody else than who decides: a worker.

    Attributes:
        what: completes the sentence "trying again to ...".
        attempt: which attempt failed, from 1.
        failure: why.
        due: when the next one begins; None where it has begun, or waits for a change.
    """

    what: str
    attempt: int
    failure: Failure
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen this time.

    Attributes:
        source_ready: whether the source answered with valid credentials.
        source_failure: why not, where that was seen.
        always_off: a source whose VMs have no power state, as an OVA: they are off by nature.
        vm: the source VM; None until it is found.
        findings: everything that would be lost or cannot work; None until all checks have run.
        power: the source VM's power state now; None where there is none or it was not looked at.
        disks: the copies, one for each disk of the VM, in any order.
        images: the images, one for each disk of the VM, in any order.
        target: what is there under the new VM's name.
        deletion_asked: whether the import is to be undone.
        retry: what a worker tries again at present.
        moving: whether anything outside this process moves the import on: a worker, or an image that is imported.
        recorded: what cannot be observed again.
    """

    source_ready: bool = False
    source_failure: Failure | None = None
    always_off: bool = False
    vm: SourceVM | None = None
    findings: tuple[Loss, ...] | None = None
    power: PowerState | None = None
    disks: tuple[DiskSeen, ...] = ()
    images: tuple[ImageSeen, ...] = ()
    target: TargetSeen = TargetSeen()
    deletion_asked: bool = False
    moving: bool = False
    retry: Retry | None = None
    recorded: Recorded = field(default_factory=Recorded)

    @property
    def is_off(self) -> bool:
        """Whether the source VM's disks hold still."""
        return self.power in (None, PowerState.OFF)

    @property
    def left_behind(self) -> bool:
        """Whether the import made anything at the target."""
        copied = any(disk.begun or disk.state is not DiskState.PENDING for disk in self.disks)
        return copied or self.target.ours or any(i.state is not ImageState.ABSENT for i in self.images)
