"""One stream-optimized VMDK becomes a raw image: Thresher, what users would pick instead, and the limits."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks import data, rivals
from benchmarks.bench import Bench
from benchmarks.figures import Row, Run, Section, Target
from benchmarks.measure import allocated, emptied, in_turn, timed
from rig import cli, disks, nginx
from thresher.model.units import MIB, human

THRESHER, THRESHER_TLS = "thresher, HTTP", "thresher, HTTPS"
STEPS, STEPS_TLS = "curl, then qemu-img, HTTP", "curl, then qemu-img, HTTPS"
QUICK, QUICK_TLS = "curl, then qemu-img -W -m 16, HTTP", "curl, then qemu-img -W -m 16, HTTPS"
FLUSHED = "curl, then qemu-img, flushed, HTTP"
LOCAL, LIBVMDK, DISSECT = "qemu-img, local file", "libvmdk, local file", "dissect.hypervisor, local file"
NOWHERE, NOWHERE_TLS = "limit: curl to /dev/null, HTTP", "limit: curl to /dev/null, HTTPS"
TO_FILE, TO_FILE_TLS = "limit: curl to a file, HTTP", "limit: curl to a file, HTTPS"
INFLATE = "limit: inflating alone, in C, one core"
TARGETS = (
    Target("time of curl, then qemu-img", THRESHER, "wall", 0.25, STEPS),
    Target("the same over HTTPS", THRESHER_TLS, "wall", 0.32, STEPS_TLS),
    Target("time of curl, then qemu-img, flushed", THRESHER, "wall", 0.333, FLUSHED),
    Target("time of curl to a file", THRESHER, "wall", 1.35, TO_FILE),
    Target("peak memory, HTTP", THRESHER, "memory", 96 * MIB),
    Target("peak memory, HTTPS", THRESHER_TLS, "memory", 96 * MIB),
)


def commands(site: nginx.Site, image: Path, work: Path) -> dict[str, list[str]]:
    """What is run for each way; what it makes of the disk is ``out.raw``."""
    name, out, vmdk = image.name, str(work / "out.raw"), str(work / "disk.vmdk")
    ca = ["--cacert", str(site.ca)]
    http, https = ["curl", "-sSf", site.http + name], ["curl", "-sSf", *ca, site.https + name]
    return {
        THRESHER: cli.command("convert", "-o", "json", site.http + name, out),
        THRESHER_TLS: cli.command("convert", "-o", "json", "--ca", site.ca, site.https + name, out),
        STEPS: _steps(http, vmdk, out),
        STEPS_TLS: _steps(https, vmdk, out),
        QUICK: _steps(http, vmdk, out, "-W -m 16"),
        QUICK_TLS: _steps(https, vmdk, out, "-W -m 16"),
        FLUSHED: _steps(http, vmdk, out, then=' && sync "$out"'),
        LOCAL: ["qemu-img", "convert", "-f", "vmdk", "-O", "raw", str(image), out],
        NOWHERE: [*http, "-o", "/dev/null"],
        NOWHERE_TLS: [*https, "-o", "/dev/null"],
        TO_FILE: [*http, "-o", vmdk],
        TO_FILE_TLS: [*https, "-o", vmdk],
    }


def _steps(curl: list[str], vmdk: str, out: str, options: str = "", then: str = "") -> list[str]:
    """Download, then convert, as one process."""
    convert = f'qemu-img convert {options} -f vmdk -O raw "$vmdk" "$out"{then}'
    script = f'vmdk=$1 out=$2; shift 2; "$@" -o "$vmdk" && {convert}'
    return ["sh", "-c", script, "sh", vmdk, out, *curl]


def _others(image: Path, work: Path) -> dict[str, Callable[[], list[str]]]:
    """What may not be had here; each raises Missing then."""
    words = [str(image), str(work / "out.raw")]
    return {
        LIBVMDK: lambda: [*rivals.reader("pyvmdk").words, *words],
        DISSECT: lambda: [*rivals.reader("dissect").words, *words],
        INFLATE: lambda: [*rivals.inflate().words, str(image)],
    }


def measure(bench: Bench) -> Section:
    """Run every way in turn; a round to warm up, whose outputs are compared with the disk, is not counted."""
    disks.require("curl", "qemu-img", "nginx")
    shape = bench.sizes.disk
    image, plain = data.stream(shape), data.raw(shape)
    with bench.work(shape.data) as work, nginx.serve(image.parent) as site:
        ways, missing = commands(site, image, work), {}
        for name, words in _others(image, work).items():
            try:
                ways[name] = words()
            except rivals.Missing as why:
                missing[name] = str(why)
        _warm_up(bench, ways, work, plain)
        runs = in_turn({name: partial(_run, words, work) for name, words in ways.items()}, bench.rounds, bench.say)
    rows = [*(Row(name, done) for name, done in runs.items()), *(Row(name, (), why) for name, why in missing.items())]
    about = (
        f"A disk of {shape}, {human(image.stat().st_size)} as a stream-optimized VMDK in vCenter's layout, from nginx"
        " on loopback, page cache warm. Whole processes; scratch is what lies on the disk at the end, the image itself"
        " included."
    )
    return Section("convert", "One stream-optimized VMDK to a raw image", about, tuple(rows), TARGETS)


def _run(words: list[str], work: Path) -> Run:
    emptied(work)
    return {**timed(words).run, "scratch": float(allocated(work))}


def _warm_up(bench: Bench, ways: Mapping[str, list[str]], work: Path, plain: Path) -> None:
    for name, words in ways.items():
        run = _run(words, work)
        bench.say(f"warm-up: {name}: {run['wall']:.2f} s")
        if not name.startswith("limit:"):
            difference = disks.difference(work / "out.raw", plain)
            assert not difference, f"{name}: {difference}"
    bench.say("all outputs are the disk, byte for byte")
