"""The scratch volume: where disks lie, how much room there is, and what to say when there is none."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from thresher.model.errors import TargetError, TargetFull
from thresher.model.units import MIB, SECTOR, human
from thresher.model.vm import SourceVM

ENOUGH_TO_BEGIN = 4 * MIB
"""With less room than this a transfer is not begun: it would end at once, and begin again for ever."""
_GROWTH = 16 * MIB
"""A volume that has so much more room than when it was full was enlarged, or tidied."""


class Scratch:
    """One import's folder on the scratch volume.

    Args:
        volume: where the volume is mounted.
        uid: of the import, whose disks meet no others.
        volumes: where disks are written in place, by their keys; the scratch volume has no more than their ledgers.
            None where the disks themselves lie on it.

    Raises:
        TargetError: nothing can be written there.
    """

    def __init__(self, volume: Path, uid: str, volumes: Mapping[str, Path] | None = None) -> None:
        self._folder = volume / uid
        self._volumes = volumes
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TargetError(
                f"the scratch folder {self._folder} cannot be made: {error.strerror}; check the volume's permissions"
            ) from error
        self._free_when_full = 0

    @property
    def ledgers(self) -> Path | None:
        """Where the ledgers of volumes are kept; None where a disk has its ledger beside it."""
        return self._folder if self._volumes is not None else None

    def path(self, key: str) -> Path:
        """Where a disk is written. The name comes from its key: its place among the others may change.

        Raises:
            TargetError: it should be written to a volume, but has none.
        """
        if self._volumes is not None:
            if key not in self._volumes:
                raise TargetError(
                    f"disk {key} has no volume: the VM had no such disk when its volumes were made. Delete the import"
                    " and make it again"
                )
            return self._volumes[key]
        return self._folder / f"disk-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.raw"

    def free(self) -> int:
        """Bytes that can be written."""
        there = os.statvfs(self._folder)
        return there.f_bavail * there.f_frsize

    def may_begin(self, key: str) -> bool:
        """Whether a disk is finished, or there is room to go on with it."""
        return self.path(key).exists() or self.free() >= ENOUGH_TO_BEGIN

    def full(self, vm: SourceVM) -> TargetFull:
        """The error that says how much is there and how much is needed; remembers how full it was."""
        self._free_when_full = self.free()
        there = os.statvfs(self._folder)
        capacities = [disk.capacity for disk in vm.disks]
        needed = human(sum(capacity or 0 for capacity in capacities))
        if None in capacities:
            needed = f"more than {needed}"
        return TargetFull(
            f"the scratch volume is full: {human(self._free_when_full)} of {human(there.f_blocks * there.f_frsize)}"
            f" are free, {human(_written(self._folder.iterdir()))} of {vm.name} are written, and its disks need up to"
            f" {needed} in all. Enlarge the volume, and the import goes on; until then nothing is downloaded."
        )

    def has_grown(self) -> bool:
        """Whether there is room again since it was full."""
        return self.free() >= max(self._free_when_full + _GROWTH, ENOUGH_TO_BEGIN)


def _written(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_blocks * SECTOR for path in paths)
