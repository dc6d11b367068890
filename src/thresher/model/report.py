"""What a worker says of its import, and how it is written down: the operator reads it from a ConfigMap.

The document is JSON. Fields that a reader does not know are passed over and absent ones have their default, so that
worker and operator need not be of the same release.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

from thresher.model.errors import Fault, FormatError
from thresher.model.failure import Failure
from thresher.model.units import Bytes

VERSION = 1
NOTHING = Bytes(0)


class WorkerPhase(StrEnum):
    """How far a worker is."""

    EXPORTING = "exporting"
    SERVING = "serving"
    DONE = "done"
    FAILED = "failed"


class DiskPhase(StrEnum):
    """How far one disk is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImageChecksum:
    """The checksum of a whole RAW image: hashlib's name of the algorithm, and the digits in lower case."""

    algorithm: str
    hexdigest: str


@dataclass(frozen=True, slots=True)
class DiskReport:
    """One disk of the import, in the order of the VM's description.

    Attributes:
        key: the disk's key at the source.
        state: how far it is.
        position: bytes that are behind us.
        total: out of how many; None where unknown.
        read: bytes that crossed the wire in this run of the worker's current attempt.
        rate: bytes a second that cross it now.
        capacity: its size in bytes; None where not yet known.
        data: bytes written of a finished disk; the rest are holes.
        verified: what was proved of a finished disk, in words.
        checksum: of the whole image, where it was asked for.
        url: where the finished image is served; "" before.
        failure: why it failed last; None while nothing is wrong.
    """

    key: str
    state: DiskPhase = DiskPhase.PENDING
    position: Bytes = NOTHING
    total: Bytes | None = None
    read: Bytes = NOTHING
    rate: int = 0
    capacity: Bytes | None = None
    data: Bytes = NOTHING
    verified: tuple[str, ...] = ()
    checksum: ImageChecksum | None = None
    url: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a worker knows of its import.

    Attributes:
        started: when this run of the worker began, with its time zone.
        phase: how far it is.
        disks: empty until the VM is found.
        failure: why the last attempt failed; None while nothing is wrong.
        retry_at: when the next attempt begins, where one is waited for.
        attempt: which attempt this is, or the last one was, from 1.
    """

    started: datetime
    phase: WorkerPhase = WorkerPhase.EXPORTING
    disks: tuple[DiskReport, ...] = ()
    failure: Failure | None = None
    retry_at: datetime | None = None
    attempt: int = 1

    def to_json(self) -> str:
        """Write it down, on one line."""
        return json.dumps({"version": VERSION} | asdict(self), default=_plain)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Report":
        """Read what :meth:`to_json` wrote.

        Raises:
            FormatError: it is no report, or one of a version that this release cannot read.
        """
        try:
            return _report(json.loads(text))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FormatError(
                f"the worker's report cannot be read ({type(error).__name__}: {error}): see that operator and worker"
                " are of the same release"
            ) from error


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return str(value.value)
    raise TypeError(f"{type(value).__name__} has no place in a report")


def _report(raw: Mapping[str, Any]) -> Report:
    if raw["version"] != VERSION:
        raise ValueError(f"version {raw['version']!r} is not {VERSION}")
    return Report(
        started=_time(raw["started"]),
        phase=WorkerPhase(raw["phase"]),
        disks=tuple(_disk(disk) for disk in raw.get("disks", ())),
        failure=_failure(raw.get("failure")),
        retry_at=_time(raw["retry_at"]) if raw.get("retry_at") else None,
        attempt=int(raw.get("attempt", 1)),
    )


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {text!r} has no time zone")
    return moment


def _disk(raw: Mapping[str, Any]) -> DiskReport:
    checksum = raw.get("checksum")
    return DiskReport(
        key=str(raw["key"]),
        state=DiskPhase(raw["state"]),
        position=_count(raw.get("position")),
        total=_known(raw.get("total")),
        read=_count(raw.get("read")),
        rate=_count(raw.get("rate")),
        capacity=_known(raw.get("capacity")),
        data=_count(raw.get("data")),
        verified=tuple(str(word) for word in raw.get("verified", ())),
        checksum=ImageChecksum(str(checksum["algorithm"]), str(checksum["hexdigest"])) if checksum else None,
        url=str(raw.get("url", "")),
        failure=_failure(raw.get("failure")),
    )


def _count(value: int | None) -> Bytes:
    return Bytes(int(value or 0))


def _known(value: int | None) -> Bytes | None:
    return None if value is None else Bytes(int(value))


def _failure(raw: Mapping[str, Any] | None) -> Failure | None:
    if raw is None:
        return None
    return Failure(
        reason=str(raw["reason"]),
        message=str(raw["message"]),
        retryable=bool(raw.get("retryable", False)),
        fault=Fault(raw.get("fault", Fault.THRESHER.value)),
        exit_code=int(raw.get("exit_code", 1)),
    )
