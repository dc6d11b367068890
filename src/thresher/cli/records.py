"""What a run must not forget, in a file: the facts that cannot be observed again (imports.observed.Recorded)."""

import errno
import os
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from thresher.imports.observed import Recorded
from thresher.model.errors import TargetError, TargetFull
from thresher.model.spec import ImportSpec

_CODEC = TypeAdapter(Recorded)


class RecordFile:
    """One import's record, under ``<folder>/.thresher/``.

    Args:
        folder: the one that VMs are imported into.
        spec: whose record it is.
    """

    def __init__(self, folder: Path, spec: ImportSpec) -> None:
        self._path = folder / ".thresher" / f"{spec.namespace}.{spec.name}.json"

    def load(self) -> Recorded | None:
        """What an earlier run recorded, or None.

        Raises:
            TargetError: it cannot be read. Going on without it could leave a source VM switched off.
        """
        try:
            return _CODEC.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise TargetError(
                f"the record of an earlier run, {self._path}, cannot be read: see that the source VM is as it"
                " should be, then remove the file and run again"
            ) from error

    def save(self, recorded: Recorded) -> None:
        """Replace the record in one step, durably. Raises TargetError."""
        part = self._path.with_suffix(".part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as handle:
                handle.write(_CODEC.dump_json(recorded))
                handle.flush()
                os.fsync(handle.fileno())
            part.replace(self._path)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise TargetFull(
                    f"the disk is full, {self._path} cannot be written: make room and run again"
                ) from error
            raise TargetError(f"{self._path} cannot be written: {error.strerror}; check the folder") from error
