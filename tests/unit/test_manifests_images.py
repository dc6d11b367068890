"""VirtualMachineImages and the claims made of them, as Harvester's webhooks want them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from rig.golden import refs
from rig.source_vms import LINUX_BIOS, SIX_DISKS, SPEC
from thresher.model.units import GIB, Bytes
from thresher.targets import manifests

URL = "http://thresher.prod.svc:8080/disks/0123/disk-0.raw"


def plain(value: object) -> Any:
    return json.loads(json.dumps(value))


def test_an_image_is_a_download() -> None:
    image = plain(manifests.image(SPEC, LINUX_BIOS, 0, manifests.Download(URL)))
    assert (image["apiVersion"], image["kind"]) == ("harvesterhci.io/v1beta1", "VirtualMachineImage")
    assert image["metadata"]["namespace"] == "prod"
    assert image["metadata"]["labels"]["migration.harvesterhci.io/imported"] == "true"
    assert image["spec"]["url"] == URL
    assert image["spec"]["sourceType"] == "download"
    assert image["spec"]["retry"] == 3
    assert image["spec"]["displayName"].startswith("web-disk-0-")
    assert not image["spec"].keys() & {"checksum", "backend", "targetStorageClassName"}
    assert "annotations" not in image["metadata"]


def test_an_image_carries_checksum_backend_and_storage_class_where_they_are_known() -> None:
    spec = replace(SPEC, storage_class="fast")
    download = manifests.Download(URL, "ab" * 64, manifests.Backend.CDI)
    image = plain(manifests.image(spec, LINUX_BIOS, 0, download))
    assert image["spec"]["checksum"] == "ab" * 64
    assert image["spec"]["backend"] == "cdi"
    assert image["spec"]["targetStorageClassName"] == "fast"
    assert image["metadata"]["annotations"] == {"harvesterhci.io/storageClassName": "fast"}


def test_issue_8074_a_disk_takes_the_storage_class_of_its_datastore() -> None:
    spec = replace(SPEC, storage_class="slow", storage_mapping=(("ssd-01", "fast"),))
    disks = (replace(SIX_DISKS.disks[0], datastore="ssd-01"), replace(SIX_DISKS.disks[1], datastore="hdd-01"))
    vm = replace(SIX_DISKS, disks=disks)
    classes = [
        plain(manifests.image(spec, vm, index, manifests.Download(URL)))["spec"]["targetStorageClassName"]
        for index in range(2)
    ]
    assert classes == ["fast", "slow"]


def test_defect_09_another_import_of_the_same_vm_has_other_images() -> None:
    again = replace(SPEC, uid="ffffffff-0000-0000-0000-000000000000")
    one, other = (plain(manifests.image(spec, LINUX_BIOS, 0, manifests.Download(URL))) for spec in (SPEC, again))
    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert one["spec"]["displayName"] != other["spec"]["displayName"]


def test_defect_15_disks_in_one_place_of_two_controllers_stay_apart() -> None:
    names = {
        plain(manifests.image(SPEC, SIX_DISKS, index, manifests.Download(URL)))["metadata"]["name"]
        for index in range(5)
    }
    assert len(names) == 5


def test_the_claims_are_in_the_vms_annotation_and_its_volumes_use_them() -> None:
    vm = plain(manifests.virtual_machine(SPEC, SIX_DISKS, refs(SPEC, SIX_DISKS)))
    claims = json.loads(vm["metadata"]["annotations"]["harvesterhci.io/volumeClaimTemplates"])
    volumes = vm["spec"]["template"]["spec"]["volumes"]
    assert [v["name"] for v in volumes] == [f"disk-{i}" for i in range(6)]
    assert [v["persistentVolumeClaim"]["claimName"] for v in volumes] == [c["metadata"]["name"] for c in claims]
    first = claims[0]
    image = plain(manifests.image(SPEC, SIX_DISKS, 0, manifests.Download(URL)))["metadata"]["name"]
    assert first["metadata"]["annotations"] == {"harvesterhci.io/imageId": f"prod/{image}"}
    assert first["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "10Gi"}},
        "volumeMode": "Block",
        "storageClassName": "lh-0",
    }


def test_a_blank_disk_is_a_new_volume_rounded_up_to_whole_gib() -> None:
    claims = plain(manifests.volume_claim_templates(SPEC, SIX_DISKS, refs(SPEC, SIX_DISKS)))
    blank = claims[5]
    assert "annotations" not in blank["metadata"]
    assert blank["spec"]["resources"]["requests"]["storage"] == "4Gi"  # 3 GiB and one byte
    assert "storageClassName" not in blank["spec"]


@pytest.mark.parametrize(("size", "storage"), [(1, "1Gi"), (GIB, "1Gi"), (GIB + 1, "2Gi"), (40 * GIB, "40Gi")])
def test_defect_16_a_claim_is_never_smaller_than_its_image(size: int, storage: str) -> None:
    made = manifests.ImageRef("image-x", Bytes(size), "lh-x")
    claim = plain(manifests.volume_claim_templates(SPEC, LINUX_BIOS, [made]))[0]
    assert claim["spec"]["resources"]["requests"]["storage"] == storage


def test_a_cdi_image_brings_its_own_claim() -> None:
    made = manifests.ImageRef("image-x", Bytes(GIB), "csi", manifests.Backend.CDI)
    vm = plain(manifests.virtual_machine(SPEC, LINUX_BIOS, [made]))
    assert vm["metadata"]["annotations"]["harvesterhci.io/volumeClaimTemplates"] == "[]"
    volumes = vm["spec"]["template"]["spec"]["volumes"]
    assert volumes == [{"name": "disk-0", "persistentVolumeClaim": {"claimName": "image-x"}}]


def test_an_image_for_each_disk_is_insisted_on() -> None:
    with pytest.raises(ValueError, match="zip"):
        manifests.virtual_machine(SPEC, SIX_DISKS, refs(SPEC, SIX_DISKS)[:2])


def test_a_volume_that_is_written_in_place_is_the_claim_that_harvester_would_make() -> None:
    spec = replace(SPEC, storage_mapping=(("ssd-01", "fast"),))
    vm = replace(SIX_DISKS, disks=(replace(SIX_DISKS.disks[0], datastore="ssd-01"), SIX_DISKS.disks[1]))
    templates = plain(manifests.volume_claim_templates(spec, vm, [None, None]))
    for index, template in enumerate(templates):
        made = plain(manifests.volume(spec, vm, index))
        assert (made["apiVersion"], made["kind"]) == ("v1", "PersistentVolumeClaim")
        assert made["metadata"]["name"] == template["metadata"]["name"]
        assert made["metadata"]["namespace"] == "prod"
        assert made["metadata"]["labels"]["migration.harvesterhci.io/import-uid"] == SPEC.uid
        assert "ownerReferences" not in made["metadata"], "a VM that is there keeps it"
        assert made["spec"] == template["spec"]
        assert made["spec"]["volumeMode"] == "Block"
    assert [template["spec"].get("storageClassName") for template in templates] == ["fast", None]
