"""Two hundred imports at once from the simulated vCenter into the simulated Harvester."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.harvester import Harvester, Pace, simulated_harvester
from rig.kube import KubeCluster, kube_cluster
from rig.operator import Operator, apply, get, install_crds, network, running_operator
from rig.vcenter import POWERED_OFF, Datacenter, Disk, Inventory, Nic, VCenter, Vm, vcenter
from thresher.formats.vmdk import write_stream
from thresher.model.units import MIB, Bytes
from thresher.samples.disk import sample_disk

IMPORTS = 200
TRANSFERS = 4
CAPACITY = Bytes(4 * MIB)
MEMORY_LIMIT_KIB = 300 * 1024
API = "migration.harvesterhci.io/v1beta1"
PATIENCE_S = 1200.0
KIND = "virtualmachineimport.migration"


@pytest.fixture
def vc(tmp_path: Path) -> Iterator[VCenter]:
    stream = tmp_path / "disk.vmdk"
    stream.write_bytes(b"".join(write_stream(sample_disk(CAPACITY, 1, data=Bytes(MIB)), CAPACITY)))
    disk = Disk(CAPACITY, stream=stream, controller="ahci")
    many = Vm("vm", disks=(disk,), nics=(Nic(),), power=POWERED_OFF, count=IMPORTS)
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


def objects(vc: VCenter) -> list[dict[str, Any]]:
    namespace = "default"
    secret = {"username": vc.username, "password": vc.password, "caCert": vc.ca_pem}
    source = {"endpoint": vc.url, "dc": "DC0", "credentials": {"name": "login", "namespace": namespace}}
    reference = {"apiVersion": API, "kind": "VmwareSource", "name": "vcenter", "namespace": namespace}
    found: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": secret},
        {"apiVersion": API, "kind": "VmwareSource", "metadata": {"name": "vcenter"}, "spec": source},
    ]
    found += [
        {
            "apiVersion": API,
            "kind": "VirtualMachineImport",
            "metadata": {"name": f"import-{number:05}"},
            "spec": {
                "virtualMachineName": f"vm-{number:05}",
                "networkMapping": [{"sourceNetwork": "VM Network", "destinationNetwork": "default/vlan1"}],
                "sourceCluster": reference,
            },
        }
        for number in range(1, IMPORTS + 1)
    ]
    return found


def words(cluster: KubeCluster) -> list[str]:
    found = get(cluster, KIND, "default")["items"]
    return [item.get("status", {}).get("importStatus", "") for item in found]


def running_jobs(cluster: KubeCluster) -> int:
    jobs = get(cluster, "jobs", "default")["items"]
    return sum(1 for job in jobs if job.get("status", {}).get("active"))


def peak_memory_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


@pytest.mark.timeout(PATIENCE_S + 120)
def test_two_hundred_imports_all_end_within_the_limits(
    cluster: KubeCluster, harvester: Harvester, operator: Operator, vc: VCenter
) -> None:
    apply(cluster, network("vlan1", "default"))
    apply(cluster, "\n---\n".join(json.dumps(made) for made in objects(vc)))
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
