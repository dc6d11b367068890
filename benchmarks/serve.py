"""A sparse image goes to a client that reads as Longhorn does: plain, and gzip-coded by Thresher's disk server."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import data
from benchmarks.bench import Bench
from benchmarks.figures import Row, Run, Section, Target
from benchmarks.measure import cpu_of, emptied, in_turn, timed
from rig import disks, goclient, nginx

CODED, PLAIN = "thresher's disk server, gzip-coded", "nginx, plain (sendfile)"
TARGETS = (
    Target("time of the plain way", CODED, "wall", 0.5, PLAIN),
    Target("bytes of the plain way", CODED, "wire", 0.1, PLAIN),
)


@contextmanager
def disk_server(disk: Path) -> Iterator[tuple[str, int]]:
    """Thresher's disk server with that disk: its URL and its process."""
    words = [sys.executable, "-m", "benchmarks.diskserver", str(disk)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.stdin.close()


def measure(bench: Bench) -> Section:
    """Both ways in turn; what came is compared with the disk every time."""
    disks.require("nginx")
    shape = bench.sizes.sparse
    disk = data.raw(shape)
    with bench.work(shape.data) as work, nginx.serve(disk.parent) as site, disk_server(disk) as (url, pid):
        ways = {
            CODED: partial(_read, url, pid, disk, work),
            PLAIN: partial(_read, site.http + disk.name, site.pid, disk, work),
        }
        runs = in_turn(ways, bench.rounds, bench.say)
    about = (
        f"A raw image of {shape} goes over loopback to Go's default client, which reads 4 KiB at a time and leaves"
        " blocks of zeros as holes, as Longhorn's backing-image-manager does (pkg/sync/handler.go there). Longhorn's"
        " SHA-512 of the whole file comes after that and is in neither row."
    )
    return Section(
        "serve",
        "Serving a sparse image",
        about,
        tuple(Row(name, done) for name, done in runs.items()),
        TARGETS,
        ("wall", "wire"),
    )


def _read(url: str, server: int, disk: Path, work: Path) -> Run:
    out = emptied(work) / "out.raw"
    before = cpu_of(server)
    ended = timed(goclient.command(url, out))
    got, spent = goclient.outcome(ended.out), cpu_of(server) - before
    assert got.stated == got.length == disk.stat().st_size, f"{got.length} bytes came of {got.stated}"
    difference = disks.difference(disk, out)
    assert not difference, difference
    return {**ended.run, "server_cpu": spent, "wire": float(got.wire)}
