"""Builds the real programs, each version pinned by a go.mod here and its go.sum."""

import re
from pathlib import Path

from rig import golang

_HERE = Path(__file__).parent
_STAMP = "-X k8s.io/component-base/version.gitVersion={version} -X k8s.io/client-go/pkg/version.gitVersion={version}"


def etcd() -> Path:
    """The path of etcd; built unless it is in the cache already."""
    return golang.build("etcd", _HERE / "etcd", note="half a minute at first")


def apiserver() -> Path:
    """The path of kube-apiserver; built unless it is in the cache already."""
    note = "the real one: 6 minutes on two cores at first, once for all"
    return _kubernetes("kube-apiserver", note)


def kubectl() -> Path:
    """The path of kubectl, of the API server's version; built unless it is in the cache already."""
    return _kubernetes("kubectl", "two minutes at first")


def helm() -> Path:
    """The path of helm 3; built unless it is in the cache already."""
    return golang.build("helm", _HERE / "helm", package="helm.sh/helm/v3/cmd/helm", note="some minutes at first")


def build_all() -> list[Path]:
    """Build whatever is not in the cache yet."""
    return [etcd(), apiserver(), kubectl(), helm()]


def kubernetes_version() -> str:
    """The version pinned in ``apiserver/go.mod``, such as v1.34.2."""
    text = (_HERE / "apiserver" / "go.mod").read_text(encoding="utf-8")
    found = re.search(r"k8s\.io/kubernetes (v\S+)", text)
    assert found, "apiserver/go.mod names no version of k8s.io/kubernetes"
    return found[1]


def _kubernetes(name: str, note: str) -> Path:
    stamp = _STAMP.format(version=kubernetes_version())
    package = f"k8s.io/kubernetes/cmd/{name}"
    return golang.build(name, _HERE / "apiserver", package=package, ldflags=f"-s -w {stamp}", note=note)
