"""What is durably written of a disk, kept beside it. It is written after a flush, never before.

The file ``NAME.ledger`` stands beside ``NAME`` (finished) or ``NAME.part`` (under way). A disk that has its final name
and a ledger that says ``done`` is whole; everything else is not.
"""

import json
import os
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from thresher.model.units import Bytes
from thresher.ports import Checksum, DiskResult
from thresher.transfer.digest import DigestState

_VERSION = 3
_WRITER = uuid.uuid4().hex
"""This process, in the ledgers that it writes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells the bytes of one source from others: a ledger of other bytes is worth nothing.

    Attributes:
        disk: the disk's key in its VM.
        format: how the bytes come.
        size: of the stream, in bytes, or None.
        version: what the source says changes with the content (ETag, time of modification); "" where it is silent.
        checksum: as stated by the source, ``algorithm:hex``; "" where it is silent.
        content: what changes with the disk's data alone, whatever way its bytes come; "" where the source is silent.
    """

    disk: str
    format: str
    size: int | None
    version: str
    checksum: str
    content: str = ""

    @property
    def certain(self) -> bool:
        """Whether other bytes would be noticed."""
        return bool(self.version or self.checksum)

    def contradicts(self, other: "Identity") -> bool:
        """Whether these cannot be the same disk's data; another version alone may be another way to the same ones."""
        sizes = None not in (self.size, other.size) and self.size != other.size
        checksums = bool(self.checksum and other.checksum and self.checksum != other.checksum)
        contents = bool(self.content and other.content and self.content != other.content)
        return self.disk != other.disk or sizes or checksums or contents

    def same_data(self, other: "Identity") -> bool:
        """Whether a disk that was made of the one is surely what would be made of the other."""
        if self.contradicts(other):
            return False
        return bool(self.content and self.content == other.content) or (self == other and self.certain)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a transfer can go on.

    Attributes:
        decoder: what the decoder wrote down to go on with.
        offset: the first byte of the stream that the decoder still needs.
        digest: the checksum's state; None to hash from the stream's first byte.
        data: bytes of data written so far.
    """

    decoder: dict[str, int]
    offset: int
    digest: DigestState | None
    data: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """One disk's ledger: whose bytes, how far, and, at the end, the result; and the process that wrote it."""

    identity: Identity
    resume: Resume | None = None
    result: DiskResult | None = None
    writer: str = _WRITER

    @property
    def ours(self) -> bool:
        """Whether this very process wrote it."""
        return self.writer == _WRITER

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read a ledger; None where there is none, or none that can be believed."""
        try:
            raw = json.loads(path.read_text())
            if raw["version"] != _VERSION:
                return None
            identity, resume, result = (
                Identity(**raw["identity"]),
                _resume(raw.get("resume")),
                _result(raw.get("result")),
            )
            return cls(identity, resume, result, str(raw["writer"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def save(self, path: Path) -> None:
        """Replace the ledger at ``path`` in one step, durably. Raises OSError."""
        part = path.with_name(path.name + ".new")
        try:
            with part.open("w") as handle:
                json.dump({"version": _VERSION} | asdict(self), handle)
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        sync_folder(path.parent)

    def at(self, resume: Resume) -> Self:
        """The same ledger, further on."""
        return replace(self, resume=resume)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _resume(raw: dict[str, Any] | None) -> Resume | None:
    if raw is None:
        return None
    digest = DigestState(**raw["digest"]) if raw["digest"] else None
    decoder = {name: int(value) for name, value in raw["decoder"].items()}
    return Resume(decoder, int(raw["offset"]), digest, int(raw["data"]))


def _result(raw: dict[str, Any] | None) -> DiskResult | None:
    if raw is None:
        return None
    checksum = Checksum(**raw["checksum"]) if raw["checksum"] else None
    return DiskResult(
        Bytes(raw["capacity"]),
        Bytes(raw["data"]),
        Bytes(raw["read"]),
        raw["seconds"],
        tuple(raw["verified"]),
        checksum,
    )
