"""What is known of the import now: written to by transfer threads, read by whoever reports."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from thresher.model.failure import Failure
from thresher.model.report import DiskPhase, DiskReport, ImageChecksum, Report, WorkerPhase
from thresher.model.vm import SourceVM
from thresher.ports import DiskResult, Progress

_RATE_WINDOW_S = 1.0
"""A rate over less than this jumps about."""


@dataclass(slots=True)
class _Pace:
    """When the rate of a disk was computed last, and at how many bytes."""

    at: float
    read: int


class Board:
    """Holds the report. Safe for several threads.

    Attributes:
        on_change: called after each change, in the thread that made it, with whether a state changed: what is
            only progress may be told later.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._report = Report(started=datetime.now(UTC))
        self._disks: dict[str, DiskReport] = {}
        self._paces: dict[str, _Pace] = {}
        self.on_change: Callable[[bool], None] = lambda _: None

    def report(self) -> Report:
        """Everything as it is now."""
        now = time.monotonic()
        with self._lock:
            for key in self._disks:
                self._set_rate(key, now)
            return replace(self._report, disks=tuple(self._disks.values()))

    def begins(self, attempt: int) -> None:
        """An attempt begins: what stopped the last one is history."""
        with self._lock:
            self._report = replace(self._report, failure=None, retry_at=None, attempt=attempt)
        self.on_change(True)  # noqa: FBT003 - a callback's only argument

    def found(self, vm: SourceVM) -> None:
        """The VM is found. What is known of its disks stays."""
        with self._lock:
            self._disks = {
                disk.key: self._disks.get(disk.key) or DiskReport(disk.key, capacity=disk.capacity) for disk in vm.disks
            }
        self.on_change(True)  # noqa: FBT003

    def running(self, key: str) -> None:
        """A disk is looked at or transferred."""
        self._change(key, lambda disk: replace(disk, state=DiskPhase.RUNNING, failure=None))

    def progress(self, at: Progress) -> None:
        """A disk got further."""
        with self._lock:
            disk = self._disks[at.disk]
            self._disks[at.disk] = replace(disk, position=at.position, total=at.total, read=at.read)
        self.on_change(False)  # noqa: FBT003

    def done(self, key: str, result: DiskResult, url: str) -> None:
        """A disk is whole and proved, and served at ``url``."""
        checksum = result.checksum
        self._change(
            key,
            lambda disk: replace(
                disk,
                state=DiskPhase.DONE,
                position=result.capacity,
                total=result.capacity,
                read=result.read,
                rate=0,
                capacity=result.capacity,
                data=result.data,
                verified=result.verified,
                checksum=ImageChecksum(checksum.algorithm, checksum.hexdigest) if checksum else None,
                url=url,
                failure=None,
            ),
        )

    def withdrawn(self, key: str) -> None:
        """A disk that was served is no longer: it is transferred anew."""
        self._change(key, lambda disk: replace(disk, url=""))

    def failed(self, key: str, failure: Failure) -> None:
        """A disk could not be finished; it is tried again where that may help."""
        state = DiskPhase.PENDING if failure.retryable else DiskPhase.FAILED
        self._change(key, lambda disk: replace(disk, state=state, rate=0, failure=failure))

    def interrupted(self, key: str) -> None:
        """A disk was stopped because of something else."""
        self._change(key, lambda disk: replace(disk, state=DiskPhase.PENDING, rate=0))

    def waits(self, failure: Failure, retry_at: datetime | None) -> None:
        """An attempt failed; the next begins at ``retry_at``, or when what failed is mended."""
        with self._lock:
            self._report = replace(self._report, failure=failure, retry_at=retry_at)
        self.on_change(True)  # noqa: FBT003

    def is_now(self, phase: WorkerPhase, failure: Failure | None = None) -> None:
        """The worker is in another phase."""
        with self._lock:
            self._report = replace(self._report, phase=phase, failure=failure, retry_at=None)
        self.on_change(True)  # noqa: FBT003

    def _change(self, key: str, change: Callable[[DiskReport], DiskReport]) -> None:
        with self._lock:
            self._disks[key] = change(self._disks[key])
        self.on_change(True)  # noqa: FBT003

    def _set_rate(self, key: str, now: float) -> None:
        disk = self._disks[key]
        if disk.state is not DiskPhase.RUNNING:
            self._paces.pop(key, None)
            return
        pace = self._paces.setdefault(key, _Pace(now, disk.read))
        passed = now - pace.at
        if passed >= _RATE_WINDOW_S:
            rate = max(0, int((disk.read - pace.read) / passed))
            self._disks[key] = replace(disk, rate=rate)
            self._paces[key] = _Pace(now, disk.read)
