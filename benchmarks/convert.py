"""One pass against two steps, side by side.

``thresher convert URL out.raw`` against ``curl -o disk.vmdk URL && qemu-img convert -O raw disk.vmdk OUT``:
whole processes, interleaved, from nginx on loopback; and the limits: curl to /dev/null and to a file. A round
to warm up, whose outputs are compared byte for byte, is not counted. Every run starts in an empty folder with
nothing left to write back.

    python -m benchmarks.convert [--data 2GiB] [--disk 8GiB] [--rounds 5] [--json FILE]
"""

import argparse
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rig import cli, disks, nginx
from rig.golang import cache_dir, locked
from thresher.model.units import GIB, KIB, MIB, human

LAYOUT = 1
"""Raise it when disk() changes, so that no image of an earlier layout is taken from the cache."""
TARGET_RATIO = 1 / 3
RUN = 8 * MIB
"""Data comes in runs of this length, as a file system's block groups fill."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one way: wall and CPU time in seconds, peak memory in bytes of its largest process.

    Linux counts a process's memory from its fork on, so none is below what this benchmark takes itself.
    """

    wall: float
    cpu: float
    memory: int


def size(words: str) -> int:
    """Parse ``256MiB`` and its kin."""
    match = re.fullmatch(r"(\d+)(KiB|MiB|GiB)", words)
    if not match:
        raise argparse.ArgumentTypeError(f"{words} is no size such as 256MiB")
    return int(match[1]) * {"KiB": KIB, "MiB": MIB, "GiB": GIB}[match[2]]


def write_disk(path: Path, capacity: int, data: int) -> None:
    """A disk with ``data`` bytes, in runs that lie evenly over it, half of them incompressible."""
    runs = data // RUN
    pool = [disks.text(MIB, 100 + n) for n in range(16)]
    chooser = random.Random(7)  # noqa: S311 - repeatable, not secret
    with path.open("wb") as handle:
        handle.truncate(capacity)
        for run in range(runs):
            handle.seek(capacity // runs * run // (64 * KIB) * (64 * KIB))
            for chunk in range(RUN // MIB):
                handle.write(disks.noise(MIB, run * RUN + chunk) if chunk % 2 else chooser.choice(pool))


def image(capacity: int, data: int) -> Path:
    """The stream-optimized VMDK of that disk, from the cache or made now."""
    folder = cache_dir("bench") / f"convert-{LAYOUT}-{capacity}-{data}"
    with locked(cache_dir("bench") / ".lock"):
        path = folder / "disk.vmdk"
        if not path.exists():
            print(f"==> making a disk of {human(capacity)} with {human(data)} of data (once)", flush=True)
            folder.mkdir(exist_ok=True)
            with TemporaryDirectory(dir=folder) as work:
                raw = Path(work) / "disk.raw"
                write_disk(raw, capacity, data)
                disks.stream_vmdk(raw, Path(work) / "disk.vmdk").rename(path)
    return path


def timed(command: list[str]) -> Sample:
    """Run a command to its end and measure it with all it starts."""
    os.sync()
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{' '.join(command)} ended with {process.returncode}"
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KIB)


def ways(url: str, work: Path) -> dict[str, list[str]]:
    """The commands to compare, by name."""
    steps = 'curl -sSf -o "$1" "$0" && qemu-img convert -O raw "$1" "$2"'
    shell = ["sh", "-c"]
    places = [url, str(work / "steps.vmdk"), str(work / "steps.raw")]
    return {
        "thresher": cli.command("convert", url, work / "thresher.raw", "--output", "json"),
        "two steps": [*shell, steps, *places],
        "two steps, flushed": [*shell, f'{steps} && sync "$2"', *places],
        "curl to /dev/null": ["curl", "-sSf", "-o", "/dev/null", url],
        "curl to a file": ["curl", "-sSf", "-o", str(work / "curl.vmdk"), url],
    }


def check(url: str, work: Path) -> None:
    """Run the two ways once and compare what they make."""
    for name, command in list(ways(url, work).items())[:2]:
        print(f"    warm-up: {name}: {timed(command).wall:.2f} s", flush=True)
    difference = disks.difference(work / "thresher.raw", work / "steps.raw")
    assert not difference, difference
    print("    the outputs are the same, byte for byte", flush=True)


def measure(url: str, work: Path, rounds: int) -> dict[str, list[Sample]]:
    """Run every way ``rounds`` times, in turn."""
    samples: dict[str, list[Sample]] = {name: [] for name in ways(url, work)}
    for turn in range(1, rounds + 1):
        for name, command in ways(url, work).items():
            for path in work.iterdir():
                path.unlink()
            samples[name].append(timed(command))
            print(f"    round {turn}: {name}: {samples[name][-1].wall:.2f} s", flush=True)
    return samples


def median(runs: list[Sample]) -> Sample:
    """The median times and the largest memory of some runs."""
    wall, cpu = statistics.median(run.wall for run in runs), statistics.median(run.cpu for run in runs)
    return Sample(wall, cpu, max(run.memory for run in runs))


def report(samples: dict[str, list[Sample]]) -> dict[str, object]:
    """Medians, and the ratio of the first way to each of the two steps."""
    ways = {name: {**asdict(median(runs)), "runs": [asdict(r) for r in runs]} for name, runs in samples.items()}
    wall = {name: median(runs).wall for name, runs in samples.items()}
    ratio, flushed = (wall["thresher"] / wall[name] for name in ("two steps", "two steps, flushed"))
    return {"ratio": ratio, "ratio_flushed": flushed, "ratio_target": TARGET_RATIO, "ways": ways}


def show(samples: dict[str, list[Sample]]) -> None:
    """Print the table."""
    print(f"\n{'median of each':<20} {'wall s':>8} {'CPU s':>8} {'memory':>10}")
    middle = {name: median(runs) for name, runs in samples.items()}
    for name, run in middle.items():
        print(f"{name:<20} {run.wall:>8.2f} {run.cpu:>8.2f} {human(run.memory):>10}")
    ratio = middle["thresher"].wall / middle["two steps"].wall
    verdict = "met" if ratio <= TARGET_RATIO else "MISSED"
    print(f"\nthresher takes {ratio:.3f} of the time of the two steps (at most {TARGET_RATIO:.3f}: {verdict})")


def main() -> None:
    """Measure, print, and write the JSON where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=size, default=2 * GIB)
    parser.add_argument("--disk", type=size, default=8 * GIB)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    disks.require("curl", "qemu-img", "nginx")
    source = image(options.disk, options.data)
    # Beside the image, for /tmp may be memory.
    with TemporaryDirectory(dir=source.parent.parent) as work, nginx.serve(source.parent) as url:
        check(url + source.name, Path(work))
        samples = measure(url + source.name, Path(work), options.rounds)
    facts = {
        "disk_bytes": options.disk,
        "data_bytes": options.data,
        "vmdk_bytes": source.stat().st_size,
        "rounds": options.rounds,
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "python": sys.version.split()[0]},
    }
    show(samples)
    if options.json:
        options.json.write_text(json.dumps({**facts, **report(samples)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
