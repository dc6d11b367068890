"""The chart, the add-on and the plain manifests, as helm and a real API server see them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.chart import CHART, DEPLOY, MANIFESTS, helm, manifests, template
from rig.harvester import Harvester, simulated_harvester
from rig.kube import KubeCluster, kube_cluster
from rig.operator import apply, get, install_crds
from thresher import __version__
from thresher.cli.daemons import operator

NAMESPACE = "thresher-test"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example.com/thresher", "digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
    "replicas": 2,
    "namespaces": ["team-a", "team-b"],
    "maxTransfers": 8,
    "limits": {"bandwidth": "500Mi", "blackout": ["08:00-18:00 Europe/Berlin", "22:00-23:00"]},
    "allowCrossNamespaceSources": False,
    "bootWaitSeconds": 60,
    "diskPort": 9090,
    "scratch": {"storageClass": "longhorn-v2", "factor": 1.25},
    "logLevel": "debug",
    "serviceAccount": {"annotations": {"example.com/owner": "team"}},
    "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
    "podAnnotations": {"example.com/note": "yes"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
            }
        }
    },
    "priorityClassName": "system-cluster-critical",
    "podMonitor": {"enabled": True, "interval": "1m", "labels": {"release": "rancher-monitoring"}},
    "networkPolicy": {
        "enabled": True,
        "workerNamespaces": ["team-a", "team-b"],
        "readers": ["harvester-system", "longhorn-system"],
        "monitoring": ["cattle-monitoring-system"],
    },
}
STRING = {"type": "string"}
STRINGS = {"type": "object", "additionalProperties": STRING}
POD_MONITOR = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "podmonitors.monitoring.coreos.com"},
    "spec": {
        "group": "monitoring.coreos.com",
        "scope": "Namespaced",
        "names": {"kind": "PodMonitor", "plural": "podmonitors", "singular": "podmonitor"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["selector", "podMetricsEndpoints"],
                                "properties": {
                                    "selector": {"type": "object", "properties": {"matchLabels": STRINGS}},
                                    "podMetricsEndpoints": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "properties": {"port": STRING, "path": STRING, "interval": STRING},
                                        },
                                    },
                                },
                            }
                        },
                    }
                },
            }
        ],
    },
}
"""What the chart uses of it ("PodMonitorSpec" in the Prometheus operator's API reference)."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[KubeCluster]:
    with kube_cluster() as cluster:
        install_crds(cluster)
        apply(cluster, json.dumps(POD_MONITOR))
        done = cluster.kubectl("wait", "--for=condition=Established", "crd/podmonitors.monitoring.coreos.com")
        assert done.returncode == 0, done.stderr
        for name in (NAMESPACE, "team-a", "team-b"):
            assert cluster.kubectl("create", "namespace", name).returncode == 0
        yield cluster


@pytest.fixture(scope="module")
def harvester(cluster: KubeCluster) -> Iterator[Harvester]:
    with simulated_harvester(cluster) as harvester:
        yield harvester


def rendered(tmp_path: Path, values: dict[str, Any], namespace: str = NAMESPACE) -> str:
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values))
    done = template("--values", str(file), namespace=namespace)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str, kind: str) -> list[Any]:
    return [item for item in yaml.safe_load_all(text) if item and item["kind"] == kind]


def test_lint_has_nothing_to_say() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["default", "everything"])
def test_the_api_server_takes_what_is_rendered(cluster: KubeCluster, tmp_path: Path, values: dict[str, Any]) -> None:
    text = rendered(tmp_path, values)
    done = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "deployment.apps/thresher created (server dry run)" in done.stdout


def test_everything_switches_everything_on(tmp_path: Path) -> None:
    assert EVERYTHING.keys() == VALUES.keys()
    kinds = {item["kind"] for item in yaml.safe_load_all(rendered(tmp_path, EVERYTHING)) if item}
    assert {"PodMonitor", "NetworkPolicy", "Role", "ClusterRole"} <= kinds


def test_the_pod_is_a_restricted_one(cluster: KubeCluster, tmp_path: Path) -> None:
    (deployment,) = objects(rendered(tmp_path, {}), "Deployment")
    label = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("create", "namespace", "restricted")
    assert cluster.kubectl("label", "namespace", "restricted", label).returncode == 0
    pod = {"apiVersion": "v1", "kind": "Pod", **deployment["spec"]["template"]}
    pod["metadata"] = {"name": "operator", "namespace": "restricted"}
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    assert done.returncode == 0, done.stderr
    (container,) = pod["spec"]["containers"]
    del container["securityContext"]
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    assert 'violates PodSecurity "restricted' in done.stderr
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_the_root_is_read_only_and_probes_go_where_pages_are(tmp_path: Path) -> None:
    (deployment,) = objects(rendered(tmp_path, {}), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["ports"] == [{"name": "http", "containerPort": 8081}]
    probes = [container[name]["httpGet"] for name in ("livenessProbe", "readinessProbe")]
    assert probes == [{"path": "/healthz", "port": "http"}, {"path": "/readyz", "port": "http"}]


def test_the_operator_understands_its_arguments(tmp_path: Path) -> None:
    (deployment,) = objects(rendered(tmp_path, EVERYTHING), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"][0] == "operator"
    assert operator.make_context("operator", container["args"][1:]).params == {
        "worker_image": EVERYTHING["image"]["repository"] + "@" + EVERYTHING["image"]["digest"],
        "namespaces": ("team-a", "team-b"),
        "cross_namespace_sources": False,
        "boot_wait_seconds": 60,
        "max_transfers": 8,
        "disk_port": 9090,
        "scratch_storage_class": "longhorn-v2",
        "scratch_factor": 1.25,
        "bandwidth": "500Mi",
        "blackout": ("08:00-18:00 Europe/Berlin", "22:00-23:00"),
        "lease_namespace": "$(NAMESPACE)",  # the kubelet puts the variable in
        "port": 8081,
        "log_level": "debug",
    }
    assert container["image"] == EVERYTHING["image"]["repository"] + "@" + EVERYTHING["image"]["digest"]


def test_the_default_values_are_the_operator_s_own(tmp_path: Path) -> None:
    (deployment,) = objects(rendered(tmp_path, {}), "Deployment")
    arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"][1:]
    ours = operator.make_context("operator", ["--worker-image", f"thresher:{__version__}"]).params
    assert operator.make_context("operator", arguments).params == ours | {"lease_namespace": "$(NAMESPACE)"}


@pytest.mark.parametrize(
    "wrong",
    [
        "replicas=-1",
        "replicas=many",
        "maxTransfers=0",
        "limits.bandwidth=fast",
        "limits.blackout={8-18}",
        "limits.blackout=08:00-18:00",
        "limits.bandwith=1Gi",
        "bootWaitSeconds=0",
        "allowCrossNamespaceSources=maybe",
        "diskPort=80",
        "diskPort=70000",
        "scratch.factor=0.5",
        "scratch.storageclass=fast",
        "logLevel=loud",
        "image.repository=",
        "image.digest=sha256:0",
        "image.pullPolicy=Sometimes",
        "namespaces={Team}",
        "namespaces={a,a}",
        "podMonitor.enabled=perhaps",
        "podMonitor.interval=often",
        "networkPolicy.readers=all",
        "tolerations=none",
        "maxTransfer=4",
    ],
)
def test_wrong_values_are_refused(wrong: str) -> None:
    done = template("--set", wrong)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


def test_a_network_policy_has_to_know_where_workers_are() -> None:
    done = template("--set", "networkPolicy.enabled=true")
    assert "set networkPolicy.workerNamespaces, or namespaces" in done.stderr


def test_disks_are_for_harvester_alone(tmp_path: Path) -> None:
    found = objects(rendered(tmp_path, EVERYTHING), "NetworkPolicy")
    workers = [item for item in found if item["metadata"]["name"] == "thresher-workers"]
    assert [item["metadata"]["namespace"] for item in workers] == ["team-a", "team-b"]
    (rule,) = workers[0]["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 9090}]
    (expression,) = rule["from"][0]["namespaceSelector"]["matchExpressions"]
    assert expression["values"] == ["harvester-system", "longhorn-system"]
    asks = rule["from"][1]
    assert asks["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": NAMESPACE}
    (deployment,) = objects(rendered(tmp_path, EVERYTHING), "Deployment")
    assert asks["podSelector"]["matchLabels"] == deployment["spec"]["selector"]["matchLabels"]


def test_every_value_is_documented_and_in_the_schema() -> None:
    lines = (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert VALUES.keys() == schema["properties"].keys() - {"global"}
    parts = [lines[i - 1].strip() for i, line in enumerate(lines) if line.startswith("  ") and line.strip()[0] != "#"]
    inside_resources = {"resources:", "requests:", "cpu: 100m", "memory: 128Mi", "limits:"}
    assert [before for before in parts if not before.startswith("#") and before not in inside_resources] == []


def test_the_document_names_every_value() -> None:
    text = (DEPLOY.parent / "docs" / "install.md").read_text(encoding="utf-8")
    rows = text.partition("## Values")[2].partition("\n## ")[0]
    for name, value in VALUES.items():
        inner = value if isinstance(value, dict) and name not in {"resources", "nodeSelector", "affinity"} else {}
        assert f"`{name}" in rows
        assert all(f".{key}`" in rows for key in inner), name


def test_the_crds_of_the_chart_are_ours() -> None:
    ours = {path.name: path.read_bytes() for path in (DEPLOY / "crds").iterdir()}
    chart = {path.name: path.read_bytes() for path in (CHART / "crds").iterdir()}
    assert chart == ours, "run `make crds`"
    assert len(ours) == 4


def test_versions_are_the_package_s() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    addon = yaml.safe_load((DEPLOY / "addon.yaml").read_text(encoding="utf-8"))
    assert chart["version"] == chart["appVersion"] == addon["spec"]["version"] == __version__


def test_the_plain_manifests_are_fresh() -> None:
    assert MANIFESTS.read_text(encoding="utf-8") == manifests(), "run `make manifests`"


def test_the_plain_manifests_install(cluster: KubeCluster) -> None:
    done = cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(MANIFESTS))
    assert done.returncode == 0, done.stderr
    assert get(cluster, "deployment", "thresher-system", "thresher") is not None
    done = cluster.kubectl("delete", "deployment,role,rolebinding", "--all", "-n", "thresher-system")
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("harvester")
def test_the_add_on_is_one_and_its_values_are_the_chart_s(cluster: KubeCluster, tmp_path: Path) -> None:
    addon = yaml.safe_load((DEPLOY / "addon.yaml").read_text(encoding="utf-8"))
    assert set(addon["spec"]) == {"repo", "chart", "version", "enabled", "valuesContent"}
    assert addon["spec"]["chart"] == yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["name"]
    cluster.kubectl("create", "namespace", "harvester-system")
    done = cluster.kubectl("apply", "--dry-run=server", "-f", str(DEPLOY / "addon.yaml"))
    assert done.returncode == 0, done.stderr
    text = rendered(tmp_path, yaml.safe_load(addon["spec"]["valuesContent"]), "harvester-system")
    done = cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert done.returncode == 0, done.stderr


def test_helm_installs_upgrades_and_removes(cluster: KubeCluster) -> None:
    place = ("helmed", str(CHART), "--namespace", "helmed")
    done = cluster.helm("install", *place, "--create-namespace", "--skip-crds", "--set", "maxTransfers=9")
    assert done.returncode == 0, done.stderr
    assert "vm-import-controller has to be disabled" in done.stdout
    done = cluster.helm("upgrade", *place, "--reset-then-reuse-values")
    assert done.returncode == 0, done.stderr
    found = get(cluster, "deployment", "helmed", "helmed-thresher")
    assert "--max-transfers=9" in found["spec"]["template"]["spec"]["containers"][0]["args"]
    done = cluster.helm("uninstall", "helmed", "--namespace", "helmed")
    assert done.returncode == 0, done.stderr
    assert get(cluster, "deployment", "helmed", "helmed-thresher") is None
    assert cluster.kubectl("get", "crd", "virtualmachineimports.migration.harvesterhci.io").returncode == 0
