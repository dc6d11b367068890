"""Two hundred imports at once, from the simulated vCenter and from OVAs, into the simulated Harvester."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.harvester import Harvester, Pace, simulated_harvester
from rig.kube import KubeCluster, kube_cluster
from rig.operator import Operator, apply, install_crds, network, running_operator
from rig.vcenter import POWERED_OFF, Datacenter, Disk, Inventory, Nic, VCenter, Vm, vcenter
from rig.webserver import WebServer, serve
from thresher.formats.vmdk import write_stream
from thresher.model.units import MIB, Bytes
from thresher.samples.disk import sample_disk
from thresher.samples.ova import write_sample_ova

FROM_VCENTER, FROM_OVA = 40, 160
IMPORTS = FROM_VCENTER + FROM_OVA
TRANSFERS = 4
CAPACITY = Bytes(4 * MIB)
MEMORY_LIMIT_KIB = 300 * 1024
API = "migration.harvesterhci.io/v1beta1"
PATIENCE_S = 1200.0


@pytest.fixture
def vc(tmp_path: Path) -> Iterator[VCenter]:
    stream = tmp_path / "disk.vmdk"
    stream.write_bytes(b"".join(write_stream(sample_disk(CAPACITY, 1, data=Bytes(MIB)), CAPACITY)))
    disk = Disk(CAPACITY, stream=stream, controller="ahci")
    many = Vm("vm", disks=(disk,), nics=(Nic(),), power=POWERED_OFF, count=FROM_VCENTER)
    with vcenter(Inventory(vms=(many,), datacenters=(Datacenter(),))) as vc:
        yield vc


@pytest.fixture
def cluster() -> Iterator[KubeCluster]:
    with kube_cluster() as cluster:
        install_crds(cluster)
        yield cluster


@pytest.fixture
def harvester(cluster: KubeCluster) -> Iterator[Harvester]:
    with simulated_harvester(cluster, Pace(image_retry_s=0.05, restart_s=0.1)) as harvester:
        yield harvester


@pytest.fixture
def operator(cluster: KubeCluster, harvester: Harvester, tmp_path: Path) -> Iterator[Operator]:
    assert not harvester.problems
    with running_operator(cluster, tmp_path, "--max-transfers", str(TRANSFERS)) as operator:
        yield operator


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    folder = tmp_path / "web"
    folder.mkdir()
    write_sample_ova(folder / "vm.ova", "one of many", capacity=Bytes(8 * MIB), data=Bytes(MIB))
    with serve(folder) as server:
        yield server


def source(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def an_import(name: str, vm: str, kind: str, origin: str) -> dict[str, Any]:
    spec = {
        "virtualMachineName": vm,
        "networkMapping": [{"sourceNetwork": "VM Network", "destinationNetwork": "default/vlan1"}],
        "runStrategy": "Halted",  # hundreds of guests under emulation would prove nothing more
        "sourceCluster": {"apiVersion": API, "kind": kind, "name": origin, "namespace": "default"},
    }
    return {"apiVersion": API, "kind": "VirtualMachineImport", "metadata": {"name": name}, "spec": spec}


def objects(vc: VCenter, web: WebServer) -> list[dict[str, Any]]:
    login = {"username": vc.username, "password": vc.password, "caCert": vc.ca_pem}
    named = {"name": "login", "namespace": "default"}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": login},
        source("VmwareSource", "vcenter", {"endpoint": vc.url, "dc": "DC0", "credentials": named}),
        source("OvaSource", "archive", {"url": f"{web.url}vm.ova"}),
        *(an_import(f"v-{n:05}", f"vm-{n:05}", "VmwareSource", "vcenter") for n in range(1, FROM_VCENTER + 1)),
        *(an_import(f"o-{n:05}", f"ova-{n:05}", "OvaSource", "archive") for n in range(1, FROM_OVA + 1)),
    ]


def listed(cluster: KubeCluster, path: str) -> list[dict[str, Any]]:
    """The objects at ``path``, asked of the API itself: kubectl would take as much of the machine as the operator."""
    items: list[dict[str, Any]] = cluster.request("GET", path).body["items"]
    return items


def words(cluster: KubeCluster) -> list[str]:
    found = listed(cluster, f"/apis/{API}/namespaces/default/virtualmachineimports")
    return [item.get("status", {}).get("importStatus", "") for item in found]


def running_jobs(cluster: KubeCluster) -> int:
    jobs = listed(cluster, "/apis/batch/v1/namespaces/default/jobs")
    return sum(1 for job in jobs if job.get("status", {}).get("active"))


def peak_memory_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


@pytest.mark.timeout(PATIENCE_S + 120)
def test_two_hundred_imports_all_end_within_the_limits(
    cluster: KubeCluster, harvester: Harvester, operator: Operator, vc: VCenter, web: WebServer
) -> None:
    apply(cluster, network("vlan1", "default"))
    apply(cluster, "\n---\n".join(json.dumps(made) for made in objects(vc, web)))
    most, end = 0, time.monotonic() + PATIENCE_S
    while (seen := words(cluster)).count("virtualMachineCreated") < IMPORTS:
        most = max(most, running_jobs(cluster))
        assert time.monotonic() < end, f"not all ended: { {word: seen.count(word) for word in set(seen)} }"
        assert operator.running, operator.log.read_text()[-4000:]
        time.sleep(1)
    assert 0 < most <= TRANSFERS
    assert peak_memory_kib(operator.pid) < MEMORY_LIMIT_KIB
    assert not vc.leases()
    assert not harvester.problems
    assert vc.password not in operator.log.read_text()
