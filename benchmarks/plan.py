"""What ``thresher plan`` takes for a large vCenter: the whole command, and how much of that is the simulator's.

The simulated vCenter shares the processors with the command, so its own CPU time is told beside.

    python -m benchmarks.plan [--vms 10000] [--json FILE]
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.inventory import inventory
from rig.cli import command
from rig.vcenter import VCenter, vcenter
from rig.vcenter_source import source_manifests

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of the command.

    Attributes:
        words: its options.
        seconds: by the wall clock.
        cpu: seconds of the command's processor time.
        simulator: seconds of the simulator's meanwhile.
        peak_mib: the most memory that the command held.
        printed_mib: how large the report is.
    """

    words: str
    seconds: float
    cpu: float
    simulator: float
    peak_mib: float
    printed_mib: float


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has taken: utime and stime of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def run(vc: VCenter, folder: Path, words: Sequence[str]) -> Sample:
    """The command once, as a process of its own."""
    source, report = folder / "source.yaml", folder / "report"
    source.write_text(source_manifests(vc, ca=True), encoding="utf-8")
    before, began = cpu_of(vc.pid), time.monotonic()
    with report.open("wb") as out:
        process = subprocess.Popen(command("plan", "-f", source, *words), stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    assert status == 0, f"thresher plan ended with {status}"
    cpu = usage.ru_utime + usage.ru_stime
    size = report.stat().st_size / (1 << 20)
    return Sample(" ".join(words), seconds, cpu, cpu_of(vc.pid) - before, usage.ru_maxrss / 1024, size)


def main() -> None:
    """Measure, print a table, and write it as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, default=10_000, help="VMs in the simulated vCenter")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    given = parser.parse_args()
    ways = (("-o", "csv"), ("-o", "markdown"), ("-o", "html"), ("-o", "json"))
    print(f"{given.vms} VMs with 2 disks and 2 NICs each; Python {platform.python_version()}, {os.cpu_count()} CPUs")
    print(f"{'thresher plan':16}{'seconds':>9}{'CPU s':>8}{'simulator CPU s':>17}{'peak MiB':>10}{'report MiB':>12}")
    samples = []
    with vcenter(inventory(given.vms)) as vc, tempfile.TemporaryDirectory() as folder:
        for words in ways:
            one = run(vc, Path(folder), words)
            samples.append(one)
            times = f"{one.seconds:9.1f}{one.cpu:8.1f}{one.simulator:17.1f}"
            print(f"{one.words:16}{times}{one.peak_mib:10.0f}{one.printed_mib:12.1f}", flush=True)
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in samples], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
