"""What the chart lets the operator do is what it needs, and no more: it runs with exactly that."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.chart import DEPLOY, template
from rig.harvester import Harvester, Pace, simulated_harvester
from rig.kube import KubeCluster, kube_cluster
from rig.operator import Operator, apply, get, install_crds, network, running_operator, wait
from rig.operator_user import MARKER, User
from rig.webserver import serve
from thresher.model.units import MIB, Bytes
from thresher.samples.ova import write_sample_ova

RBAC = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
CHOSEN = "chosen"
SOURCES = ["vmwaresources", "openstacksources", "ovasources"]
NAMES = {
    "imports": ["virtualmachineimports"],
    "sources": SOURCES,
    "status of imports and sources": [f"{kind}/status" for kind in ("virtualmachineimports", *SOURCES)],
    "lease `thresher` in its own namespace": ["leases"],
}
"""What the document calls resources, where it is not by their own names."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[KubeCluster]:
    with kube_cluster() as cluster:
        install_crds(cluster)
        yield cluster


@pytest.fixture(scope="module")
def harvester(cluster: KubeCluster) -> Iterator[Harvester]:
    with simulated_harvester(cluster, Pace(idle_s=2.0, image_retry_s=0.05, restart_s=0.1)) as harvester:
        yield harvester
        assert not harvester.problems, harvester.problems[0]


def chart_rights(namespace: str, *settings: str) -> list[Any]:
    done = template(*settings, namespace=namespace)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item and item["kind"] in RBAC]


def documented() -> dict[str, set[str]]:
    """Verbs by resource, as the document's table has them."""
    text = (
        (DEPLOY.parent / "docs" / "install.md").read_text(encoding="utf-8").partition("## What the operator may do")[2]
    )
    found: dict[str, set[str]] = {}
    for row in re.findall(r"^\| (.+?) \| ([a-z,; ]+) \|", text, re.MULTILINE)[1:]:
        called = row[0].lower()
        names = NAMES.get(called) or called.split(", ")
        for name in names:
            plain = name.replace("network attachment d", "network-attachment-d").replace(" ", "")
            found.setdefault(plain, set()).update(re.split("[,;] ", row[1]))
    return found


def test_the_document_says_what_the_chart_grants() -> None:
    granted: dict[str, set[str]] = {}
    for role in chart_rights("documented"):
        for rule in role.get("rules", ()):
            for resource in rule["resources"]:
                granted.setdefault(resource, set()).update(rule["verbs"])
    assert documented() == granted
    assert not any("*" in verbs for verbs in (granted, *granted.values()))


@contextmanager
def bound(cluster: KubeCluster, namespace: str, rights: list[Any]) -> Iterator[str]:
    """The token of the chart's ServiceAccount, which has these rights while the context lasts."""
    made = yaml.safe_dump_all(rights)
    cluster.kubectl("create", "namespace", namespace)
    apply(cluster, made)
    token = cluster.kubectl("create", "token", "thresher", "-n", namespace, "--duration=1h")
    assert token.returncode == 0, token.stderr
    try:
        yield token.stdout.strip()
    finally:
        done = cluster.kubectl("delete", "-f", "-", stdin=made)
        assert done.returncode == 0, done.stderr


@contextmanager
def user_of(cluster: KubeCluster, harvester: Harvester, operator: Operator, name: str, folder: Path) -> Iterator[User]:
    """A user with an OVA and a namespace of that name."""
    cluster.kubectl("create", "namespace", name)
    web = folder / "web"
    web.mkdir()
    write_sample_ova(web / "vm.ova", MARKER, capacity=Bytes(16 * MIB), data=Bytes(2 * MIB))
    apply(cluster, network("vlan1", name))
    with serve(web) as server:
        yield User(cluster, harvester, operator, name, server)


def import_and_delete(user: User) -> None:
    """An import from the beginning to its end: all that the operator does in the namespace."""
    user.import_ova()
    user.wait_for("virtualMachineRunning")
    wait(lambda: not user.names("jobs"), what="the worker stays", log=user.operator.log)
    user.delete()


@pytest.mark.parametrize(
    ("namespace", "settings", "flags"),
    [
        ("everywhere", (), ()),
        ("limited", ("--set", f"namespaces={{{CHOSEN}}}"), ("--namespace", CHOSEN)),
    ],
)
def test_the_chart_s_rights_are_enough(
    cluster: KubeCluster, harvester: Harvester, tmp_path: Path, namespace: str, settings: tuple[str, ...], flags: Any
) -> None:
    cluster.kubectl("create", "namespace", CHOSEN)
    lead = ("--lease-namespace", namespace, *flags)
    with (
        bound(cluster, namespace, chart_rights(namespace, *settings)) as token,
        running_operator(cluster, tmp_path, *lead, token=token) as operator,
        user_of(cluster, harvester, operator, CHOSEN, tmp_path) as user,
    ):
        import_and_delete(user)
        user.import_ova("cancelled", storageClass="harvester-longhorn", vm="sample", targetName="other")
        wait(lambda: user.names("jobs"), what="no worker", log=operator.log)
        user.delete("cancelled")
        assert operator.stop() == 0
        assert "forbidden" not in operator.log.read_text()
    holder = get(cluster, "lease", namespace, "thresher")["spec"]["holderIdentity"]
    assert not holder, "the Lease is given back"
    cluster.kubectl("delete", "vm,pvc,vmimage", "--all", "-n", CHOSEN)


def test_one_right_too_few_is_seen(cluster: KubeCluster, harvester: Harvester, tmp_path: Path) -> None:
    rights = json.loads(json.dumps(chart_rights("few")))
    (role,) = [item for item in rights if item["kind"] == "ClusterRole"]
    (rule,) = [rule for rule in role["rules"] if rule["resources"] == ["jobs"]]
    rule["verbs"].remove("create")
    with (
        bound(cluster, "few", rights) as token,
        running_operator(cluster, tmp_path, "--lease-namespace", "few", token=token) as operator,
        user_of(cluster, harvester, operator, "without-jobs", tmp_path) as user,
    ):
        user.import_ova()
        wait(lambda: "forbidden" in str(user.status()), what="nobody says so", log=operator.log)
        assert user.word() != "virtualMachineRunning"


def test_others_cannot_be_raised_beyond_the_operator(cluster: KubeCluster) -> None:
    """Whoever may write Roles may not write any: RBAC lets nobody grant what they do not hold."""
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": [rule]}
    with bound(cluster, "raised", chart_rights("raised")) as token:
        text = json.dumps({**role, "metadata": {"name": "more", "namespace": "default"}})
        done = cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text, token=token)
        assert done.returncode != 0
        assert "attempting to grant RBAC permissions not currently held" in done.stderr


def test_the_rest_is_refused(cluster: KubeCluster) -> None:
    questions = [
        "create pods",
        "create pods --subresource=exec",
        "create persistentvolumes",
        "create serviceaccounts --subresource=token",
        "create deployments.apps",
        "create clusterroles.rbac.authorization.k8s.io",
        "bind roles.rbac.authorization.k8s.io",
        "escalate roles.rbac.authorization.k8s.io",
        "update leases.coordination.k8s.io/other",
        "impersonate users",
        "get nodes",
        "list namespaces",
    ]
    with bound(cluster, "refused", chart_rights("refused")) as token:

        def answer(question: str) -> str:
            return cluster.kubectl("auth", "can-i", *question.split(), "-n", "refused", token=token).stdout.strip()

        assert {question: answer(question) for question in questions} == dict.fromkeys(questions, "no")
        assert answer("create jobs.batch") == "yes"
