"""diskMode volume: the worker writes the new VM's own volumes, and nothing else is made of its disks."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from rig.harvester import THIRD_PARTY_CLASS
from rig.harvester import Faults as HarvesterFaults
from rig.kubectl_user import IMPORT
from rig.operator import wait
from rig.operator_user import MARKER, User
from rig.webserver import Faults
from thresher.model.extent import Extent
from thresher.model.naming import volume_name
from thresher.model.units import GIB, KIB, MIB, Bytes
from thresher.samples.disk import sample_disk
from thresher.samples.ova import write_sample_ova

DATA_DISK, DATA_DISK_DATA = Bytes(256 * MIB), Bytes(8 * MIB)
"""Of the sample VM's second disk."""
SYSTEM_DISK, SYSTEM_DISK_DATA = Bytes(16 * MIB), Bytes(2 * MIB)
"""Of the first, as the fixture makes it."""
SHA512 = "thresher.harvesterhci.io/sha512"


def flat(extents: Iterable[Extent], capacity: int) -> bytes:
    """The disk, byte for byte."""
    disk = bytearray(capacity)
    for extent in extents:
        disk[extent.offset : extent.end] = extent.data or bytes(extent.length)
    return bytes(disk)


def disks(data: Bytes = SYSTEM_DISK_DATA) -> list[bytes]:
    return [
        flat(sample_disk(SYSTEM_DISK, 1, marker=MARKER, data=data), SYSTEM_DISK),
        flat(sample_disk(DATA_DISK, 2, data=DATA_DISK_DATA), DATA_DISK),
    ]


def uid(user: User) -> str:
    return str(user.get(IMPORT, "demo")["metadata"]["uid"])


def volumes(user: User) -> list[Path]:
    """The files that the import's volumes are, in the disks' order."""
    keys = [row["diskName"] for row in user.status()["diskImportStatus"]]
    return [user.harvester.disk_bytes(user.namespace, volume_name(uid(user), key)) for key in keys]


def assert_holds(path: Path, disk: bytes) -> None:
    """The volume has the disk from its first byte on, then zeros."""
    with path.open("rb") as file:
        assert file.read(len(disk)) == disk, "other bytes"
    assert path.stat().st_size == GIB, "it is as large as was asked for"
    assert path.stat().st_blocks * 512 < len(disk) // 2, "holes are left alone"


def assert_all_hold(user: User, expected: list[bytes]) -> None:
    for path, disk in zip(volumes(user), expected, strict=True):
        assert_holds(path, disk)


def test_an_ova_is_written_to_the_volumes_of_a_vm_that_runs(user: User) -> None:
    user.harvester.fail(HarvesterFaults(never_ready=True))
    user.import_changed(diskMode="volume", verify="sha512")
    user.wait_for("virtualMachineCreated")
    assert user.names("pods,jobs") == [], "the worker has let go of the volumes before the VM has them"
    scratch = user.harvester.disk_bytes(user.namespace, f"thresher-{uid(user)}")
    on_scratch = [path for path in scratch.rglob("*") if path.is_file()]
    assert len(on_scratch) == 2
    assert all(path.suffix == ".ledger" and path.stat().st_size < 4 * KIB for path in on_scratch)
    user.harvester.fail()
    user.wait_for("virtualMachineRunning")
    wait(lambda: MARKER in user.harvester.console(user.namespace, "sample"), what="the guest says nothing")
    assert_all_hold(user, disks())
    claims = user.get("pvc")["items"]
    noted = {claim["metadata"]["annotations"].get(SHA512) for claim in claims if claim["spec"]["volumeMode"] == "Block"}
    assert noted == {hashlib.sha512(disk).hexdigest() for disk in disks()}
    assert user.names("vmimages") == []
    assert all(row.get("VirtualMachineImage") is None for row in user.status()["diskImportStatus"])
    wait(lambda: not user.names("secrets,configmaps"), what="the transfer's objects stay")
    wait(lambda: len(user.names("pvc")) == len(disks()), what="scratch stays")


def test_the_vm_keeps_its_volumes_when_the_import_is_deleted(user: User) -> None:
    user.import_changed(diskMode="volume")
    user.wait_for("virtualMachineRunning")
    before = set(user.names("pvc"))
    user.delete()
    assert user.names("vm") == ["sample"]
    assert {name for name in before if name.startswith("volume-")} <= set(user.names("pvc"))


def test_a_worker_that_is_killed_goes_on_from_its_ledger_and_the_volume(user: User) -> None:
    user.copying(diskMode="volume")
    (pod,) = user.names("pods")
    before = len(user.web.requests)
    user.harvester.kill_pod(user.namespace, pod)
    user.web.faults = Faults()
    user.goes_on(before)
    assert_all_hold(user, disks())


def test_a_suspended_import_keeps_its_volumes_and_goes_on(user: User) -> None:
    user.copying(diskMode="volume")
    user.change(suspend=True)
    wait(lambda: user.ready()[0] == "Suspended" and not user.names("pods,jobs"), what="it is not suspended")
    assert len(user.names("pvc")) == len(disks()) + 1
    before = len(user.web.requests)
    user.web.faults = Faults()
    user.change(suspend=False)
    user.goes_on(before)
    assert_all_hold(user, disks())


def test_what_is_begun_anew_on_a_volume_has_zeros_where_it_has_holes(user: User, tmp_path: Path) -> None:
    more, less = Bytes(8 * MIB), Bytes(MIB)  # so much that no disk is whole when the source is replaced
    write_sample_ova(tmp_path / "web" / "vm.ova", MARKER, capacity=SYSTEM_DISK, data=more)
    user.copying(diskMode="volume")
    (pod,) = user.names("pods")
    dirty = volumes(user)
    write_sample_ova(tmp_path / "web" / "vm.ova", MARKER, capacity=SYSTEM_DISK, data=less)
    user.harvester.kill_pod(user.namespace, pod)
    user.web.faults = Faults()
    user.wait_for("virtualMachineRunning")
    assert volumes(user) == dirty, "the same volumes"
    assert_all_hold(user, disks(less))


def test_volumes_that_a_vm_may_have_written_to_are_not_gone_on_with(user: User) -> None:
    user.harvester.fail(HarvesterFaults(never_ready=True))
    user.import_changed(diskMode="volume")
    user.wait_for("virtualMachineCreated")
    user.change(suspend=True)
    wait(lambda: user.ready()[0] == "Suspended" and not user.names("vm"), what="it is not suspended")
    wait(lambda: not [name for name in user.names("pvc") if name.startswith("volume-")], what="the volumes stay")
    user.harvester.fail()
    user.change(suspend=False)
    user.wait_for("virtualMachineRunning")
    assert_all_hold(user, disks())


def test_an_import_that_is_deleted_while_it_copies_leaves_nothing(user: User) -> None:
    user.copying(diskMode="volume")
    assert len(user.names("pvc")) == len(disks()) + 1
    user.delete()
    wait(lambda: not user.names("jobs,pods,secrets,configmaps,pvc,vmimages,vm"), what="something stays")


def test_without_the_ledger_volumes_are_made_anew(user: User) -> None:
    user.copying(diskMode="volume")
    user.change(suspend=True)
    wait(lambda: user.ready()[0] == "Suspended" and not user.names("pods,jobs"), what="it is not suspended")
    before = volumes(user)
    scratch = f"thresher-{uid(user)}"
    assert user.cluster.kubectl("delete", "pvc", scratch, "-n", user.namespace, "--timeout=60s").returncode == 0
    user.web.faults = Faults()
    user.change(suspend=False)
    user.wait_for("virtualMachineRunning")
    assert set(volumes(user)).isdisjoint(before), "nobody knows what is on those"
    assert_all_hold(user, disks())


def test_a_volume_that_cannot_be_had_is_named_and_nothing_is_downloaded(user: User) -> None:
    user.harvester.fail(HarvesterFaults(refuse_volumes=THIRD_PARTY_CLASS))
    user.import_changed(diskMode="volume", storageClass=THIRD_PARTY_CLASS)
    user.wait_for_reason("WorkerNotStarted")
    assert f"1Gi from {THIRD_PARTY_CLASS}" in user.ready()[1]
    user.harvester.fail()
    user.wait_for("virtualMachineRunning")
    assert_all_hold(user, disks())
