"""Many imports: how long the operator takes until each stands where it has to wait, and what waiting costs it."""

import re
import time

from benchmarks.bench import Bench
from benchmarks.figures import Row, Run, Section, Target
from benchmarks.manifests import source, text, vm_import
from benchmarks.measure import cpu_of, peak_of
from rig.harvester import simulated_harvester
from rig.kube import KubeCluster, kube_cluster
from rig.operator import Operator, apply, install_crds, network, running_operator, wait
from rig.vcenter import Datacenter, Disk, Inventory, Nic, VCenter, Vm, vcenter
from thresher.imports.phases import Phase
from thresher.model.units import GIB, MIB, Bytes

RECONCILED, WAITING = "until each waits for its turn", "waiting, for a while"
REQUESTS = re.compile(r"^apiserver_request_total\{([^}]*)\} (\S+)$", re.MULTILINE)
GAUGE = re.compile(r"^(thresher_\w+\{.*\}) (\S+)$", re.MULTILINE)
STANDING = Phase.COPYING.value
RESOURCE = re.compile(r'resource="([^"]*)"')
OURS = frozenset(
    (
        *("configmaps", "events", "jobs", "network-attachment-definitions", "openstacksources", "ovasources"),
        *("persistentvolumeclaims", "pods", "secrets", "storageclasses", "virtualmachineimages"),
        *("virtualmachineimports", "virtualmachines", "vmwaresources"),
    )
)
"""What the operator asks for. The API server's own requests are for other things, but for a few ConfigMaps."""
SETTLE_S = 5.0
PATIENCE_S = 3600.0


PAUSED = ("--bandwidth", "0")
CHUNK = 250
"""Imports in one ``kubectl apply``."""


def measure(bench: Bench) -> Section:
    """Once, whatever the rounds: a thousand imports are runs enough."""
    count, idle = bench.sizes.imports, bench.sizes.idle_s
    disk = Disk(Bytes(4 * GIB), controller="ahci")
    machines = Inventory((Vm("vm", disks=(disk,), nics=(Nic(),), count=count),), (Datacenter("DC0"),))
    with bench.work(MIB) as work, vcenter(machines) as vc, kube_cluster() as cluster:
        install_crds(cluster)
        with simulated_harvester(cluster):
            pass  # its kinds and storage classes stay, and nobody else asks the API server from now on
        _make(cluster, vc, count)
        bench.say(f"{count} imports are there; the operator starts")
        before, began = requests(cluster), time.perf_counter()
        with running_operator(cluster, work, *PAUSED) as operator:
            rows = (
                Row(RECONCILED, (_reconciled(cluster, operator, count, before, began),)),
                Row(WAITING, (_waiting(cluster, operator, count, idle),)),
            )
    about = (
        f"{count} VirtualMachineImports of VMs of one vCenter, there before the operator starts, are checked and"
        " accepted, and then wait: transfers are paused (bandwidth 0), as a queue or a window of the day has them wait."
        f" Then the operator is watched for {idle:.0f} s. Measured once. Requests are those that the API server counts"
        " for the kinds that the operator reads and writes."
    )
    targets = (Target(f"{count} idle imports: share of a core", WAITING, "share", 0.01),)
    return Section("imports", "Many imports in the operator", about, rows, targets, ("share",))


def _make(cluster: KubeCluster, vc: VCenter, count: int) -> None:
    apply(cluster, network("vlan1", "default"))
    apply(cluster, text(source(vc)))
    made = [vm_import(f"vm-{number:05}", name=f"import-{number:05}") for number in range(1, count + 1)]
    for at in range(0, count, CHUNK):
        apply(cluster, text(made[at : at + CHUNK]))


def _reconciled(cluster: KubeCluster, operator: Operator, count: int, before: int, began: float) -> Run:
    """Wait until every import waits."""
    what = "not every import waits"
    wait(lambda: waiting(operator) == count, what=what, seconds=PATIENCE_S, log=operator.log)
    wall = time.perf_counter() - began
    return {
        "wall": wall,
        "each": wall / count,
        "cpu": cpu_of(operator.pid),
        "memory": float(peak_of(operator.pid)),
        "requests": float(requests(cluster) - before),
        "objects": float(count),
    }


def _waiting(cluster: KubeCluster, operator: Operator, count: int, seconds: float) -> Run:
    """What nothing to do costs."""
    time.sleep(SETTLE_S)
    asked, cpu, began = requests(cluster), cpu_of(operator.pid), time.perf_counter()
    time.sleep(seconds)
    wall, spent = time.perf_counter() - began, cpu_of(operator.pid) - cpu
    assert waiting(operator) == count, "an import has moved on"
    return {
        "wall": wall,
        "cpu": spent,
        "share": spent / wall,
        "memory": float(peak_of(operator.pid)),
        "requests": float(requests(cluster) - asked),
        "objects": float(count),
    }


def waiting(operator: Operator) -> int:
    """How many imports stand before their transfer, as the operator's metrics tell; 0 while something is to be done."""
    told = dict(GAUGE.findall(operator.page("/metrics")))
    busy = float(told.get('thresher_queue_depth{controller="imports"}', 1))
    return 0 if busy else round(float(told.get(f'thresher_imports{{phase="{STANDING}"}}', 0)))


def requests(cluster: KubeCluster) -> int:
    """How many requests the API server has answered for the operator's kinds."""
    done = cluster.kubectl("get", "--raw", "/metrics")
    assert done.returncode == 0, done.stderr
    counted = ((RESOURCE.search(labels), number) for labels, number in REQUESTS.findall(done.stdout))
    return round(sum(float(number) for found, number in counted if found and found[1] in OURS))
