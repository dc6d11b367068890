"""What a worker is given: the rules are Kubernetes' "Pod Security Standards" (restricted)."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from rig.source_vms import LINUX_BIOS, UID
from thresher.api.manifests import load_manifests
from thresher.model.units import GIB, Bytes, gib_of_bytes
from thresher.model.vm import DiskFormat
from thresher.operator.imports.transfer import (
    by_id,
    command,
    handover,
    job,
    manifests_yaml,
    scratch_claim,
    scratch_size,
)
from thresher.operator.settings import Scratch, Worker
from thresher.targets.harvester.volumes import VolumeFacts

VMI: dict[str, Any] = {
    "apiVersion": "migration.harvesterhci.io/v1beta1",
    "kind": "VirtualMachineImport",
    "metadata": {"name": "web", "namespace": "prod", "uid": UID, "managedFields": [{}], "resourceVersion": "7"},
    "spec": {
        "virtualMachineName": "web",
        "sourceCluster": {
            "apiVersion": "migration.harvesterhci.io/v1beta1",
            "kind": "VmwareSource",
            "name": "vc",
            "namespace": "prod",
        },
    },
    "status": {"importStatus": "sourceReady", "recorded": "{}"},
}
SOURCE: dict[str, Any] = {
    "apiVersion": "migration.harvesterhci.io/v1beta1",
    "kind": "VmwareSource",
    "metadata": {"name": "vc", "namespace": "prod", "uid": "u"},
    "spec": {"endpoint": "https://vc/sdk", "dc": "DC0", "credentials": {"name": "login", "namespace": "prod"}},
    "status": {"status": "clusterReady", "fingerprint": "AB:CD"},
}
SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "type": "Opaque",
    "metadata": {"name": "login", "namespace": "prod", "uid": "s"},
    "data": {"username": base64.b64encode(b"me").decode(), "password": base64.b64encode(b"p").decode()},
}
WORKER = Worker("thresher:1", 8080, Scratch("fast", 1.5))


def pod(vmi: dict[str, Any] = VMI) -> Any:
    return job(vmi, WORKER)["spec"]["template"]["spec"]


def test_the_worker_reads_what_it_is_given_as_a_user_would_write_it() -> None:
    manifests = load_manifests(manifests_yaml([SOURCE, SECRET, VMI]))
    (vmi,) = manifests.imports
    assert (vmi.metadata.uid, vmi.spec.virtual_machine_name) == (UID, "web")
    source = manifests.source(vmi.source_ref)
    assert source.metadata.annotations == {"thresher.harvesterhci.io/fingerprint": "AB:CD"}
    assert manifests.secrets[0].require("password") == "p"


def test_a_worker_may_be_told_the_id_of_the_vm_and_nothing_else_changes() -> None:
    vm = replace(LINUX_BIOS, id="5f4a0c5e-8f5b-4d3e-9c55-2b4f7d5c0a01")
    found = by_id(VMI, vm)
    (vmi,) = load_manifests(manifests_yaml([SOURCE, SECRET, found])).imports
    assert vmi.spec.virtual_machine_name == vm.id
    assert found == VMI | {"spec": VMI["spec"] | {"virtualMachineName": vm.id}}
    assert VMI["spec"]["virtualMachineName"] == "web", "the import itself is changed"


def test_everything_belongs_to_the_import_and_is_named_after_its_uid() -> None:
    objects = [obj for _, obj in handover(VMI, "m", "t")]
    objects += [job(VMI, WORKER), scratch_claim(VMI, Bytes(GIB), WORKER.scratch)]
    for obj in objects:
        meta = obj["metadata"]
        assert meta["name"] == f"thresher-{UID}"
        assert meta["namespace"] == "prod"
        assert meta["labels"] == {"thresher.harvesterhci.io/import": UID}
        assert [owner["uid"] for owner in meta["ownerReferences"]] == [UID]
        assert f"{obj['apiVersion']}/{obj['kind']}".startswith(("v1/", "rbac.authorization.k8s.io/v1/", "batch/v1/"))


def test_the_worker_may_touch_its_one_configmap_and_nothing_else() -> None:
    objects = {obj["kind"]: obj for _, obj in handover(VMI, "m", "t")}
    assert objects["Role"]["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [f"thresher-{UID}"],
            "verbs": ["get", "watch", "patch"],
        }
    ]


def test_the_pod_meets_the_restricted_pod_security_standard() -> None:
    spec = pod()
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {kind for volume in spec["volumes"] for kind in volume} - {"name"} == {
        "secret",
        "persistentVolumeClaim",
        "emptyDir",
    }


def test_a_killed_worker_starts_again_in_its_pod_with_its_scratch() -> None:
    assert pod()["restartPolicy"] == "OnFailure"


@pytest.mark.parametrize(("size", "asked"), [(1, "1Gi"), (GIB, "1Gi"), (GIB + 1, "2Gi"), (15 * GIB, "15Gi")])
def test_scratch_is_in_whole_gib_and_of_the_class_asked_for(size: int, asked: str) -> None:
    claim = scratch_claim(VMI, Bytes(size), WORKER.scratch)["spec"]
    assert claim["resources"]["requests"]["storage"] == asked
    assert claim["storageClassName"] == "fast"
    assert claim["accessModes"] == ["ReadWriteOnce"]


def test_scratch_is_the_imports_own_so_that_another_worker_goes_on_with_it() -> None:
    (scratch,) = [volume for volume in pod()["volumes"] if volume["name"] == "scratch"]
    claim = scratch_claim(VMI, Bytes(GIB), WORKER.scratch)["metadata"]
    assert scratch["persistentVolumeClaim"]["claimName"] == claim["name"]
    assert claim["ownerReferences"][0]["kind"] == "VirtualMachineImport"


def test_scratch_has_room_for_all_disks_and_the_file_system() -> None:
    disks = (replace(LINUX_BIOS.disks[0], key="a"), replace(LINUX_BIOS.disks[0], key="b"))
    assert scratch_size(replace(LINUX_BIOS, disks=disks), Scratch(factor=1.5)) == 30 * GIB


@pytest.mark.parametrize("form", [DiskFormat.UNKNOWN, DiskFormat.QCOW2])
@pytest.mark.parametrize(("volumes", "gib"), [(False, 40), (True, 20)])
def test_scratch_has_room_for_the_copy_of_an_image_that_may_need_one(
    form: DiskFormat, gib: int, *, volumes: bool
) -> None:
    """Such as the root disk of a server that boots from an image, whose format shows when it is opened."""
    disks = (LINUX_BIOS.disks[0], replace(LINUX_BIOS.disks[0], key="root", format=form, capacity=Bytes(20 * GIB)))
    alone = scratch_size(LINUX_BIOS, Scratch(factor=1.0), volumes=volumes)
    assert scratch_size(replace(LINUX_BIOS, disks=disks), Scratch(factor=1.0), volumes=volumes) - alone == gib * GIB


VOLUMES = (VolumeFacts("volume-a", "uid-a", "SCSI 0:0"), VolumeFacts("volume-b", "uid-b", "k=v"))


def test_a_worker_that_writes_volumes_has_them_as_devices_and_serves_nothing() -> None:
    spec = job(VMI, WORKER, volumes=VOLUMES)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["volumeDevices"] == [
        {"name": "volume-a", "devicePath": "/dev/thresher/uid-a"},
        {"name": "volume-b", "devicePath": "/dev/thresher/uid-b"},
    ]
    claims = {each["name"]: each.get("persistentVolumeClaim") for each in spec["volumes"]}
    assert claims["volume-a"] == {"claimName": "volume-a"}
    assert not {mount["name"] for mount in container["volumeMounts"]} & {"volume-a", "volume-b"}
    assert container["ports"] == []
    words = container["args"]
    told = [words[at + 1] for at, word in enumerate(words) if word == "--volume"]
    assert told == ["SCSI 0:0=/dev/thresher/uid-a", "k=v=/dev/thresher/uid-b"]


def test_with_volumes_scratch_has_room_for_ledgers_and_for_what_only_qemu_img_reads() -> None:
    assert gib_of_bytes(scratch_size(LINUX_BIOS, Scratch(), volumes=True)) == 1
    disks = (LINUX_BIOS.disks[0], replace(LINUX_BIOS.disks[0], key="q", format=DiskFormat.QCOW2))
    assert scratch_size(replace(LINUX_BIOS, disks=disks), Scratch(factor=1.0), volumes=True) // GIB == 10


def test_the_command_leaves_the_report_to_the_worker() -> None:
    assert command(VMI, "stop")["data"] == {"command": "stop"}


def test_the_worker_begins_at_its_rate_and_its_job_says_which_source_it_counts_for() -> None:
    made = job(VMI, WORKER, Bytes(1000))
    assert made["metadata"]["annotations"] == {"thresher.harvesterhci.io/source": "vmwaresource/prod/vc"}
    arguments = made["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--bandwidth") + 1] == "1000"
    assert "--bandwidth" not in pod()["containers"][0]["args"], "without a limit there is nothing to say"


@pytest.mark.parametrize(("rate", "said"), [(None, ""), (Bytes(0), "0"), (Bytes(1000), "1000")])
def test_the_configmap_says_the_rate_from_the_beginning(rate: Bytes | None, said: str) -> None:
    objects = {obj["kind"]: obj for _, obj in handover(VMI, "m", "t", rate)}
    assert objects["ConfigMap"]["data"] == {"command": "", "bandwidth": said}
