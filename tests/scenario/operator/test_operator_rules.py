"""The rules of an import, each seen from outside by a user with kubectl."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rig.harvester import Faults as HarvesterFaults
from rig.operator import apply, wait
from rig.operator_user import User
from rig.webserver import Faults, serve
from thresher.model.units import MIB

SLOW = Faults(rate=MIB // 8)
HEAD_OF_FILE = "bytes=0-65535"
"""What a look at an OvaSource reads, now and then, to see that it is there."""


def test_defect_12_every_finding_is_told_at_once_and_nothing_is_touched(user: User) -> None:
    user.import_changed(
        storageClass="no-such-class",
        networkMapping=[
            {"sourceNetwork": "VM Network", "destinationNetwork": "no-such-network"},
            {"sourceNetwork": "unused", "destinationNetwork": "vlan1"},
        ],
    )
    user.wait_for("virtualMachineImportInvalid")
    _, message = user.ready()
    assert "StorageClassMissing: storage class no-such-class" in message
    assert f"NetworkMissing: network {user.namespace}/no-such-network" in message
    assert "MappingUnused" in {finding["rule"] for finding in user.status()["findings"]}
    assert user.names("jobs,vmimages,pvc,secrets") == []
    told = " ".join(message for _, message in user.events())
    assert "no-such-class" in told, "kubectl describe says nothing of it"
    assert "no-such-network" in told


def test_a_change_is_taken_up_before_the_export_and_refused_after_it_began(user: User) -> None:
    user.import_changed(storageClass="no-such-class")
    user.wait_for("virtualMachineImportInvalid")
    user.web.faults = SLOW
    user.change(storageClass=None)
    user.wait_for("sourceReady")
    user.change(targetName="another")
    wait(lambda: "SpecChangeRefused" in {reason for reason, _ in user.events()}, what="the change is not refused")
    refused = next(c for c in user.status()["conditions"] if c["type"] == "SpecAccepted")
    assert (refused["status"], refused["reason"]) == ("False", "SpecChangeRefused")
    user.web.faults = Faults()
    user.wait_for("virtualMachineRunning")
    assert user.status()["newVirtualMachine"] == "sample"


@pytest.mark.parametrize("labels", [{"migration.harvesterhci.io/imported": "true"}, {}], ids=["imported", "plain"])
def test_defect_10_a_vm_of_that_name_that_is_not_ours_is_never_touched(user: User, labels: dict[str, str]) -> None:
    other = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {
            "name": "sample",
            "namespace": user.namespace,
            "labels": labels,
        },
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}},
    }
    apply(user.cluster, json.dumps(other))
    before = user.get("virtualmachine", "sample")["spec"]
    user.import_changed(skipPreflightChecks=True)
    user.wait_for("virtualMachineImportInvalid")
    assert "NameTaken" in user.ready()[1]
    user.delete()
    assert user.get("virtualmachine", "sample")["spec"] == before


def test_defect_07_a_failed_image_is_told_and_made_anew_under_another_name(user: User) -> None:
    # an image has 1 + 3 downloads: with two images, the first attempts of both fail, and the second succeed
    user.harvester.fail(HarvesterFaults(cut_downloads=8, cut_at=MIB))
    user.import_ova()
    user.wait_for("diskImageFailed")
    wait(lambda: "ImageFailed" in {reason for reason, _ in user.events()}, what="no event tells it")
    told = [message for reason, message in user.events() if reason == "ImageFailed"]
    assert "could not import the image image-" in told[0]
    user.wait_for("virtualMachineRunning")
    names = [row["VirtualMachineImage"] for row in user.status()["diskImportStatus"]]
    assert any(name.endswith("-1") for name in names)
    assert sorted(user.names("vmimages")) == sorted(names)


def test_an_import_that_is_deleted_midway_leaves_nothing(user: User) -> None:
    user.web.faults = SLOW
    user.import_ova()
    wait(lambda: user.names("jobs"), what="no worker was started", log=user.operator.log)
    user.delete()
    wait(lambda: not user.names("jobs,pods,secrets,configmaps,pvc,vmimages,vm"), what="something stays")


def test_images_volumes_and_vm_outlive_an_import_that_succeeded(user: User) -> None:
    user.import_ova()
    user.wait_for("virtualMachineRunning")
    wait(lambda: len(user.names("pvc")) == 2, what="the scratch volume stays")
    there = user.names("vmimages,pvc,vm")
    assert len(there) == 5
    user.delete()
    assert user.names("vmimages,pvc,vm") == there
    wait(lambda: not user.names("jobs,pods,secrets,configmaps"), what="the transfer's objects stay")


def test_a_deleted_vm_does_not_come_back(user: User) -> None:
    user.import_ova()
    user.wait_for("virtualMachineRunning")
    assert user.cluster.kubectl("delete", "vm", "sample", "-n", user.namespace).returncode == 0
    user.wait_for_reason("VirtualMachineDeleted")
    assert "newVirtualMachine" not in user.status()
    assert user.names("vm") == []


def test_defect_11_a_restart_of_the_operator_does_not_touch_a_running_transfer(user: User) -> None:
    user.web.faults = SLOW
    user.import_ova()
    wait(lambda: user.names("pods"), what="no worker was started", log=user.operator.log)
    before = user.get("pods")["items"][0]["metadata"]["uid"]
    user.operator.stop(9)
    user.operator.start()
    user.web.faults = Faults()
    assert user.get("pods")["items"][0]["metadata"]["uid"] == before
    user.wait_for("virtualMachineRunning")


def test_a_scratch_volume_that_cannot_be_had_is_told(user: User) -> None:
    user.harvester.fail(HarvesterFaults(refuse_scratch=True))
    user.import_ova()
    wait(lambda: user.names("jobs"), what="no worker was started", log=user.operator.log)
    before = len(user.web.requests)
    user.wait_for_reason("WorkerNotStarted")
    asked = {seen.headers.get("range") for seen in user.web.requests[before:]}
    assert asked <= {HEAD_OF_FILE}, "something is downloaded that there is no room for"
    assert user.names("vmimages") == []
    (claim,) = user.names("pvc")
    said = user.ready()[1]
    assert "scratch volume of 1Gi" in said
    assert f"PersistentVolumeClaim {claim} say why" in said
    wait(lambda: ("WorkerNotStarted", said) in user.events(), what="no event says it", log=user.operator.log)
    user.harvester.fail()
    user.wait_for("virtualMachineRunning")


def test_no_more_transfers_than_allowed_run_at_a_time(user: User) -> None:
    user.web.faults = SLOW
    for number in range(4):
        user.import_changed(f"many-{number}", targetName=f"many-{number}")
    wait(
        lambda: [user.ready(f"many-{n}")[0] for n in range(4)].count("TransferQueued") == 2,
        what="nobody waits",
        log=user.operator.log,
    )
    queued = next(user.ready(f"many-{n}") for n in range(4) if user.ready(f"many-{n}")[0] == "TransferQueued")
    assert queued[1] == "Waiting for a transfer to end: 2 of 2 run already."
    assert len(user.names("jobs")) == 2
    user.web.faults = Faults()
    for number in range(4):
        user.wait_for("virtualMachineRunning", f"many-{number}")


def test_a_namespace_with_one_import_does_not_wait_for_all_of_another(user: User, another_namespace: str) -> None:
    other = replace(user, namespace=another_namespace)
    user.web.faults = SLOW
    many = [f"many-{number}" for number in range(4)]
    for name in many:
        user.import_changed(name, targetName=name)
    wait(
        lambda: [user.ready(name)[0] for name in many].count("TransferQueued") == 2,
        what="nobody waits",
        log=user.operator.log,
    )
    other.import_changed("one", networkMapping=[], targetName="one")
    other.wait_for_reason("TransferQueued", "one")
    queued = [name for name in many if user.ready(name)[0] == "TransferQueued"]
    running = [name for name in many if name not in queued]
    user.delete(running[0])
    wait(lambda: other.names("jobs"), what="the other namespace is not served", log=user.operator.log)
    assert [user.ready(name)[0] for name in queued] == ["TransferQueued"] * 2, "who came first is served first"
    for name in (*queued, running[1]):
        user.delete(name)
    other.delete("one")


def test_a_quota_that_is_used_up_is_told_before_anything_is_touched(user: User) -> None:
    hard = {"requests.storage": "1Mi"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small", "namespace": user.namespace}}
    user.apply(json.dumps(quota | {"spec": {"hard": hard}}))
    status = json.dumps({"status": {"hard": hard, "used": {"requests.storage": "0"}}})  # as its controller writes it
    flags = ("--subresource=status", "--type=merge", "-p", status)
    assert user.cluster.kubectl("patch", "resourcequota", "small", "-n", user.namespace, *flags).returncode == 0
    user.import_ova()
    user.wait_for("virtualMachineImportInvalid")
    assert "QuotaExceeded: quota small: requests.storage leaves 1.0 MiB" in user.ready()[1]
    assert user.names("jobs,vmimages,pvc,secrets") == []


def test_defect_11_an_import_that_copies_blocks_no_other(user: User, tmp_path: Path) -> None:
    with serve(tmp_path / "web", faults=Faults(rate=MIB // 64)) as slow:  # two minutes and more
        replace(user, web=slow).import_ova("slow")
        wait(lambda: user.names("pods"), what="no worker was started", log=user.operator.log)
        user.import_changed("quick", targetName="quick")
        user.wait_for("virtualMachineRunning", "quick")
        assert user.word("slow") == "sourceReady", "it should still be copying"
        user.delete("slow")


def test_defect_20_an_import_whose_source_is_gone_is_deleted_with_all_it_made(user: User) -> None:
    user.web.faults = SLOW
    user.import_ova()
    wait(lambda: user.names("pods"), what="no worker was started", log=user.operator.log)
    assert user.cluster.kubectl("delete", "ovasource.migration", "demo", "-n", user.namespace).returncode == 0
    user.web.faults = Faults(status=503)
    user.delete()
    wait(lambda: not user.names("jobs,pods,secrets,configmaps,pvc,vmimages,vm"), what="something stays")
