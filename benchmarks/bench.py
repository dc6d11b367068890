"""What every section is given: sizes, rounds, and a place to write."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.data import Shape, need_room
from rig.golang import cache_dir
from thresher.model.units import GIB, MIB

LONGEST_S = 6 * 3600.0
"""No run takes so long: what is older was left behind."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything.

    Attributes:
        disk: what is converted and imported.
        one_of_four: each disk of the VM with four.
        sparse: what is served.
        link: bytes a second of each stream, where links are slow.
        vms: in the vCenter whose inventory is read.
        singly: of them, read one by one.
        imports: that the operator has.
        idle_s: for how long it is watched doing nothing.
    """

    disk: Shape
    one_of_four: Shape
    sparse: Shape
    link: int
    vms: int
    singly: int
    imports: int
    idle_s: float


SIZES = {
    "full": Sizes(
        disk=Shape(8 * GIB, 2 * GIB),
        one_of_four=Shape(2 * GIB, 512 * MIB),
        sparse=Shape(64 * GIB, 2 * GIB),
        link=100 * MIB,
        vms=10_000,
        singly=1_000,
        imports=1_000,
        idle_s=60.0,
    ),
    "tiny": Sizes(
        disk=Shape(128 * MIB, 32 * MIB),
        one_of_four=Shape(32 * MIB, 8 * MIB),
        sparse=Shape(512 * MIB, 16 * MIB),
        link=32 * MIB,
        vms=40,
        singly=10,
        imports=10,
        idle_s=2.0,
    ),
}
"""``tiny`` only shows that everything runs; its figures say nothing."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmarks."""

    sizes: Sizes
    rounds: int

    def say(self, text: str) -> None:
        """A line about what is done now."""
        print(f"    {text}", flush=True)

    @contextmanager
    def work(self, data: int) -> Iterator[Path]:
        """A folder with room for what a section makes of so much data; removed at the end.

        In the cache, for /tmp may be memory.
        """
        home = cache_dir("bench")
        for old in home.glob("work-*"):  # of a run that was killed
            if time.time() - old.stat().st_mtime > LONGEST_S:
                shutil.rmtree(old, ignore_errors=True)
        need_room(home, data)
        with TemporaryDirectory(dir=home, prefix="work-") as folder:
            yield Path(folder)
