from pathlib import Path

import pytest

from rig.harvester import Harvester, Object, eventually
from rig.harvester.kinds import CLAIMS, CONFIG_MAPS, IMAGES, JOBS, NAMESPACES, PODS, SECRETS
from rig.harvester.samples import bound, claim, disk, image, imported, job, pods
from rig.harvester.world import owner
from rig.kube import KubeCluster
from rig.webserver import WebServer


def _config_map(harvester: Harvester, namespace: str, name: str, *owners: Object) -> Object:
    meta = {"name": name, "namespace": namespace, "ownerReferences": [owner(each, controller=False) for each in owners]}
    return harvester.kube.create(CONFIG_MAPS, {"metadata": meta})


def test_what_an_owner_owned_goes_when_it_is_gone_and_not_before(harvester: Harvester, namespace: str) -> None:
    first = _config_map(harvester, namespace, "first")
    second = _config_map(harvester, namespace, "second")
    _config_map(harvester, namespace, "both", first, second)
    _config_map(harvester, namespace, "one", first)
    _config_map(harvester, namespace, "none")
    harvester.kube.delete(CONFIG_MAPS, first)
    eventually(lambda: harvester.kube.find(CONFIG_MAPS, namespace, "one") is None)
    assert harvester.kube.find(CONFIG_MAPS, namespace, "both")
    harvester.kube.delete(CONFIG_MAPS, second)
    eventually(lambda: harvester.kube.find(CONFIG_MAPS, namespace, "both") is None)
    assert harvester.kube.find(CONFIG_MAPS, namespace, "none")


def test_a_new_owner_of_an_old_name_is_another(harvester: Harvester, namespace: str) -> None:
    old = _config_map(harvester, namespace, "owner")
    harvester.kube.delete(CONFIG_MAPS, old)
    _config_map(harvester, namespace, "owner")
    _config_map(harvester, namespace, "left", old)
    eventually(lambda: harvester.kube.find(CONFIG_MAPS, namespace, "left") is None)
    assert harvester.kube.find(CONFIG_MAPS, namespace, "owner")


@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_kubectl_deletes_a_job_with_its_pod_and_scratch(
    harvester: Harvester, namespace: str, cluster: KubeCluster, cascade: str
) -> None:
    scratch = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    volume = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": scratch}}}
    pod = {"volumes": [volume], "terminationGracePeriodSeconds": 1}
    harvester.kube.create(JOBS, job(namespace, "j", ["/bin/sleep", "600"], pod=pod))
    eventually(lambda: any(each["status"].get("phase") == "Running" for each in pods(harvester, namespace)))
    deleted = cluster.kubectl("delete", "job", "j", "-n", namespace, f"--cascade={cascade}", "--timeout=30s")
    assert deleted.returncode == 0, deleted.stderr
    eventually(lambda: not pods(harvester, namespace))
    eventually(lambda: not harvester.kube.list(CLAIMS, namespace)["items"])
    eventually(lambda: not list((harvester.root / "volumes").iterdir()), what="the volume's folder stays")


def test_orphans_stay(harvester: Harvester, namespace: str) -> None:
    first = _config_map(harvester, namespace, "first")
    _config_map(harvester, namespace, "child", first)
    harvester.kube.delete(CONFIG_MAPS, first, propagationPolicy="Orphan")
    eventually(lambda: harvester.kube.find(CONFIG_MAPS, namespace, "first") is None)
    left = harvester.kube.get(CONFIG_MAPS, namespace, "child")
    assert not left["metadata"].get("ownerReferences")


def test_a_deleted_namespace_is_emptied_and_ends(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    disk(folder / "a.raw")
    made = imported(harvester, image(namespace, "a", web.url + "a.raw"))
    harvester.kube.create(CLAIMS, claim(namespace, "v", made))
    eventually(lambda: bound(harvester, namespace, "v"))
    harvester.kube.create(SECRETS, {"metadata": {"name": "s", "namespace": namespace}})
    harvester.kube.create(JOBS, job(namespace, "j", ["/bin/true"]))
    harvester.kube.delete(NAMESPACES, harvester.kube.get(NAMESPACES, "", namespace))
    eventually(lambda: harvester.kube.find(NAMESPACES, "", namespace) is None)
    for kind in (IMAGES, CLAIMS, JOBS, PODS):
        assert not harvester.kube.list(kind, namespace)["items"]
