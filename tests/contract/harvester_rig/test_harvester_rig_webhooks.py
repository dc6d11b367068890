from pathlib import Path
from typing import Any

import pytest

from rig.harvester import THIRD_PARTY_CLASS, ApiError, Harvester, Object, eventually
from rig.harvester.kinds import CLAIMS, IMAGES, MACHINES
from rig.harvester.samples import bound, claim, disk, image, imported, machine
from rig.kube import KubeCluster
from rig.webserver import WebServer

URL = "http://127.0.0.1:9/none.raw"


def _refusal(harvester: Harvester, item: Object) -> str:
    with pytest.raises(ApiError) as refused:
        harvester.kube.create(IMAGES, item)
    assert refused.value.status in {409, 422}
    return refused.value.message


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 64, "ä"])
def test_a_display_name_must_be_a_label_value(harvester: Harvester, namespace: str, name: str) -> None:
    assert "displayName" in _refusal(harvester, image(namespace, "a", URL, displayName=name))


def test_a_display_name_of_63_characters_is_fine_and_becomes_the_label(harvester: Harvester, namespace: str) -> None:
    made = harvester.kube.create(IMAGES, image(namespace, "a", URL, displayName="a" * 63))
    assert made["metadata"]["labels"]["harvesterhci.io/imageDisplayName"] == "a" * 63


def test_a_display_name_is_unique_in_its_namespace(harvester: Harvester, namespace: str) -> None:
    harvester.kube.create(IMAGES, image(namespace, "a", URL, displayName="same"))
    assert "same name exists" in _refusal(harvester, image(namespace, "b", URL, displayName="same"))


def test_the_class_in_the_annotation_and_in_the_spec_are_equal(harvester: Harvester, namespace: str) -> None:
    item = image(namespace, "a", URL, storage_class=THIRD_PARTY_CLASS)
    item["spec"]["targetStorageClassName"] = "other"
    assert "targetStorageClassName" in _refusal(harvester, item)
    del item["metadata"]["annotations"]
    assert "targetStorageClassName" in _refusal(harvester, item)


def test_a_download_needs_a_url(harvester: Harvester, namespace: str) -> None:
    assert "url is required" in _refusal(harvester, image(namespace, "a", ""))


@pytest.mark.parametrize("change", [{"url": "http://other/"}, {"displayName": "b"}, {"checksum": "0" * 128}])
def test_the_spec_is_immutable(harvester: Harvester, namespace: str, change: dict[str, Any]) -> None:
    made = harvester.kube.create(IMAGES, image(namespace, "a", URL))
    with pytest.raises(ApiError, match="cannot be modified"):
        harvester.kube.patch(IMAGES, made, {"spec": change})
    harvester.kube.patch(IMAGES, made, {"metadata": {"labels": {"mine": "yes"}}})


def test_an_image_in_use_cannot_be_deleted(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path, cluster: KubeCluster
) -> None:
    disk(folder / "a.raw")
    made = imported(harvester, image(namespace, "a", web.url + "a.raw"))
    harvester.kube.create(CLAIMS, claim(namespace, "v", made))
    eventually(lambda: bound(harvester, namespace, "v"))
    refused = cluster.kubectl("delete", "virtualmachineimages", "a", "-n", namespace)
    assert refused.returncode != 0
    assert f"being used by volume {namespace}/v" in refused.stderr
    harvester.kube.delete(CLAIMS, harvester.kube.get(CLAIMS, namespace, "v"))
    eventually(lambda: harvester.kube.find(CLAIMS, namespace, "v") is None)
    assert cluster.kubectl("delete", "virtualmachineimages", "a", "-n", namespace).returncode == 0


def test_an_image_that_a_vm_asks_for_cannot_be_deleted(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    disk(folder / "a.raw")
    made = imported(harvester, image(namespace, "a", web.url + "a.raw"))
    template = claim(namespace, "v", made)
    vm = machine(namespace, "vm", ["v"], templates=[template])
    vm["spec"]["runStrategy"] = "Halted"
    harvester.kube.create(MACHINES, vm)
    with pytest.raises(ApiError, match="being used by"):
        harvester.kube.delete(IMAGES, made)


def test_the_guest_gets_the_memory_limit_less_what_is_reserved(harvester: Harvester, namespace: str) -> None:
    vm = machine(namespace, "vm", [])
    vm["spec"]["runStrategy"] = "Halted"
    made = harvester.kube.create(MACHINES, vm)
    assert made["spec"]["template"]["spec"]["domain"]["memory"]["guest"] == "64Mi"  # 164 less 100


def test_a_vm_has_one_pod_network(harvester: Harvester, namespace: str) -> None:
    vm = machine(namespace, "vm", [])
    vm["spec"]["template"]["spec"]["networks"] = [{"name": "a", "pod": {}}, {"name": "b", "pod": {}}]
    with pytest.raises(ApiError, match="pod network"):
        harvester.kube.create(MACHINES, vm)


def test_a_golden_image_is_for_imported_vms_only(
    harvester: Harvester, namespace: str, web: WebServer, folder: Path
) -> None:
    disk(folder / "a.raw")
    item = image(namespace, "a", web.url + "a.raw", storage_class=THIRD_PARTY_CLASS, backend="cdi")
    golden = imported(harvester, item)
    vm = machine(namespace, "vm", ["a"])
    vm["spec"]["runStrategy"] = "Halted"
    labels = vm["metadata"].pop("labels")
    with pytest.raises(ApiError, match="golden image"):
        harvester.kube.create(MACHINES, vm)
    vm["metadata"]["labels"] = labels
    harvester.kube.create(MACHINES, vm)
    with pytest.raises(ApiError, match="being used by VM"):
        harvester.kube.delete(IMAGES, golden)
