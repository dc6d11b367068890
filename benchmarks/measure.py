"""Measures processes: wall and CPU time, and the most memory that one of them held."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile

from benchmarks.figures import Run
from thresher.model.units import KIB, SECTOR

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_S = 0.2
"""How often processes are looked at. Their peak of memory only ever grows, so nothing but the last growth is missed."""


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has taken: utime and stime of proc(5). Raises OSError: it is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def peak_of(pid: int) -> int:
    """The most memory that a process held since its program began, in bytes; 0 when it has ended.

    Not what wait4(2) tells: that counts the program that started it, too.
    """
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * KIB
    return 0


def tree(root: int) -> set[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found, pending = set[int](), [root]
    while pending:
        pid = pending.pop()
        found.add(pid)
        pending += children.get(pid, [])
    return found


@dataclass(slots=True)
class Seen:
    """One process, as it was seen last.

    Attributes:
        words: its command line.
        memory: the most that it held, in bytes.
        cpu: the processor time that it took while it was watched, in seconds.
        before: what it had taken when the watch began.
    """

    words: str
    memory: int = 0
    cpu: float = 0.0
    before: float = 0.0


@dataclass(slots=True)
class Watch:
    """Looks at a process and its descendants, again and again.

    Attributes:
        root: the process.
        gauge: measures something else that has a peak, such as the bytes in a folder.
        seen: every process, by its id.
        peak: the most that the gauge told.
    """

    root: int
    gauge: Callable[[], int] = lambda: 0
    seen: dict[int, Seen] = field(default_factory=dict)
    peak: int = 0

    def begin(self) -> None:
        """What those that run already have taken is not counted."""
        for pid in tree(self.root):
            with suppress(OSError):
                self.seen[pid] = Seen(_words(pid), before=cpu_of(pid))

    def look(self) -> None:
        """Look once."""
        for pid in tree(self.root):
            one, words = self.seen.setdefault(pid, Seen("")), _words(pid)
            if words and words != one.words:  # it began another program, whose memory is its own
                one.words, one.memory = words, 0
            one.memory = max(one.memory, peak_of(pid))
            with suppress(OSError):
                one.cpu = cpu_of(pid) - one.before
        self.peak = max(self.peak, self.gauge())

    @property
    def memory(self) -> int:
        """The most that one process held."""
        return max((one.memory for one in self.seen.values()), default=0)

    def of(self, *words: str) -> list[Seen]:
        """The processes with one of these words in their command line."""
        return [one for one in self.seen.values() if any(word in one.words for word in words)]


def _words(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """Look from a thread while the context lasts, and once more at its end."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(LOOK_S):
            watch.look()

    watch.look()
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()
        watch.look()


def allocated(folder: Path) -> int:
    """What the files in a folder take on the disk, holes left out."""
    total = 0
    for place, _, names in os.walk(folder):  # which passes over folders that were removed meanwhile
        for name in names:
            with suppress(OSError):  # likewise
                total += Path(place, name).stat().st_blocks * SECTOR
    return total


def settle() -> None:
    """Nothing is left to write back: a run pays for its own bytes alone."""
    os.sync()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command went, and what it wrote to its standard output."""

    run: Run
    out: str


def timed(command: Sequence[str]) -> Ended:
    """Run a command to its end, which fails the benchmark where it fails.

    Returns:
        Its wall and CPU time with those of all it started, and the most memory that one of these held.
    """
    settle()
    with TemporaryFile() as out:
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=out) as process, watching(Watch(process.pid)) as watch:
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}"
        out.seek(0)
        said = out.read().decode(errors="replace")
    cpu = usage.ru_utime + usage.ru_stime
    return Ended({"wall": wall, "cpu": cpu, "memory": float(watch.memory)}, said)


def emptied(folder: Path) -> Path:
    """The folder without its files."""
    for path in folder.iterdir():
        path.unlink()
    return folder


def in_turn(
    ways: Mapping[str, Callable[[], Run]], rounds: int, say: Callable[[str], None]
) -> dict[str, tuple[Run, ...]]:
    """Run every way ``rounds`` times, one after the other in every round."""
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for turn in range(1, rounds + 1):
        for name, way in ways.items():
            runs[name].append(way())
            say(f"round {turn}: {name}: {runs[name][-1]['wall']:.2f} s")
    return {name: tuple(done) for name, done in runs.items()}
