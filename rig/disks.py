"""Disk images that tests convert: raw disks of awkward shapes, and the same in every format qemu-img writes.

Everything is deterministic: the same call makes the same bytes.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from thresher.model.units import GIB, KIB, MIB, SECTOR, Bytes
from thresher.samples.disk import sample_disk

_STEP = 1 * MIB


def command_path(command: str) -> str:
    """Where a command is, administrators' folders included; fails with the cure where it is missing."""
    path = shutil.which(command, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
    assert path, f"{command} is missing; `make setup` installs it"
    return path


def require(*commands: str) -> None:
    """Fail with the cure where a command that a test needs is missing."""
    for command in commands:
        command_path(command)


def noise(length: int, seed: int) -> bytes:
    """Bytes that no compressor shortens."""
    return random.Random(seed).randbytes(length)  # noqa: S311 - repeatable, not secret


def text(length: int, seed: int) -> bytes:
    """Bytes that compress to about a third, as logs and executables do."""
    chooser = random.Random(seed)  # noqa: S311 - repeatable, not secret
    words = [chooser.randbytes(chooser.randrange(3, 12)).hex().encode() for _ in range(400)]
    out = bytearray()
    while len(out) < length:
        out += b" ".join(chooser.choices(words, k=200)) + b"\n"
    return bytes(out[:length])


def _write(path: Path, size: int, pieces: dict[int, bytes]) -> None:
    with path.open("wb") as handle:
        handle.truncate(size)
        for offset, data in pieces.items():
            handle.seek(offset)
            handle.write(data)


def _mixed(path: Path) -> None:
    pieces = {
        0: text(300 * KIB, 1),
        1 * MIB - 512: noise(1024, 2),  # over a grain's edge
        2 * MIB: b"\0" * 64 * KIB,  # zeros that are written
        3 * MIB: noise(700 * KIB, 3),
        5 * MIB + 64 * KIB: b"\0" * (64 * KIB - 1) + b"\1",  # a grain that is zeros but for its last byte
        7 * MIB: text(MIB, 4),
    }
    _write(path, 9 * MIB, pieces)


RAW_DISKS: dict[str, Callable[[Path], None]] = {
    "one-sector": lambda path: _write(path, SECTOR, {0: noise(SECTOR, 5)}),
    "odd": lambda path: _write(path, 65536 + SECTOR, {0: text(65536, 6), 65536: noise(SECTOR, 7)}),
    "no-whole-sectors": lambda path: _write(path, 65535 + SECTOR, {0: text(65535 + SECTOR, 13)}),
    "short-last-grain": lambda path: _write(path, 3 * MIB + SECTOR, {0: text(3 * MIB + SECTOR, 8)}),
    "short-last-grain-empty": lambda path: _write(path, 3 * MIB + SECTOR, {MIB: text(MIB, 9)}),
    "zero": lambda path: _write(path, 4 * MIB, {}),
    "random": lambda path: _write(path, 4 * MIB, {0: noise(4 * MIB, 10)}),
    "mixed": _mixed,
    "large": lambda path: _write(path, 5 * GIB, {0: text(MIB, 11), 5 * GIB - 70 * KIB: noise(70 * KIB, 12)}),
}
"""Raw disks by name, each with its maker."""


@dataclass(frozen=True, slots=True)
class Case:
    """One image of the corpus.

    Attributes:
        disk: a name of RAW_DISKS.
        format: as qemu-img calls it.
        options: of that format, as ``-o`` takes them.
        compressed: whether qemu-img is to compress (``-c``).
    """

    disk: str
    format: str
    options: str = ""
    compressed: bool = False

    def __str__(self) -> str:
        """As a test's id."""
        words = [self.disk, self.format, *self.options.replace("=", "-").split(",")]
        return "_".join([word for word in words if word] + ["c"] * self.compressed)


def raw_disk(name: str, folder: Path) -> Path:
    """Make the raw disk of that name in ``folder``, or find it there."""
    path = folder / f"{name}.raw"
    if not path.exists():
        RAW_DISKS[name](path)
    return path


def make(case: Case, raw: Path, folder: Path) -> Path:
    """Convert ``raw`` as ``case`` says into ``folder``; returns the file that a user would name."""
    require("qemu-img")
    image = folder / f"disk.{case.format}"
    options = ["-o", case.options] if case.options else []
    compress = ["-c"] if case.compressed else []
    command = ["qemu-img", "convert", "-q", "-f", "raw", "-O", case.format, *compress, *options]
    subprocess.run([*command, str(raw), str(image)], check=True)
    return image


def sample_raw(path: Path, capacity: Bytes, seed: int, *, marker: str | None = None, data: Bytes) -> Path:
    """The sample disk as a sparse raw file; see :func:`thresher.samples.disk.sample_disk`."""
    with path.open("wb") as file:
        file.truncate(capacity)
        for extent in sample_disk(capacity, seed, marker=marker, data=data):
            assert extent.data is not None, "its zeros are what lies between"
            file.seek(extent.offset)
            file.write(extent.data)
    return path


def stream_vmdk(raw: Path, image: Path) -> Path:
    """Convert ``raw`` to a stream-optimized VMDK and return its path."""
    require("qemu-img")
    command = ["qemu-img", "convert", "-q", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized"]
    subprocess.run([*command, str(raw), str(image)], check=True)
    return image


def overlay(backing: Path, image: Path) -> Path:
    """Make a qcow2 image that holds nothing but the name of the raw file it continues."""
    require("qemu-img")
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(backing), str(image)]
    subprocess.run(command, check=True)
    return image


def reference(image: Path, raw: Path, form: str = "vmdk") -> Path:
    """What ``qemu-img convert -O raw`` makes of ``image``: the truth that we compare with.

    The format is named, for QEMU takes a fixed VHD, which has nothing but a footer, for a raw image.
    """
    require("qemu-img")
    subprocess.run(["qemu-img", "convert", "-f", form, "-O", "raw", str(image), str(raw)], check=True)
    return raw


def data_runs(handle: int, size: int) -> Iterator[tuple[int, int]]:
    """The runs of a file that are not holes."""
    position = 0
    while position < size:
        try:
            start = os.lseek(handle, position, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole up to the end
            return
        position = os.lseek(handle, start, os.SEEK_HOLE)
        yield start, position


def difference(left: Path, right: Path) -> str:
    """Where two files differ, in words; empty where they are the same. Holes of both are not read."""
    sizes = left.stat().st_size, right.stat().st_size
    if sizes[0] != sizes[1]:
        return f"{left.name} has {sizes[0]} bytes, {right.name} has {sizes[1]}"
    with left.open("rb", buffering=0) as a, right.open("rb", buffering=0) as b:
        for handle in (a.fileno(), b.fileno()):
            for start, end in data_runs(handle, sizes[0]):
                for position in range(start, end, _STEP):
                    length = min(_STEP, end - position)
                    if os.pread(a.fileno(), length, position) != os.pread(b.fileno(), length, position):
                        return f"{left.name} and {right.name} differ at or after byte {position}"
    return ""


def is_sparse(path: Path, data: int) -> bool:
    """Whether no more of the file is allocated than ``data`` bytes and the file system's rounding."""
    return path.stat().st_blocks * SECTOR <= data + MIB
