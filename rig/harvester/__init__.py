"""A simulated Harvester: it plays, against a real API server, what Harvester's controllers do, with real bytes.

with kube_cluster() as cluster, simulated_harvester(cluster) as harvester:
    ...apply a VirtualMachineImage, a VirtualMachine, a Job...
    harvester.fail(Faults(cut_downloads=1, cut_at=1_000_000))
    assert "login:" in harvester.console("default", "web")

It downloads images as Harvester and Longhorn do (with Go's default client), refuses what their webhooks refuse,
binds claims, runs Jobs as processes and VirtualMachines with QEMU, collects garbage and ends namespaces.
"""

from rig.harvester.crds import DEFAULT_CLASS, THIRD_PARTY_CLASS, V2_CLASS
from rig.harvester.faults import Faults, Pace
from rig.harvester.images import Download
from rig.harvester.kube import ApiError, Kube, Object
from rig.harvester.simulation import Cluster, Harvester, eventually, simulated_harvester

__all__ = [
    "DEFAULT_CLASS",
    "THIRD_PARTY_CLASS",
    "V2_CLASS",
    "ApiError",
    "Cluster",
    "Download",
    "Faults",
    "Harvester",
    "Kube",
    "Object",
    "Pace",
    "eventually",
    "simulated_harvester",
]
