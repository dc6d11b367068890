"""A real Kubernetes API on loopback: kube-apiserver and etcd, with certificates, RBAC and kubectl.

with kube_cluster() as cluster:
    cluster.kubectl("apply", "-f", "-", stdin=manifest)
    cluster.request("GET", "/api/v1/namespaces/default/secrets", token=cluster.user("operator"))

No controllers run: nothing collects the garbage of owners, ends namespaces, binds PVCs or runs Jobs.
"""

from rig.kube.binaries import apiserver, build_all, etcd, helm, kubectl
from rig.kube.client import APPLY, JSON_PATCH, MERGE_PATCH, Answer, WatchEvent
from rig.kube.cluster import KubeCluster, kube_cluster

__all__ = [
    "APPLY",
    "JSON_PATCH",
    "MERGE_PATCH",
    "Answer",
    "KubeCluster",
    "WatchEvent",
    "apiserver",
    "build_all",
    "etcd",
    "helm",
    "kube_cluster",
    "kubectl",
]
