"""All that takes part, and the source VMs with the digests of their disks."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig.harvester import Faults as HarvesterFaults
from rig.harvester import Harvester, Pace, simulated_harvester
from rig.harvester.kinds import NAMESPACES
from rig.kube import KubeCluster, kube_cluster
from rig.kube.client import Client
from rig.operator import Operator, allow, apply, install_crds, network
from rig.ova import PackedDisk, archive, ovf
from rig.vcenter import POWERED_OFF, POWERED_ON, Disk, Inventory, MortalVCenter, Nic, Shutdown, Vm
from rig.webserver import Faults as WebFaults
from rig.webserver import WebServer, serve
from thresher.formats.vmdk import write_stream
from thresher.model.extent import Extent
from thresher.model.units import MIB, Bytes
from thresher.samples.disk import sample_disk

NAMESPACE = "chaos"
API = "migration.harvesterhci.io/v1beta1"
RATE = 3 * MIB
"""Bytes a second of each stream from a source: a disk takes so long that faults hit it."""
DOWNLOAD_RATE = 24 * MIB
"""Bytes a second of each of Harvester's downloads, likewise."""
LEASE_S = 8.0
"""How long an export's lease lives without a sign of life. vCenter's 300 s would lock each killed worker's VM."""
TRANSFERS = 4
VMS = 240
SOURCES = ("VmwareSource", "OvaSource")


@dataclass(frozen=True, slots=True)
class SourceDisk:
    """A disk of the source: its stream, and the SHA-512 of the raw disk in it."""

    stream: Path
    capacity: int
    sha512: str


@dataclass(frozen=True, slots=True)
class SourceVm:
    """A VM to import.

    Attributes:
        name: at its source.
        kind: of the source.
        disks: in their order.
        power: as it was found; "" where there is none.
        boots: whether the new VM is to run, too.
    """

    name: str
    kind: str
    disks: tuple[SourceDisk, ...]
    power: str = ""
    boots: bool = False

    @property
    def stream_bytes(self) -> int:
        """What has to be read at least."""
        return sum(disk.stream.stat().st_size for disk in self.disks)


@dataclass
class Stage:
    """What runs.

    Attributes:
        served: bytes that earlier runs of the vCenter served.
        down: what is down on purpose: vcenter, operator, api.
    """

    home: Path
    cluster: KubeCluster
    harvester: Harvester
    mortal: MortalVCenter
    web: WebServer
    operator: Operator
    vms: Sequence[SourceVm]
    served: int = 0
    down: set[str] = field(default_factory=set)

    def vcenter_faults(self, **faults: Any) -> None:  # the fields of the simulator's faults, which it checks
        """Set the vCenter's faults, on top of a slow link and short leases."""
        self.mortal.vc.faults(**{"bytes_per_second": RATE, "lease_seconds": LEASE_S, **faults})

    def harvester_faults(self, *, cut_downloads: int = 0, cut_at: int = 0) -> None:
        """Set Harvester's faults, on top of a slow link."""
        self.harvester.fail(HarvesterFaults(cut_downloads, cut_at, rate=DOWNLOAD_RATE))

    @property
    def api(self) -> Client:
        """The administrator's client, which does not wait long for a server that hangs."""
        return Client(self.cluster.url, self.cluster.ca_pem, self.cluster.token, timeout_s=5)

    @property
    def bytes_read(self) -> int:
        """What the sources have sent so far. The vCenter runs."""
        return self.served + self.mortal.vc.log().bytes + self.web.sent

    def objects(self, path: str) -> list[dict[str, Any]]:
        """The objects at a path of the API. Raises OSError where it is away."""
        answer = self.api.request("GET", path)
        if answer.status != 200:  # noqa: PLR2004 - OK
            raise ConnectionError(f"{path}: {answer.status}")
        items: list[dict[str, Any]] = answer.body["items"]
        return items


@contextmanager
def stage(home: Path) -> Iterator[Stage]:
    """Start everything; at the end all is stopped."""
    vms = _source_vms(home)
    mortal = MortalVCenter(_inventory(vms), home / "vcenter")
    mortal.start()
    try:
        with (
            serve(home / "web", faults=WebFaults(rate=RATE)) as web,
            kube_cluster() as cluster,
            simulated_harvester(cluster, Pace(idle_s=10, begin_s=20, image_retry_s=0.5, restart_s=0.5)) as harvester,
        ):
            install_crds(cluster)
            harvester.kube.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
            apply(cluster, network("vlan1", NAMESPACE))
            flags = ("--max-transfers", str(TRANSFERS))
            operator = Operator(cluster, home, flags, token=allow(cluster, "operator"))
            on = Stage(home, cluster, harvester, mortal, web, operator, vms)
            on.vcenter_faults()
            on.harvester_faults()
            apply(cluster, "\n---\n".join(json.dumps(made) for made in _sources(on)))
            operator.start()
            try:
                yield on
            finally:
                operator.stop()
    finally:
        mortal.kill()


def _source_vms(home: Path) -> Sequence[SourceVm]:
    """One-disk and two-disk VMs of the vCenter, on and off, and VMs of an OVA; a few of them boot."""
    (home / "web").mkdir(parents=True)
    boot = _disk(home, "boot", 64, 24, seed=1, marker="survived")
    data = _disk(home, "data", 40, 12, seed=2)
    packed = [PackedDisk(f"{d.stream.name}", d.stream.read_bytes(), d.capacity) for d in (boot, data)]
    descriptor = ovf({"packed": packed})
    files = [("packed.ovf", descriptor), *((disk.href, disk.content) for disk in packed)]
    archive(home / "web" / "packed.ova", files)
    vms = []
    for number in range(VMS):
        if number % 3 == 2:  # noqa: PLR2004 - every third
            vms.append(SourceVm(f"packed-{number:03}", "OvaSource", (boot, data)))
            continue
        power = POWERED_ON if number % 4 == 1 else POWERED_OFF
        disks = (boot, data) if number % 2 else (boot,)
        vms.append(SourceVm(f"vm-{number:03}", "VmwareSource", disks, power, boots=number % 12 == 0))
    return vms


def _disk(home: Path, name: str, capacity: int, data: int, *, seed: int, marker: str | None = None) -> SourceDisk:
    size = Bytes(capacity * MIB)
    extents: list[Extent] = list(sample_disk(size, seed, marker=marker, data=Bytes(data * MIB)))
    raw = bytearray(size)
    for extent in extents:
        raw[extent.offset : extent.end] = extent.data or b""
    path = home / f"{name}.vmdk"
    with path.open("wb") as file:
        file.writelines(write_stream(extents, size))
    return SourceDisk(path, size, hashlib.sha512(raw).hexdigest())


def _inventory(vms: Sequence[SourceVm]) -> Inventory:
    return Inventory(vms=tuple(_machine(vm) for vm in vms if vm.kind == "VmwareSource"))


def _machine(vm: SourceVm) -> Vm:
    disks = tuple(
        Disk(disk.capacity, stream=disk.stream, controller="ahci", unit=unit, content_id=disk.sha512[:8])
        for unit, disk in enumerate(vm.disks)
    )
    return Vm(vm.name, disks=disks, nics=(Nic(),), power=vm.power, shutdown=Shutdown(seconds=1))


def _sources(on: Stage) -> list[Mapping[str, Any]]:
    vc = on.mortal.vc
    login = {"username": vc.username, "password": vc.password, "caCert": vc.ca_pem}
    named = {"name": "login", "namespace": NAMESPACE}
    vmware = {"endpoint": vc.url, "dc": "DC0", "credentials": named}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": named, "stringData": login},
        {"apiVersion": API, "kind": SOURCES[0], "metadata": _meta(SOURCES[0]), "spec": vmware},
        {
            "apiVersion": API,
            "kind": SOURCES[1],
            "metadata": _meta(SOURCES[1]),
            "spec": {"url": f"{on.web.url}packed.ova"},
        },
    ]


def _meta(kind: str) -> Mapping[str, str]:
    return {"name": kind.lower(), "namespace": NAMESPACE}


def manifest(vm: SourceVm) -> Mapping[str, Any]:
    """The import of a VM, as a user writes it."""
    spec: dict[str, Any] = {
        "virtualMachineName": vm.name if vm.kind == "VmwareSource" else "packed",
        "targetName": vm.name,
        "gracefulShutdownTimeoutSeconds": 5,
        "networkMapping": [{"sourceNetwork": "VM Network", "destinationNetwork": f"{NAMESPACE}/vlan1"}],
        "sourceCluster": {"apiVersion": API, "kind": vm.kind, **_meta(vm.kind)},
    }
    spec["runStrategy"] = "RerunOnFailure" if vm.boots else "Halted"  # guests under emulation take the machine's time
    return {
        "apiVersion": API,
        "kind": "VirtualMachineImport",
        "metadata": {"name": vm.name, "namespace": NAMESPACE},
        "spec": spec,
    }
