"""What goes wrong while disks are copied out of an OpenStack ends in success or in a clear error, without a trace."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from rig.disks import noise
from rig.openstack import Fault, OpenstackCloud
from rig.openstack_exports import Lab, image_booted, machine
from thresher.model.errors import SourceBusy, SourceDenied, SourceError, SourceUnreachable, VerificationError
from thresher.model.units import GIB, KIB, MIB, SECTOR
from thresher.sources.openstack.cloud import Kind
from thresher.sources.openstack.export import CopyPolicy
from thresher.sources.openstack.names import ROOT, copy_name

ROOT_IMAGE = noise(256 * KIB, 1) + bytes(128 * KIB) + noise(64 * KIB + SECTOR, 2)
FILE = "GET .*/file"
IMPATIENT = CopyPolicy(looks=2, every_s=0.2, slowest=GIB << 10)


pytestmark = pytest.mark.usefixtures("emptied")


@pytest.fixture
def cloud(openstack: OpenstackCloud) -> Iterator[OpenstackCloud]:
    for gate in openstack.gates.values():
        gate.reset()
    yield openstack
    for gate in openstack.gates.values():
        gate.reset()
    openstack.mishaps.mend()


@pytest.fixture(scope="module")
def server(openstack: OpenstackCloud) -> str:
    image = openstack.make.image(ROOT_IMAGE, "small")
    return image_booted(openstack, image, ROOT_IMAGE, status="SHUTOFF")


@pytest.fixture(scope="module")
def attached(openstack: OpenstackCloud) -> tuple[str, str]:
    volume = openstack.make.volume(b"data", "data")
    return openstack.make.server("web", volumes=[volume], ports=(), status="SHUTOFF"), volume


@pytest.fixture
def lab(cloud: OpenstackCloud, server: str, tmp_path: Path) -> Lab:
    return Lab(cloud, machine(server, ROOT, name="shop"), tmp_path)


@pytest.fixture
def volume_lab(cloud: OpenstackCloud, attached: tuple[str, str], tmp_path: Path) -> Lab:
    return Lab(cloud, machine(*attached), tmp_path)


def fails(lab: Lab, kind: type[SourceError], *says: str, retryable: bool) -> None:
    """An import that ends in an error of this kind, and leaves nothing unless it goes on from there."""
    with pytest.raises(kind) as failure:
        lab.imported()
    assert failure.value.retryable is retryable
    for words in says:
        assert words in str(failure.value)
    if not retryable:
        assert lab.left() == []


def succeeds(lab: Lab) -> None:
    lab.imported()
    assert lab.path(ROOT).read_bytes() == ROOT_IMAGE
    assert lab.left() == []


@pytest.mark.parametrize("place", [0, 1, SECTOR, 256 * KIB, 300 * KIB, len(ROOT_IMAGE) - 1])
def test_a_connection_that_is_cut_at_any_byte_is_gone_on_with(lab: Lab, place: int) -> None:
    lab.cloud.gates["glance"].faults.append(Fault(f"{FILE}", cut_at=place, times=3))
    succeeds(lab)
    ranges = [one.headers.get("range") for one in lab.cloud.gates["glance"].requests if one.path.endswith("/file")]
    assert f"bytes={place}-{len(ROOT_IMAGE) - 1}" in ranges


def test_a_token_that_ends_in_the_middle_of_a_disk_is_renewed(lab: Lab) -> None:
    glance = lab.cloud.gates["glance"]

    def end() -> None:
        glance.faults.append(Fault(FILE, cut_after=100 * KIB, times=2))
        lab.cloud.mishaps.revoke_all()

    lab.imported(end)
    assert lab.path(ROOT).read_bytes() == ROOT_IMAGE
    assert 401 in [one.status for one in glance.requests if one.path.endswith("/file")]
    assert lab.left() == []


def test_a_token_that_ends_while_the_cloud_copies_is_renewed(lab: Lab) -> None:
    with lab.cloud.mishaps.held("server_snapshot"):
        lab.cancelled_when(lambda: lab.copies().get(Kind.IMAGE) == "queued")
        lab.cloud.mishaps.revoke_all()
    succeeds(lab)


@pytest.mark.parametrize(
    ("limits", "says"),
    [({"snapshots": 0}, "snapshots"), ({"volumes": 1}, "volumes"), ({"gigabytes": 1}, "gigabytes")],
)
def test_a_quota_that_is_exhausted_is_named(volume_lab: Lab, limits: dict[str, int], says: str) -> None:
    used = list(volume_lab.cloud.user.block_storage.volumes())
    if "volumes" in limits:
        limits = {"volumes": len(used)}
    if "gigabytes" in limits:
        limits = {"gigabytes": sum(volume.size for volume in used)}
    volume_lab.cloud.mishaps.quota(**limits)
    fails(volume_lab, SourceError, "quota", says, "start the import again", retryable=False)


def test_a_quota_that_another_import_holds_is_waited_for(volume_lab: Lab) -> None:
    lab, storage = volume_lab, volume_lab.cloud.user.block_storage
    key = lab.vm.disks[0].key
    held = storage.create_snapshot(volume_id=key, name=copy_name("another", key, "req-1"), is_forced=True)
    lab.cloud.make.until("snapshot", held.id, "available")
    lab.cloud.mishaps.quota(snapshots=1)
    fails(lab.with_policy(IMPATIENT), SourceBusy, "quota", "1 copies of other disks", retryable=True)
    asked = lab.asked("cinder", "POST /snapshots")
    with ThreadPoolExecutor(1) as threads:
        imported = threads.submit(lab.imported)
        lab.until(lambda: lab.asked("cinder", "POST /snapshots") > asked)
        storage.delete_snapshot(held)
        imported.result()
    assert lab.left() == []


def test_a_volume_in_error_is_named_before_anything_is_made(volume_lab: Lab) -> None:
    volume = volume_lab.vm.disks[0].key
    volume_lab.cloud.mishaps.volume_status(volume, "error")
    fails(volume_lab, SourceError, volume, "'error'", "repair it", retryable=False)
    volume_lab.cloud.mishaps.volume_status(volume, "maintenance")
    fails(volume_lab, SourceBusy, volume, "'maintenance'", retryable=True)
    assert volume_lab.left() == []
    volume_lab.cloud.mishaps.volume_status(volume, "in-use")


@pytest.mark.parametrize("operation", ["create_snapshot", "create_volume_from_snapshot"])
def test_a_copy_that_fails_in_cinder_is_named_and_removed(volume_lab: Lab, operation: str) -> None:
    volume_lab.cloud.mishaps.driver(operation, times=9)  # type: ignore[arg-type] # it is one of them
    name = f"thresher-{volume_lab.owner}-{volume_lab.vm.disks[0].key}"
    fails(volume_lab, SourceError, name, "'error'", "log of Cinder", retryable=False)


def test_an_upload_that_cinder_gives_up_is_begun_again(volume_lab: Lab) -> None:
    """Cinder removes the image then, and frees the volume."""
    volume_lab.cloud.mishaps.driver("copy_volume_to_image", times=2)
    volume_lab.imported()
    assert volume_lab.left() == []


def test_an_upload_that_cinder_gives_up_each_time_is_final_and_says_why(volume_lab: Lab) -> None:
    volume_lab.cloud.mishaps.driver("copy_volume_to_image", times=9)
    says = ("the image of disk", "3 times", "Cinder says: ", "Failed to upload volume", "image_size_cap")
    fails(volume_lab, SourceError, *says, retryable=False)


def test_an_image_that_nova_gives_up_is_begun_again(lab: Lab) -> None:
    lab.cloud.mishaps.driver("server_snapshot")
    succeeds(lab)


def test_an_image_that_nova_gives_up_each_time_is_final(lab: Lab) -> None:
    lab.cloud.mishaps.driver("server_snapshot", times=9)
    fails(lab, SourceError, "the image of the root disk", "3 times", "log", retryable=False)


def test_a_copy_that_takes_longer_than_it_may_is_gone_on_with(lab: Lab) -> None:
    with lab.cloud.mishaps.held("server_snapshot"):
        fails(lab.with_policy(IMPATIENT), SourceBusy, "no progress", "uploadImageRetryCount", retryable=True)
    succeeds(lab)
    assert lab.asked("nova", f"POST /servers/{lab.vm.id}/action") == 1


def test_an_image_that_somebody_removes_while_it_is_read_is_made_again(lab: Lab) -> None:
    def remove() -> None:
        lab.cloud.mishaps.delete_image(next(one.id for one in lab.cloud.user.image.images() if lab.owner in one.name))

    with pytest.raises(SourceUnreachable, match="copied again"):
        lab.imported(remove)
    succeeds(lab)


def test_an_image_that_is_locked_away_is_an_error_that_leaves_nothing(lab: Lab) -> None:
    def deactivate() -> None:
        image = next(one.id for one in lab.cloud.user.image.images() if lab.owner in one.name)
        lab.cloud.mishaps.deactivate_image(image)

    with pytest.raises(SourceDenied):
        lab.imported(deactivate)
    assert lab.left() == []


def test_bytes_that_are_not_what_glance_hashed_are_an_error_that_leaves_nothing(lab: Lab) -> None:
    def damage() -> None:
        image = next(one.id for one in lab.cloud.user.image.images() if lab.owner in one.name)
        path = next((lab.cloud.folder / "data" / "images").glob(f"**/{image}"))
        with path.open("rb+") as file:
            file.seek(MIB // 8)
            file.write(b"damaged")

    with pytest.raises(VerificationError, match="sha512"):
        lab.imported(damage)
    assert lab.left() == []


def test_a_store_without_ranges_is_read_from_the_start(lab: Lab) -> None:
    """Glance answers 400 to a range then."""
    lab.cloud.gates["glance"].faults.append(Fault(FILE, status=400))
    succeeds(lab)
    asked = [one for one in lab.cloud.gates["glance"].requests if one.path.endswith("/file")]
    assert [one.headers.get("range") for one in asked] == ["bytes=0-0", None]


@pytest.mark.parametrize(
    ("gate", "request_"), [("glance", "GET .*/images"), ("cinder", "GET .*/volumes/detail"), ("nova", "POST .*/action")]
)
def test_a_service_that_is_overloaded_once_costs_at_most_one_more_run(lab: Lab, gate: str, request_: str) -> None:
    overload = Fault(request_, status=503)
    lab.cloud.gates[gate].faults.append(overload)
    with suppress(SourceUnreachable):
        lab.imported()
    assert overload.times == 0
    succeeds(lab)


def test_what_cannot_be_removed_keeps_nothing_else(volume_lab: Lab) -> None:
    lab, cloud = volume_lab, volume_lab.cloud
    name = copy_name(lab.owner, lab.vm.disks[0].key, "req-1")
    volume = cloud.user.block_storage.create_volume(size=1, name=name)
    cloud.make.until("volume", volume.id, "available")
    cloud.make.image(b"bytes", name)
    cloud.gates["glance"].faults.append(Fault("DELETE /v2/images", status=409, times=None))
    with pytest.raises(SourceBusy):
        lab.swept()
    lab.until(lambda: lab.left() == [f"image {name} active"])
    cloud.gates["glance"].reset()
    lab.swept()
    assert lab.left() == []


def test_what_a_sweep_cannot_remove_is_named(cloud: OpenstackCloud, volume_lab: Lab) -> None:
    lab, storage = volume_lab.with_policy(IMPATIENT), cloud.user.block_storage
    name = copy_name(lab.owner, lab.vm.disks[0].key, "req-1")
    volume = storage.create_volume(size=1, name=name)
    cloud.make.until("volume", volume.id, "available")
    for status, kind, words in (("uploading", SourceBusy, "in use"), ("error_deleting", SourceError, "administrator")):
        cloud.mishaps.volume_status(volume.id, status)
        with pytest.raises(kind, match=words) as failure:
            lab.swept()
        assert name in str(failure.value)
        assert volume.id in str(failure.value)
    cloud.mishaps.volume_status(volume.id, "available")
    volume_lab.swept()
    assert volume_lab.left() == []
