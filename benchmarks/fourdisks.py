"""A VM of four disks: all at once, one after the other, and the add-on's way; and what a worker takes for it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree

from benchmarks import addon, data
from benchmarks.bench import Bench
from benchmarks.figures import Row, Run, Section, Target
from benchmarks.manifests import source, text, vm_import
from benchmarks.measure import Watch, allocated, in_turn, settle, timed, watching
from rig import cli, disks
from rig.vcenter import Datacenter, Disk, Inventory, VCenter, Vm, vcenter
from rig.worker import worker
from thresher.model.report import WorkerPhase
from thresher.model.units import MIB, human

DISKS = 4
FOUR, ONE = "four", "one"
AT_ONCE, IN_TURN, ADDON = (
    "thresher, all at once",
    "thresher, one after the other",
    "curl, then qemu-img, one after the other",
)
WORKER_ONE, WORKER_FOUR = "thresher's worker, one disk", "thresher's worker, four disks"


@dataclass(frozen=True, slots=True)
class Place:
    """Where it happens: the vCenter, the disk that every disk is, and a folder to write to."""

    vc: VCenter
    disk: Path
    work: Path

    def fresh(self) -> Path:
        """An empty folder; what earlier ones held is gone."""
        rmtree(self.work / "out", ignore_errors=True)
        (self.work / "out").mkdir()
        return self.work / "out"

    def check(self, images: list[Path], many: int) -> None:
        """All of them are the disk."""
        assert len(images) == many, images
        for image in images:
            difference = disks.difference(image, self.disk)
            assert not difference, difference


def slowly(name: str, link: int) -> str:
    """The row of the same over slow links."""
    return f"{name}, {human(link)}/s each"


def measure(bench: Bench) -> Section:
    """Every way in turn, over links as fast as they get, then over slow ones."""
    disks.require("curl", "qemu-img")
    shape, link = bench.sizes.one_of_four, bench.sizes.link
    stream, disk = data.stream(shape), data.raw(shape)
    held = tuple(Disk(shape.capacity, stream=stream, controller="ahci", unit=unit) for unit in range(DISKS))
    machines = Inventory((Vm(FOUR, disks=held), Vm(ONE, disks=held[:1])), (Datacenter("DC0"),))
    with bench.work(DISKS * shape.data) as work, vcenter(machines) as vc:
        place = Place(vc, disk, work)
        ways = _ways(place, link)
        runs = in_turn(ways, bench.rounds, bench.say)
    about = (
        f"A VM with four disks of {shape} each, {human(stream.stat().st_size)} as VMDK, from the simulated vCenter (by"
        " TLS) into a folder, as fast as it goes and with so many bytes a second for each stream, as ESXi hosts set it."
        " The worker's rows end when all disks are whole and served; its memory is that of the process."
    )
    rows = tuple(Row(name, done) for name, done in runs.items())
    return Section("disks", "A VM of four disks", about, rows, _targets(link))


def _targets(link: int) -> tuple[Target, ...]:
    slow_one, slow_all = slowly(IN_TURN, link), slowly(AT_ONCE, link)
    return (
        Target("all at once: time of one after the other", AT_ONCE, "wall", 1.0, IN_TURN),
        Target("the same over slow links", slow_all, "wall", 0.5, slow_one),
        Target("peak memory of a worker, one disk", WORKER_ONE, "memory", 96 * MIB),
        Target("peak memory of a worker, four disks", WORKER_FOUR, "memory", 200 * MIB),
    )


def _ways(place: Place, link: int) -> dict[str, Callable[[], Run]]:
    plain: dict[str, Callable[[], Run]] = {
        AT_ONCE: partial(_by_thresher, place),
        IN_TURN: partial(_by_thresher, place, "--disks-per-source", "1"),
        ADDON: partial(_by_addon, place),
    }
    slow = {slowly(name, link): partial(_slow, place, link, way) for name, way in plain.items()}
    workers = {WORKER_ONE: partial(_by_worker, place, ONE, 1), WORKER_FOUR: partial(_by_worker, place, FOUR, DISKS)}
    return {**plain, **slow, **workers}


def _slow(place: Place, link: int, way: Callable[[], Run]) -> Run:
    place.vc.faults(bytes_per_second=link)
    try:
        return way()
    finally:
        place.vc.faults()


def _by_thresher(place: Place, *options: str) -> Run:
    """``thresher run`` of the one import, with a memory of its own so that nothing is taken for done."""
    folder = place.fresh()
    manifests = folder / "manifests.yaml"
    manifests.write_text(text([*source(place.vc), vm_import(FOUR)]), encoding="utf-8")
    words = cli.command("run", "-f", manifests, "--to", folder / "to", *options)
    run = timed(["env", f"XDG_STATE_HOME={folder / 'state'}", *words]).run
    place.check(sorted((folder / "to").rglob("*.raw")), DISKS)
    return {**run, "scratch": float(allocated(folder / "to"))}


def _by_addon(place: Place) -> Run:
    """Its steps; their memory and processor time are those of curl and qemu-img, which the first section has."""
    folder = place.fresh()
    settle()
    began = time.perf_counter()
    addon.download(place.vc, FOUR, folder)
    images = addon.convert(folder)
    wall = time.perf_counter() - began
    place.check(list(images), DISKS)
    return {"wall": wall, "scratch": float(allocated(folder))}


def _by_worker(place: Place, vm: str, many: int) -> Run:
    """The worker as the operator starts it, until every disk is served."""
    folder = place.fresh()
    manifests = text([*source(place.vc), vm_import(vm)])
    settle()
    began = time.perf_counter()
    with worker(folder / "worker", manifests, scratch=folder / "scratch") as running:
        with watching(Watch(running.process.pid)) as watch:
            running.wait_for(lambda report: report.phase is WorkerPhase.SERVING)
            wall = time.perf_counter() - began
        place.check(sorted((folder / "scratch").rglob("*.raw")), many)
        cpu = sum(one.cpu for one in watch.seen.values())
    return {"wall": wall, "cpu": cpu, "memory": float(watch.memory), "scratch": float(allocated(folder / "scratch"))}
