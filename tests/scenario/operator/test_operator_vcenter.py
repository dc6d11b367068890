"""A VM of a vCenter, imported by what the add-on's documentation says, against the simulator over TLS."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.harvester import Faults as HarvesterFaults
from rig.operator import wait
from rig.operator_user import User
from rig.vcenter import POWERED_OFF, POWERED_ON, Datacenter, Disk, Inventory, Nic, Shutdown, VCenter, Vm, vcenter
from thresher.formats.vmdk import write_stream
from thresher.model.units import MIB, Bytes
from thresher.samples.disk import sample_disk

CAPACITY = Bytes(32 * MIB)
LATE_S = 180
"""A guest that never shuts down is waited for longer than its graceful time-out, as it may obey late."""
SAID = "came from the vCenter"

SOURCE = """
apiVersion: v1
kind: Secret
metadata: {{name: login, namespace: {namespace}}}
stringData: {{username: {username}, password: {password}}}
---
apiVersion: migration.harvesterhci.io/v1beta1
kind: VmwareSource
metadata: {{name: vcenter, namespace: {namespace}}}
spec: {{endpoint: "{url}", dc: DC0, credentials: {{name: login, namespace: {namespace}}}}}
"""
IMPORT = """
apiVersion: migration.harvesterhci.io/v1beta1
kind: VirtualMachineImport
metadata: {{name: demo, namespace: {namespace}}}
spec:
  virtualMachineName: {vm}
  gracefulShutdownTimeoutSeconds: 2
  networkMapping: [{{sourceNetwork: VM Network, destinationNetwork: {namespace}/vlan1}}]
  sourceCluster:
    {{apiVersion: "migration.harvesterhci.io/v1beta1", kind: VmwareSource, name: vcenter, namespace: {namespace}}}
"""


@pytest.fixture
def vc(tmp_path: Path) -> Iterator[VCenter]:
    stream = tmp_path / "boot.vmdk"
    stream.write_bytes(b"".join(write_stream(sample_disk(CAPACITY, 1, marker=SAID, data=Bytes(4 * MIB)), CAPACITY)))
    disk = Disk(CAPACITY, stream=stream, controller="ahci")
    vms = (
        Vm("web", disks=(disk,), nics=(Nic(),), power=POWERED_ON),
        Vm("db", disks=(disk,), nics=(Nic(),), power=POWERED_OFF),
    )
    with vcenter(Inventory(vms=vms, datacenters=(Datacenter(),)), tls="self-signed") as vc:
        yield vc


def secret_and_source(user: User, vc: VCenter, password: str | None = None) -> str:
    return SOURCE.format(
        namespace=user.namespace,
        url=vc.url,
        username=json.dumps(vc.username),
        password=json.dumps(password or vc.password),
    )


def source_word(user: User) -> str:
    found = user.get("vmwaresource.migration", "vcenter") or {}
    return str((found.get("status") or {}).get("status", ""))


def test_a_running_vm_is_shut_down_and_runs_in_harvester(user: User, vc: VCenter) -> None:
    user.apply(secret_and_source(user, vc))
    wait(lambda: source_word(user) == "clusterReady", what="the source is not ready", log=user.operator.log)
    pinned = user.get("vmwaresource.migration", "vcenter")["status"]["fingerprint"]
    assert pinned.replace(":", "").lower() == vc.fingerprint.replace(":", "").lower()
    user.apply(IMPORT.format(namespace=user.namespace, vm="web"))
    user.wait_for("virtualMachineRunning")
    assert vc.power("web") == POWERED_OFF, "it runs here: it must not run twice"
    wait(lambda: SAID in user.harvester.console(user.namespace, "web"), what="the guest says nothing")
    told = {c["type"] for c in user.status()["importConditions"]}
    assert {"VMShutdownGuest", "VMPoweredOff", "VMExported", "VirtualMachineImageReady"} <= told


def test_a_vm_that_was_off_stays_off(user: User, vc: VCenter) -> None:
    user.apply(secret_and_source(user, vc))
    user.apply(IMPORT.format(namespace=user.namespace, vm="db"))
    user.wait_for("virtualMachineCreated")
    user.wait_for_reason("Imported")
    assert user.get("vm", "db")["spec"]["runStrategy"] == "Halted"
    closed = [found["subject"] for found in user.status()["findings"] if found["rule"] == "PortUnreachable"]
    assert len(closed) == 1, "vCenter's port is open"
    assert closed[0].endswith(":902"), "the simulated ESXi host is not there"


def test_a_deleted_import_switches_the_source_on_again(user: User, vc: VCenter) -> None:
    user.harvester.fail(HarvesterFaults(refuse_scratch=True))
    user.apply(secret_and_source(user, vc))
    user.apply(IMPORT.format(namespace=user.namespace, vm="web"))
    wait(lambda: user.names("jobs"), what="no worker was started", log=user.operator.log)
    assert vc.power("web") == POWERED_OFF
    user.delete()
    assert vc.power("web") == POWERED_ON
    wait(lambda: not user.names("jobs,pods,configmaps,pvc,vmimages,vm"), what="something stays")


def nothing_is_open(vc: VCenter) -> bool:
    return not vc.leases()


@pytest.mark.parametrize("vm", ["web", "db"], ids=["that-ran", "that-was-off"])
def test_a_suspended_import_leaves_the_source_as_it_was_found_and_goes_on(user: User, vc: VCenter, vm: str) -> None:
    found = vc.power(vm)
    user.apply(secret_and_source(user, vc))
    vc.faults(bytes_per_second=MIB)
    user.apply(IMPORT.format(namespace=user.namespace, vm=vm))
    wait(lambda: any(vc.log().streams.values()) or vc.leases(), what="nothing is copied", log=user.operator.log)
    assert vc.power(vm) == POWERED_OFF
    user.change(suspend=True)
    wait(lambda: "Suspended" in true_conditions(user), what="it is not suspended", log=user.operator.log)
    assert vc.power(vm) == found
    assert nothing_is_open(vc)
    assert user.names("jobs,pods,configmaps,vmimages,vm") == []
    assert bool(user.names("pvc")) == (vm == "db"), "copies of a VM that runs again are stale, others save work"
    vc.faults()
    user.change(suspend=False)
    user.wait_for("virtualMachineRunning" if vm == "web" else "virtualMachineCreated")
    user.wait_for_reason("Imported")
    assert vc.power(vm) == POWERED_OFF
    if vm == "web":
        wait(lambda: SAID in user.harvester.console(user.namespace, vm), what="the guest says nothing")


MOMENTS = {
    "while-the-guest-shuts-down": (Shutdown(never=True), HarvesterFaults(), 1, "VMShutdownGuest"),
    "while-it-copies": (Shutdown(), HarvesterFaults(), 1, "VMPoweredOff"),
    "while-images-are-imported": (Shutdown(), HarvesterFaults(rate=MIB // 2), 0, "VirtualMachineImageSubmitted"),
    "while-the-new-vm-starts": (Shutdown(), HarvesterFaults(never_ready=True), 0, "VirtualMachineImageReady"),
}


@pytest.mark.parametrize("how", ["delete", "suspend"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_whenever_it_is_cancelled_the_source_runs_again_and_nothing_stays(
    user: User, vc: VCenter, moment: str, how: str
) -> None:
    shutdown, faults, slow, seen = MOMENTS[moment]
    vc.set_shutdown("web", shutdown)
    vc.faults(bytes_per_second=slow * MIB // 2)
    user.harvester.fail(faults)
    user.apply(secret_and_source(user, vc))
    wait(lambda: source_word(user) == "clusterReady", what="the source is not ready", log=user.operator.log)
    user.apply(IMPORT.format(namespace=user.namespace, vm="web").replace("Seconds: 2", "Seconds: 10"))
    wait(
        lambda: seen in {c["type"] for c in user.status().get("importConditions") or []},
        what=f"it does not come to {seen}",
        log=user.operator.log,
    )
    if how == "delete":
        user.delete(seconds=LATE_S)
    else:
        user.change(suspend=True)
        user.wait(lambda: "Suspended" in true_conditions(user), "it is not suspended", LATE_S)
    assert vc.power("web") == POWERED_ON
    assert not vc.leases()
    assert len(vc.sessions()) <= 1, "the operator keeps one for its next look; the worker's is gone"
    wait(lambda: not user.names("jobs,pods,configmaps,pvc,vmimages,vm"), what="something stays")
    if how == "suspend":
        user.delete()
        assert vc.power("web") == POWERED_ON


def true_conditions(user: User) -> set[str]:
    return {c["type"] for c in user.status().get("conditions") or [] if c["status"] == "True"}


def test_a_changed_secret_is_taken_up_at_once(user: User, vc: VCenter) -> None:
    user.apply(secret_and_source(user, vc, "wr0ng-s3cret"))
    wait(lambda: source_word(user) == "clusterNotReady", what="nobody looked", log=user.operator.log)
    wait(lambda: "SourceDenied" in {reason for reason, _ in user.events("vcenter")}, what="no event tells it")
    assert "wr0ng-s3cret" not in user.operator.log.read_text()
    user.apply(secret_and_source(user, vc))
    wait(lambda: source_word(user) == "clusterReady", what="it is not looked at again", seconds=12)


def test_a_vm_that_is_not_there_ends_the_import_until_the_spec_is_mended(user: User, vc: VCenter) -> None:
    user.apply(secret_and_source(user, vc))
    user.apply(IMPORT.format(namespace=user.namespace, vm="nobody"))
    user.wait_for("VMMigrationFailed")
    assert user.ready()[0] == "SourceNotFound"
    assert user.names("jobs,configmaps,pvc,vmimages") == []
    user.change(virtualMachineName="db")
    user.wait_for("virtualMachineCreated")


def test_no_vm_is_switched_off_for_a_transfer_that_may_not_begin(user: User, vc: VCenter) -> None:
    limited = secret_and_source(user, vc).replace("dc: DC0", 'dc: DC0, blackout: ["00:00-12:00", "12:00-24:00"]')
    user.apply(limited)
    user.apply(IMPORT.format(namespace=user.namespace, vm="web"))
    user.wait_for_reason("Blackout")
    assert vc.power("web") == POWERED_ON
    user.apply(secret_and_source(user, vc))
    wait(lambda: vc.power("web") == POWERED_OFF, what="it does not go on", log=user.operator.log)
    user.delete()
    assert vc.power("web") == POWERED_ON


def test_volumes_of_a_source_that_is_switched_on_again_are_made_anew(user: User, vc: VCenter) -> None:
    user.apply(secret_and_source(user, vc))
    vc.faults(bytes_per_second=MIB)
    user.apply(IMPORT.format(namespace=user.namespace, vm="web").replace("spec:", "spec:\n  diskMode: volume"))
    wait(lambda: any(vc.log().streams.values()), what="nothing is copied", log=user.operator.log)
    assert volumes(user)
    user.change(suspend=True)
    wait(lambda: "Suspended" in true_conditions(user), what="it is not suspended", log=user.operator.log)
    assert vc.power("web") == POWERED_ON
    assert user.names("jobs,pods,pvc") == [], "what was copied of it is stale"
    vc.faults()
    user.change(suspend=False)
    user.wait_for("virtualMachineRunning")
    assert vc.power("web") == POWERED_OFF
    wait(lambda: SAID in user.harvester.console(user.namespace, "web"), what="the guest says nothing")
    assert user.names("vmimages") == []


def volumes(user: User) -> set[str]:
    """The UIDs of the claims that are written in place."""
    found = [claim["metadata"] for claim in user.get("pvc")["items"] if claim["spec"].get("volumeMode") == "Block"]
    return {meta["uid"] for meta in found if "deletionTimestamp" not in meta}


def test_an_import_that_is_deleted_while_volumes_are_written_leaves_the_source_as_it_was(
    user: User, vc: VCenter
) -> None:
    user.apply(secret_and_source(user, vc))
    vc.faults(bytes_per_second=MIB)
    user.apply(IMPORT.format(namespace=user.namespace, vm="web").replace("spec:", "spec:\n  diskMode: volume"))
    wait(lambda: any(vc.log().streams.values()), what="nothing is copied", log=user.operator.log)
    assert volumes(user)
    user.delete()
    assert vc.power("web") == POWERED_ON
    wait(lambda: not user.names("jobs,pods,configmaps,pvc,vmimages,vm"), what="something stays")
