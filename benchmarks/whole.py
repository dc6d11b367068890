"""The whole import, from the open source to the image that Harvester has: Thresher's ways and the add-on's."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import addon, data
from benchmarks.bench import Bench
from benchmarks.figures import Row, Run, Section, Target
from benchmarks.manifests import API, inventory, source, text, vm_import
from benchmarks.measure import Watch, allocated, in_turn, settle, watching
from rig import disks, nginx
from rig.harvester import DEFAULT_CLASS, Harvester, eventually, simulated_harvester
from rig.harvester.kinds import CLAIMS, IMAGES, NAMESPACES
from rig.harvester.samples import condition, image
from rig.kube import KubeCluster, kube_cluster
from rig.operator import Operator, apply, get, install_crds, network, running_operator
from rig.vcenter import VCenter, vcenter
from thresher.model.units import GIB, KIB, MIB

VM = "bench"
IMAGE_MODE, VOLUME_MODE = "thresher, image mode", "thresher, volume mode"
ADDON = "the add-on's way: download, qemu-img, serve plain"
TARGETS = (
    Target("image mode: time of the add-on's way", IMAGE_MODE, "wall", 0.5, ADDON),
    Target("the same without Longhorn's SHA-512, until all was sent", IMAGE_MODE, "sent", 0.5, ADDON),
    Target("volume mode: time of the add-on's way", VOLUME_MODE, "wall", 0.3, ADDON),
    Target("image mode: peak scratch to data", IMAGE_MODE, "scratch", 1.02, IMAGE_MODE, "data"),
    Target("volume mode: peak scratch, of ledgers alone", VOLUME_MODE, "scratch", 64 * KIB),
    Target("image mode: peak memory of the worker", IMAGE_MODE, "memory", 96 * MIB),
    Target("volume mode: peak memory of the worker", VOLUME_MODE, "memory", 96 * MIB),
)
MOVERS = ("-m thresher worker", "curl ", "qemu-img ")
"""What the processes that move a disk from the source have in their command lines."""
PARTS = (*MOVERS, "-m thresher operator", "downloader", "nginx")
"""Likewise all that takes part, but for the rig's vCenter, API server and etcd."""
SENT = re.compile(r"was sent to \S+: (\d+) bytes")
"""What the disk server logs of each answer."""
PATIENCE_S = 900.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs.

    Attributes:
        disk: the raw disk that must come out.
    """

    cluster: KubeCluster
    harvester: Harvester
    operator: Operator
    vc: VCenter
    disk: Path

    def scratch(self) -> int:
        """What lies in volumes with file systems, in bytes: those of disks are block devices."""
        volumes = self.harvester.root / "volumes"
        return sum(allocated(path) for path in volumes.iterdir() if path.is_dir())


@dataclass(frozen=True, slots=True)
class Mode:
    """How it is seen that an import has got where the clock stops; each is asked with the import's namespace.

    Attributes:
        sent: bytes that images were sent; None before all were.
        done: whether it is over.
        stored: the files of disks that Harvester has.
    """

    sent: Callable[[Stage, str], int | None]
    done: Callable[[Stage, str], bool]
    stored: Callable[[Stage, str], Sequence[Path]]


def image_is_ready(on: Stage, namespace: str) -> bool:
    """Whether Harvester has the image, whole."""
    found = on.harvester.kube.list(IMAGES, namespace)["items"]
    for each in found:
        dead = condition(each, "RetryLimitExceeded")
        assert dead.get("status") != "True", dead
    return any(condition(each, "Imported").get("status") == "True" for each in found)


@contextmanager
def stage(folder: Path, stream: Path, disk: Path, shape: data.Shape) -> Iterator[Stage]:
    """Start everything."""
    with (
        vcenter(inventory(stream, shape, VM)) as vc,
        kube_cluster() as cluster,
        simulated_harvester(cluster) as harvester,
    ):
        install_crds(cluster)
        with running_operator(cluster, folder) as operator:
            yield Stage(cluster, harvester, operator, vc, disk)


def measure(bench: Bench) -> Section:
    """Every way in turn, each in a namespace of its own."""
    disks.require("curl", "qemu-img", "nginx")
    shape = bench.sizes.disk
    stream, disk = data.stream(shape), data.raw(shape)
    with bench.work(shape.data) as work, stage(work, stream, disk, shape) as on:
        ways: dict[str, Callable[[], Run]] = {
            IMAGE_MODE: partial(by_thresher, on, IMAGES_OF),
            VOLUME_MODE: partial(by_thresher, on, VOLUMES_OF, diskMode="volume"),
            ADDON: partial(by_addon, on),
        }
        runs = in_turn(ways, bench.rounds, bench.say)
    about = (
        f"A VM with one disk of {shape} goes from the simulated vCenter (over TLS) into the simulated Harvester: from"
        " the open source until the image is ready there, with Longhorn's SHA-512 of the whole image, the same for each"
        " image; in volume mode until the VM is made. The add-on's way has no operator here: its steps follow at once."
        " CPU is that of all that takes part, Harvester's download included; memory that of what moves the disk."
    )
    return Section(
        "whole",
        "The whole import",
        about,
        tuple(Row(name, done) for name, done in runs.items()),
        TARGETS,
        ("wall", "scratch"),
    )


def by_thresher(on: Stage, mode: Mode, **spec: Any) -> Run:
    """One import, applied once the source is ready; ``spec`` is added to its own."""
    with _namespace(on) as namespace:
        apply(on.cluster, text(source(on.vc, namespace)))
        eventually(lambda: _source_is_ready(on, namespace), seconds=PATIENCE_S, what="the source is not ready")

        run = _measured(
            on,
            lambda: apply(on.cluster, text([vm_import(VM, namespace, **spec)])),
            sent=lambda: mode.sent(on, namespace),
            done=lambda: mode.done(on, namespace),
        )
        _check(on, mode.stored(on, namespace))
        return run


def by_addon(on: Stage) -> Run:
    """Download all, convert all, and serve all plainly to VirtualMachineImages."""
    with _namespace(on) as namespace, nginx.serve(_volume(on, namespace)) as site:
        folder = _volume(on, namespace)
        size = on.disk.stat().st_size
        run = _measured(
            on,
            partial(_addon_steps, on, namespace, folder, site),
            sent=lambda: found if (found := site.sent()) > size else None,
            done=lambda: image_is_ready(on, namespace),
        )
        _check(on, _images(on, namespace))
        return run


def _addon_steps(on: Stage, namespace: str, folder: Path, site: nginx.Site) -> None:
    addon.download(on.vc, VM, folder)
    for raw in addon.convert(folder):
        on.harvester.kube.create(IMAGES, image(namespace, f"disk-{raw.stem}", site.http + raw.name))


def _measured(on: Stage, begin: Callable[[], None], sent: Callable[[], int | None], done: Callable[[], bool]) -> Run:
    """What it takes.

    Args:
        on: what runs.
        begin: does what has to be done by hand.
        sent: how many bytes went to Harvester; None before all did.
        done: whether the clock stops.
    """
    why = f"it did not end; the operator says: {on.operator.log.read_text()[-4000:]}"
    on.vc.reset_log()
    settle()
    watch = Watch(os.getpid(), on.scratch)
    watch.begin()
    began = time.perf_counter()
    with watching(watch):
        begin()
        eventually(lambda: sent() is not None, seconds=PATIENCE_S, what=why)
        all_sent = time.perf_counter() - began
        eventually(done, seconds=PATIENCE_S, what=why)
        wall = time.perf_counter() - began
    return {
        "wall": wall,
        "sent": all_sent,
        "cpu": sum(one.cpu for one in watch.of(*PARTS)),
        # a tiny disk's curl and qemu-img may come and go between two looks
        "memory": float(max((one.memory for one in watch.of(*MOVERS)), default=0)),
        "scratch": float(watch.peak),
        "data": float(on.disk.stat().st_blocks * 512),
        "source_wire": float(on.vc.log().bytes),
        "image_wire": float(sent() or 0),
    }


@contextmanager
def _namespace(on: Stage) -> Iterator[str]:
    """A namespace with the network; at the end it goes, with all in it, and the next begins with the same room."""
    name = f"bench-{time.monotonic_ns()}"
    on.harvester.kube.create(NAMESPACES, {"metadata": {"name": name}})
    apply(on.cluster, network("vlan1", name))
    yield name
    for kind in ("virtualmachineimport.migration", "vm", "virtualmachineimage", "pvc"):
        on.cluster.kubectl("delete", kind, "--all", "-n", name, "--timeout=120s")
    on.cluster.kubectl("delete", "namespace", name, "--timeout=120s")
    eventually(lambda: on.scratch() == 0, seconds=120, what=f"{name} leaves something in volumes")


def _source_is_ready(on: Stage, namespace: str) -> bool:
    found = get(on.cluster, "vmwaresource.migration", namespace, "vcenter") or {}
    return bool((found.get("status") or {}).get("status") == "clusterReady")


def _volume(on: Stage, namespace: str) -> Path:
    """A volume with a file system, as a worker has one: the add-on's room for VMDKs and raw files."""
    room = (2 * on.disk.stat().st_size + GIB) // MIB
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": DEFAULT_CLASS,
        "resources": {"requests": {"storage": f"{room}Mi"}},
    }
    on.harvester.kube.ensure(CLAIMS, {"metadata": {"name": "addon", "namespace": namespace}, "spec": spec})
    eventually(lambda: on.harvester.disk_bytes(namespace, "addon").is_dir(), what="the volume is not there")
    return on.harvester.disk_bytes(namespace, "addon")


def _check(on: Stage, stored: Sequence[Path]) -> None:
    """What Harvester has is the disk."""
    assert stored, "Harvester has no disk"
    for path in stored:
        if path.stat().st_size > (size := on.disk.stat().st_size):  # a volume has whole GiB
            subprocess.run(["cmp", f"--bytes={size}", str(path), str(on.disk)], check=True)
        else:
            difference = disks.difference(path, on.disk)
            assert not difference, difference


def _images(on: Stage, namespace: str) -> Sequence[Path]:
    """The files of the images."""
    found = on.harvester.kube.list(IMAGES, namespace)["items"]
    return [on.harvester.image_bytes(namespace, each["metadata"]["name"]) for each in found]


def _sent(on: Stage, namespace: str) -> int | None:
    """What the worker says that it sent; the VM has one disk."""
    logs = (on.harvester.root / "pods" / namespace).glob("*/log")
    return sum(int(sent) for log in logs for sent in SENT.findall(log.read_text(encoding="utf-8"))) or None


def _vm_is_created(on: Stage, namespace: str) -> bool:
    path = f"/apis/{API}/namespaces/{namespace}/virtualmachineimports"
    items = on.cluster.request("GET", path).body["items"]
    words = {(each.get("status") or {}).get("importStatus") for each in items}
    assert "VMMigrationFailed" not in words, on.operator.log.read_text()[-4000:]
    return "virtualMachineCreated" in words


def _volumes(on: Stage, namespace: str) -> Sequence[Path]:
    """The files of the VM's own volumes."""
    claims = on.harvester.kube.list(CLAIMS, namespace)["items"]
    blocks = [claim for claim in claims if claim["spec"].get("volumeMode") == "Block"]
    return [on.harvester.disk_bytes(namespace, claim["metadata"]["name"]) for claim in blocks]


IMAGES_OF = Mode(_sent, image_is_ready, _images)
"""Image mode: a worker serves each disk to an image."""
VOLUMES_OF = Mode(lambda on, namespace: 0 if _vm_is_created(on, namespace) else None, _vm_is_created, _volumes)
"""Volume mode: a worker writes each disk to the VM's own volume, nothing is sent, and at the end the VM is there."""
