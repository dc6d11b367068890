"""A sparse file on a machine that loses its power: what was not flushed may be gone, in part or in whole.

It stands in for the page cache alone: writes are kept back until a flush, and when the power goes each of them is
either lost or torn, as POSIX leaves it open; what was flushed stays. The ledger is a real file, as it is flushed
with each saving.
"""

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from unittest.mock import patch

from thresher.model.units import Bytes
from thresher.transfer import disk
from thresher.transfer.ledger import Ledger
from thresher.transfer.sparse import Buffer, SparseFile
from thresher.transfer.volume import VolumeFile


class PowerCut(BaseException):
    """The machine is off: nothing that handles errors runs any more."""


@dataclass
class Machine:
    """One run of the machine.

    Attributes:
        limit: how many writes, flushes and savings of ledgers happen before the power goes.
        seed: what decides on the writes that are lost, torn, or whole.
        events: what happened so far.
    """

    limit: int
    seed: int
    events: list[str] = field(default_factory=list)
    off: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def event(self, what: str) -> Iterator[None]:
        """One thing at a time happens, and nothing any more once the power is gone."""
        with self._lock:
            if self.off or len(self.events) >= self.limit:
                self.off = True
                raise PowerCut(what)
            self.events.append(what)
            yield

    def sparse_file(self, path: Path) -> SparseFile:
        """A sparse file on this machine."""
        return _Cached(path).on(self)

    def volume_file(self, path: Path, *, dirty: bool, stop: threading.Event) -> SparseFile:
        """A volume on this machine."""
        return _CachedVolume(path, dirty=dirty, stop=stop).on(self)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have every disk of a transfer written on this machine."""
        save = Ledger.save

        def saved(ledger: Ledger, path: Path) -> None:
            with self.event("save"):
                save(ledger, path)

        with (
            patch.object(disk, "SparseFile", self.sparse_file),
            patch.object(disk, "VolumeFile", self.volume_file),
            patch.object(Ledger, "save", saved),
        ):
            yield


class _Cached(SparseFile):
    _machine: Machine
    _cache: list[tuple[int, bytes]]

    def on(self, machine: Machine) -> Self:
        """The same file, on that machine."""
        self._machine, self._cache = machine, []
        return self

    def size(self, capacity: Bytes) -> None:
        with self._machine.event("size"):
            super().size(capacity)

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        with self._machine.event("write"):
            self._cache.append((offset, b"".join(buffers)))

    def flush(self) -> None:
        with self._machine.event("flush"):
            for offset, data in self._cache:
                super().write(offset, [data])
            self._cache.clear()

    def finish(self) -> None:
        with self._machine.event("finish"):
            super().finish()

    def close(self) -> None:
        if self._machine.off and self._fd >= 0:
            self._lose()
        super().close()

    def _lose(self) -> None:
        chance = random.Random(self._machine.seed)  # noqa: S311 - repeatable, not secret
        for offset, data in self._cache:
            kept = chance.choice([0, 0, chance.randrange(len(data)), len(data)])
            if kept:
                super().write(offset, [data[:kept]])
        self._cache.clear()


class _CachedVolume(_Cached, VolumeFile):
    def blank(self) -> None:
        with self._machine.event("blank"):
            self._cache.append((0, bytes(self._room())))
