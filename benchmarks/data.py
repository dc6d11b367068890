"""The disks that are measured with: made once, kept in the user's cache."""

import os
import random
import re
import shutil
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from rig import disks, linux
from rig.golang import cache_dir, locked
from thresher.formats.vmdk import write_stream
from thresher.model.extent import Extent
from thresher.model.units import GIB, KIB, MIB, Bytes, human

LAYOUT = 2
"""Raise it when write_disk() changes, so that no image of an earlier layout is taken from the cache."""
GRAIN = 64 * KIB
RUN = 8 * MIB
"""Data comes in runs of this length, as a file system's block groups fill."""
WITH_SYSTEM = GIB
"""Disks of this size and more begin with a whole Linux; smaller ones only try a benchmark out."""
ROOM = 8
"""Times the data: streams, images and copies of both that lie side by side for a moment."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A disk's size, and how much of it is data; in bytes."""

    capacity: int
    data: int

    def __str__(self) -> str:
        """In words."""
        return f"{human(self.capacity)} with {human(self.data)} of data"


def size(words: str) -> int:
    """Parse ``256MiB`` and its kin. Raises ArgumentTypeError."""
    match = re.fullmatch(r"(\d+)(KiB|MiB|GiB)", words)
    if not match:
        raise ArgumentTypeError(f"{words} is no size such as 256MiB")
    return int(match[1]) * {"KiB": KIB, "MiB": MIB, "GiB": GIB}[match[2]]


def write_disk(path: Path, shape: Shape) -> None:
    """A disk with a Linux in front, and runs of data that lie evenly over the rest, half of them incompressible."""
    pool = [disks.text(MIB, 100 + n) for n in range(16)]
    chooser = random.Random(7)  # noqa: S311 - repeatable, not secret
    with path.open("wb") as handle:
        handle.truncate(shape.capacity)
        begin = _write_system(handle, path.parent) if shape.capacity >= WITH_SYSTEM else 0
        runs = (shape.data - begin) // RUN
        for run in range(runs):
            handle.seek(begin + (shape.capacity - begin) // runs * run // GRAIN * GRAIN)
            for chunk in range(RUN // MIB):
                handle.write(disks.noise(MIB, run * RUN + chunk) if chunk % 2 else chooser.choice(pool))


def _write_system(handle: BinaryIO, folder: Path) -> int:
    """A bootable Linux from the disk's first byte on, its holes left out; where it ends."""
    with TemporaryDirectory(dir=folder) as work:
        system = linux.build(Path(work), "benchmark").path.read_bytes()
    for at in range(0, len(system), GRAIN):
        if any(system[at : at + GRAIN]):
            handle.seek(at)
            handle.write(system[at : at + GRAIN])
    return len(system)


def raw(shape: Shape) -> Path:
    """The disk as a sparse file, from the cache or made now."""
    return _made(shape, "disk.raw", lambda path: write_disk(path, shape))


def stream(shape: Shape) -> Path:
    """The stream-optimized VMDK of that disk as vCenter lays one out, from the cache or made now."""
    source = raw(shape)
    return _made(shape, "disk.vmdk", lambda path: _write_stream(path, source))


def _write_stream(path: Path, source: Path) -> None:
    with source.open("rb", buffering=0) as handle, path.open("wb") as out:
        out.writelines(write_stream(_extents(handle.fileno(), source.stat().st_size), Bytes(source.stat().st_size)))


def _extents(handle: int, capacity: int) -> Iterator[Extent]:
    for start, end in disks.data_runs(handle, capacity):
        for at in range(start, end, MIB):
            length = min(MIB, end - at)
            yield Extent(Bytes(at), Bytes(length), os.pread(handle, length, at))


def _made(shape: Shape, name: str, make: Callable[[Path], None]) -> Path:
    home = cache_dir("bench")
    folder = home / f"disk-{LAYOUT}-{shape.capacity}-{shape.data}"
    path = folder / name
    with locked(home / ".lock"):
        if not path.exists():
            print(f"==> making {name} of a disk of {shape} (once)", flush=True)
            folder.mkdir(exist_ok=True)
            part = path.with_suffix(".part")
            make(part)
            part.rename(path)
    return path


def need_room(folder: Path, data: int) -> None:
    """Refuse to begin where what a section writes does not fit. Raises AssertionError."""
    free = shutil.disk_usage(folder).free
    need = ROOM * data
    assert free >= need, (
        f"{folder} has {human(free)} left and {human(need)} are needed; set XDG_CACHE_HOME to more room"
    )
