"""What a run of an import is given, and what it gives back."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from thresher.imports.observed import Failure, Recorded
from thresher.imports.status import ImportStatus
from thresher.model.vm import SourceVM
from thresher.ports import Discard, DiskResult, Leftovers, Power, Preflight, ProgressSink, Source, Target, Transfer


@dataclass(frozen=True, slots=True)
class Ports:
    """What an import is driven through.

    Attributes:
        source: where the VM comes from.
        transfer: what moves the disks.
        target: where the VM goes to.
        power: None for a source whose VMs are always off.
        preflight: None where the target has nothing to say beforehand.
        discard: needed with ``power``: copies of a VM that runs again are stale.
        leftovers: None for a source where exports leave nothing.
    """

    source: Source
    transfer: Transfer
    target: Target
    power: Power | None = None
    preflight: Preflight | None = None
    discard: Discard | None = None
    leftovers: Leftovers | None = None

    def __post_init__(self) -> None:
        if self.power is not None and self.discard is None:
            raise ValueError("a source with power needs a target that can discard what has become stale")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _unheard(_: object) -> None:
    """What nobody listens to."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """How a run is heard and timed.

    Attributes:
        on_status: called with each new status, on the event loop.
        on_progress: called from transfer threads, a few times a second for each disk.
        on_record: called when what cannot be observed again changed, before anything depends on it; whoever
            wants runs to survive a crash stores it and hands it to the next run. Where it raises a ThresherError
            the run is ended, and the source VM switched on again whether or not that can be stored.
        clock: the time.
        sleep: waits so many seconds.
    """

    on_status: Callable[[ImportStatus], None] = _unheard
    on_progress: ProgressSink = _unheard
    on_record: Callable[[Recorded], None] = _unheard
    clock: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: the last status.
        vm: the source VM, where it was found.
        results: what each disk's transfer proved, by the disk's key.
        failure: why it failed; None where it did what was asked.
        left: why copies may be left at the source, whatever became of the import itself; None where none are.
        not_restored: why the source VM, which ran before, could not be switched on again; None where nothing is owed.
    """

    status: ImportStatus
    vm: SourceVM | None
    results: dict[str, DiskResult]
    failure: Failure | None = None
    left: Failure | None = None
    not_restored: Failure | None = None
