"""Disks exported from an OpenStack: whole, gone on with by any worker, and without a trace."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rig.disks import Case, make, noise
from rig.openstack import Fault, OpenstackCloud
from rig.openstack.mishaps import Operation
from rig.openstack_exports import Lab, image_booted, machine, root_of, sha256
from thresher.model.errors import SourceBusy, SourceError, SourceUnreachable
from thresher.model.units import GIB, KIB, MIB, SECTOR
from thresher.model.vm import DiskFormat
from thresher.sources.openstack.cloud import Kind, copies_of
from thresher.sources.openstack.export import CopyPolicy
from thresher.sources.openstack.names import ROOT, copy_name
from thresher.transfer.pipeline import Pace

ROOT_IMAGE = noise(MIB, 1) + bytes(2 * MIB) + noise(64 * KIB + SECTOR, 2)
DURABLE = 2 * Pace().bytes
"""So much of a stream has been flushed at least once, however fast it came."""


pytestmark = pytest.mark.usefixtures("emptied")


@pytest.fixture
def cloud(openstack: OpenstackCloud) -> Iterator[OpenstackCloud]:
    yield openstack
    for gate in openstack.gates.values():
        gate.reset()
    openstack.mishaps.mend()


@pytest.fixture(scope="module")
def image(openstack: OpenstackCloud) -> str:
    return openstack.make.image(ROOT_IMAGE, "golden")


def from_volume(cloud: OpenstackCloud, folder: Path, *contents: bytes) -> Lab:
    volumes = [cloud.make.volume(content, f"volume {number}") for number, content in enumerate(contents)]
    server = cloud.make.server("web", volumes=volumes, ports=(), status="SHUTOFF")
    return Lab(cloud, machine(server, *volumes), folder)


def from_image(cloud: OpenstackCloud, folder: Path, image: str) -> Lab:
    server = image_booted(cloud, image, ROOT_IMAGE, status="SHUTOFF")
    return Lab(cloud, machine(server, ROOT, name="shop"), folder)


def test_two_volumes_arrive_as_they_are_and_nothing_is_left(cloud: OpenstackCloud, tmp_path: Path) -> None:
    lab = from_volume(cloud, tmp_path, noise(3 * MIB, 1), noise(MIB, 2))
    first, second = (disk.key for disk in lab.vm.disks)
    with cloud.make.volume_file(second).open("rb+") as file:
        file.seek(GIB - SECTOR)  # a disk's last sector holds the second half of its partition table
        file.write(noise(SECTOR, 3))
    neighbour = cloud.make.volume(name=f"thresher-{lab.owner}-of mine")

    def look() -> None:
        images = [image for image in cloud.user.image.images() if lab.owner in image.name]
        assert {(image.visibility, image.disk_format) for image in images} == {("private", "raw")}
        assert len(images) == 2

    results = lab.imported(look)

    for key, data in ((first, 3 * MIB), (second, MIB + 64 * KIB)):
        assert sha256(lab.path(key)) == sha256(cloud.make.volume_file(key))
        assert (results[key].capacity, results[key].data) == (GIB, data)
        assert lab.path(key).stat().st_blocks * SECTOR < data + MIB  # zeros became holes
        assert "sha512" in results[key].verified
        assert cloud.user.block_storage.get_volume(key).status == "in-use"
    assert lab.left() == [f"volume thresher-{lab.owner}-of mine available"]
    cloud.user.block_storage.delete_volume(neighbour)


def test_what_a_disk_was_copied_by_goes_while_its_image_is_still_read(cloud: OpenstackCloud, tmp_path: Path) -> None:
    """A volume and a snapshot count for the quota of the project."""
    lab = from_volume(cloud, tmp_path, b"data")

    lab.imported(lambda: lab.until(lambda: lab.copies() == {Kind.IMAGE: "active"}))
    assert lab.left() == []


def test_defect_16_a_server_that_boots_from_an_image_keeps_its_root_disk(
    cloud: OpenstackCloud, image: str, tmp_path: Path
) -> None:
    lab = from_image(cloud, tmp_path, image)
    written = noise(4 * KIB, 9)
    root = root_of(cloud, lab.vm.id)
    with root.open("rb+") as file:  # what the guest wrote since
        file.seek(2 * MIB)
        file.write(written)

    result = lab.imported()[ROOT]

    assert lab.path(ROOT).read_bytes() == root.read_bytes()
    assert lab.path(ROOT).read_bytes() == ROOT_IMAGE[: 2 * MIB] + written + ROOT_IMAGE[2 * MIB + len(written) :]
    assert (result.capacity, result.verified) == (len(ROOT_IMAGE), ("size", "sha512"))
    assert lab.left() == []


def test_an_image_in_qcow2_becomes_raw(cloud: OpenstackCloud, image: str, tmp_path: Path) -> None:
    """As Nova writes it where the hypervisor keeps its disks in that format."""
    lab = from_image(cloud, tmp_path, image)
    raw = tmp_path / "golden.raw"
    raw.write_bytes(ROOT_IMAGE)
    packed = make(Case("golden", "qcow2"), raw, tmp_path)
    cloud.make.image(packed, copy_name(lab.owner, ROOT, lab.stop()), disk_format="qcow2")

    async def opened() -> DiskFormat:
        async with lab.exported() as export:
            await lab.transferred(export)
            return export.disks[0].format

    assert asyncio.run(opened()) is DiskFormat.QCOW2
    assert lab.path(ROOT).read_bytes() == ROOT_IMAGE
    assert lab.left() == []


def test_a_server_that_runs_is_not_copied_in_the_middle_of_its_work(
    cloud: OpenstackCloud, image: str, tmp_path: Path
) -> None:
    server = image_booted(cloud, image, ROOT_IMAGE, status="ACTIVE")
    lab = Lab(cloud, machine(server, ROOT, name="shop"), tmp_path)
    with pytest.raises(SourceError, match="shop is ACTIVE and can only be exported when it is off") as failure:
        lab.imported()
    assert not failure.value.retryable
    assert lab.left() == []


POSTS = (("cinder", "POST /snapshots"), ("cinder", "POST /volumes"), ("cinder", "POST /action"))


def test_a_worker_that_is_killed_between_any_two_steps_is_followed_by_one_that_goes_on(
    cloud: OpenstackCloud, tmp_path: Path
) -> None:
    """Each attempt ends a step later; every step was asked for once in all of them."""
    lab = from_volume(cloud, tmp_path, noise(5 * MIB, 4))
    key = lab.vm.disks[0].key
    for gate in cloud.gates.values():
        gate.reset()

    with cloud.mishaps.held("create_snapshot"):
        lab.cancelled_when(lambda: lab.copies().get(Kind.SNAPSHOT) == "creating")
    with cloud.mishaps.held("create_volume_from_snapshot"):
        lab.cancelled_when(lambda: lab.copies().get(Kind.VOLUME) == "creating")
    with cloud.mishaps.held("copy_volume_to_image"):
        lab.cancelled_when(lambda: lab.copies().get(Kind.VOLUME) == "uploading")
    lab.cancelled_when(lambda: lab.copies().get(Kind.IMAGE) == "active")
    cloud.gates["glance"].faults.append(Fault("GET .*/file", cut_at=DURABLE, times=None))
    with pytest.raises(SourceError) as failure:
        lab.imported()
    assert failure.value.retryable
    cloud.gates["glance"].faults.clear()
    assert lab.copies()[Kind.IMAGE] == "active"
    result = lab.imported()[key]

    assert sha256(lab.path(key)) == sha256(cloud.make.volume_file(key))
    assert result.read < GIB  # the ledger's part was not read again
    assert [lab.asked(*post) for post in POSTS] == [1, 1, 1]
    assert lab.left() == []


def test_a_worker_that_dies_before_it_hears_an_answer_is_followed_by_one_that_goes_on(
    cloud: OpenstackCloud, tmp_path: Path
) -> None:
    lab = from_volume(cloud, tmp_path, b"data")
    for gate in cloud.gates.values():
        gate.reset()
    for post in ("POST .*/snapshots$", "POST .*/volumes$", "POST .*/action$"):
        unheard = Fault(post, cut_after=0)
        cloud.gates["cinder"].faults.append(unheard)
        with pytest.raises(SourceUnreachable):
            lab.imported()
        assert unheard.times == 0
    lab.imported()
    assert [lab.asked(*post) for post in POSTS] == [1, 1, 1]
    assert lab.left() == []


def test_copies_from_before_the_server_ran_again_are_not_taken_for_its_disks(
    cloud: OpenstackCloud, image: str, tmp_path: Path
) -> None:
    """An import that is begun again under the same name, after its first try was given up and the server started."""
    lab = from_image(cloud, tmp_path, image)
    lab.cancelled_when(lambda: lab.copies() == {Kind.IMAGE: "active"})
    lab.until(lambda: cloud.user.compute.get_server(lab.vm.id).task_state is None)  # Nova hears of it a moment later
    cloud.user.compute.start_server(lab.vm.id)
    cloud.make.until("server", lab.vm.id, "ACTIVE")
    root_of(cloud, lab.vm.id).write_bytes(noise(2 * MIB, 5))
    cloud.user.compute.stop_server(lab.vm.id)
    cloud.make.until("server", lab.vm.id, "SHUTOFF")

    lab.imported()

    assert lab.path(ROOT).read_bytes() == noise(2 * MIB, 5)
    assert lab.left() == []


def test_a_server_that_runs_while_it_is_copied_is_copied_anew(cloud: OpenstackCloud, tmp_path: Path) -> None:
    """A disk that is copied after it ran would not fit those that were copied before."""
    lab = from_volume(cloud, tmp_path, b"data")
    with ThreadPoolExecutor(1) as threads:
        with cloud.mishaps.held("copy_volume_to_image"):
            first = threads.submit(lab.imported)
            lab.until(lambda: lab.copies().get(Kind.VOLUME) == "uploading")
            cloud.user.compute.start_server(lab.vm.id)
            cloud.make.until("server", lab.vm.id, "ACTIVE")
            cloud.user.compute.stop_server(lab.vm.id)
            cloud.make.until("server", lab.vm.id, "SHUTOFF")
        with pytest.raises(SourceBusy, match="was started, or changed, while its disks were copied"):
            first.result()
    earlier = {copy.id for copy in copies_of(cloud.user, lab.owner)}

    lab.imported(lambda: lab.until(lambda: not earlier & {copy.id for copy in copies_of(cloud.user, lab.owner)}))

    assert sha256(lab.path(lab.vm.disks[0].key)) == sha256(cloud.make.volume_file(lab.vm.disks[0].key))
    assert lab.left() == []


def test_a_sweep_removes_all_that_an_owner_has_and_nothing_else(cloud: OpenstackCloud, tmp_path: Path) -> None:
    lab = from_volume(cloud, tmp_path, b"data")
    key = lab.vm.disks[0].key
    storage, name = cloud.user.block_storage, copy_name(lab.owner, key, "req-1")
    snapshot = storage.create_snapshot(volume_id=key, name=name, is_forced=True)
    cloud.make.until("snapshot", snapshot.id, "available")
    storage.create_volume(size=1, snapshot_id=snapshot.id, name=name)
    cloud.make.image(b"active", name)
    queued = {"name": copy_name(lab.owner, ROOT, "req-1"), "disk_format": "raw", "container_format": "bare"}
    assert cloud.user.image.post("/images", json=queued).ok
    others = cloud.make.image(b"other", copy_name(f"{lab.owner}-2", key, "req-1"))
    assert len(lab.left()) == 5
    assert copies_of(cloud.user, lab.owner, page=1) == copies_of(cloud.user, lab.owner)
    assert len(copies_of(cloud.user, lab.owner)) == 4

    lab.swept()
    lab.swept()

    assert lab.left() == [f"image {copy_name(f'{lab.owner}-2', key, 'req-1')} active"]
    assert storage.get_volume(key).status == "in-use"
    cloud.user.image.delete_image(others)


HALF_MADE: dict[Kind, tuple[Operation, str]] = {
    Kind.SNAPSHOT: ("create_snapshot", "creating"),
    Kind.VOLUME: ("create_volume_from_snapshot", "creating"),
    Kind.IMAGE: ("copy_volume_to_image", "queued"),
}


@pytest.mark.parametrize("kind", list(HALF_MADE))
def test_a_sweep_waits_for_what_is_half_made(cloud: OpenstackCloud, tmp_path: Path, kind: Kind) -> None:
    lab = from_volume(cloud, tmp_path, b"data")
    operation, half = HALF_MADE[kind]
    with cloud.mishaps.held(operation):
        lab.cancelled_when(lambda: lab.copies().get(kind) == half)
        with pytest.raises(SourceError):
            lab.with_policy(CopyPolicy(looks=2, every_s=0.1)).swept()
        assert lab.left() != [], "it is in use"
    lab.swept()
    assert lab.left() == []
