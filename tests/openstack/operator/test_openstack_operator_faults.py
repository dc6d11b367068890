"""What goes wrong in the cloud meanwhile ends in a running VM or in a clear status, and nothing is left behind."""

from collections.abc import Callable
from hashlib import sha512

import pytest

from rig.kubectl_user import IMPORT
from rig.openstack import Fault
from rig.openstack_stage import SMALL, Booted, Stage
from thresher.model.units import KIB, MIB, SECTOR

FILE = "GET .*/file"
SLOW = MIB // 2
"""Bytes a second of a download that something happens to: the disk takes some seconds then."""


def downloads(on: Stage) -> list[tuple[str, int]]:
    """The ranges that Glance was asked for, and what it answered, without the look whether it has ranges."""
    seen = [one for one in on.cloud.gates["glance"].requests if one.path.endswith("/file")]
    asked = [(one.headers.get("range", ""), one.status) for one in seen if one.method == "GET"]
    return [one for one in asked if one[0] != "bytes=0-0"]


def is_whole(on: Stage, booted: Booted) -> None:
    """It runs here and not there, with each byte of the disk, and nothing is left in the cloud."""
    on.until_it_speaks()
    assert on.power(booted.server) == "SHUTOFF", "it runs here: it must not run twice"
    (image,) = on.names("vmimages")
    assert sha512(on.harvester.image_bytes(on.namespace, image).read_bytes()).digest() == sha512(booted.disk).digest()


def failed(on: Stage, server: str, word: str, *says: str) -> None:
    """The import says why it failed, the server runs as before, and nothing is left on either side."""
    on.wait_for(word)
    for words in says:
        assert words in on.ready()[1]
    on.wait(lambda: on.power(server) == "ACTIVE", "the server is not switched on again")
    on.until_swept()
    on.wait(lambda: not on.names("jobs,pods,configmaps,pvc,vmimages,vm"), "something stays in the cluster")


def test_a_download_that_is_cut_at_any_byte_goes_on_there(on: Stage, booted: Booted) -> None:
    places = (0, 1, SECTOR, 300 * KIB, MIB + 1, SMALL - 1)
    on.cloud.gates["glance"].faults.extend(Fault(FILE, cut_at=place, times=2) for place in places)
    on.begin()
    is_whole(on, booted)
    ranges = {asked for asked, _ in downloads(on)}
    assert {f"bytes={place}-{SMALL - 1}" for place in places} <= ranges


@pytest.mark.parametrize("happens", ["the token ends", "the image is deleted", "the worker is killed"])
def test_a_download_goes_on_whatever_happens_in_the_middle(on: Stage, booted: Booted, happens: str) -> None:
    acts: dict[str, tuple[Callable[[], None], int]] = {
        "the token ends": (on.cloud.mishaps.revoke_all, 401),
        "the image is deleted": (lambda: on.cloud.mishaps.delete_image(_copy(on)), 404),
        "the worker is killed": (on.kill_worker, 206),
    }
    act, answer = acts[happens]
    slow = Fault(FILE, rate=SLOW, cut_after=3 * MIB, times=None)
    on.cloud.gates["glance"].faults.append(slow)
    on.begin()
    on.wait(lambda: sum(row.get("bytesTransferred", 0) for row in rows(on)) > MIB, "nothing is downloaded")
    act()
    slow.times = 0
    is_whole(on, booted)
    assert answer in {status for _, status in downloads(on)[1:]}
    if happens == "the worker is killed":
        begun = [int(asked.removeprefix("bytes=").partition("-")[0]) for asked, _ in downloads(on)[1:]]
        assert min(begun) > 0, "it began anew"


def rows(on: Stage) -> list[dict[str, int]]:
    """Of the import's disks."""
    return list(on.status().get("diskImportStatus") or ())


def _copy(on: Stage) -> str:
    """The image that the root disk is copied to."""
    (copy,) = [one.id for one in on.cloud.user.image.images() if one.name.startswith("thresher-")]
    return str(copy)


def test_a_token_that_ends_while_nova_copies_is_renewed(on: Stage, booted: Booted) -> None:
    with on.copying():
        on.cloud.mishaps.revoke_all()
    is_whole(on, booted)


def test_an_image_that_nova_gives_up_is_made_again(on: Stage, booted: Booted) -> None:
    on.cloud.mishaps.driver("server_snapshot")
    on.begin()
    is_whole(on, booted)


def test_an_image_that_nova_gives_up_each_time_ends_the_import(on: Stage, booted: Booted) -> None:
    on.cloud.mishaps.driver("server_snapshot", times=99)
    on.begin()
    failed(on, booted.server, "VMMigrationFailed", "the image of the root disk", "3 times", "start the import again")


def test_a_quota_that_is_exceeded_at_the_snapshot_ends_the_import(on: Stage) -> None:
    server = on.cloud.make.server("web", volumes=[on.cloud.make.volume(b"data")])
    on.cloud.mishaps.quota(snapshots=0)
    on.begin()
    failed(on, server, "VMMigrationFailed", "quota", "snapshots")


def test_a_volume_in_error_is_told_before_the_server_is_touched(on: Stage) -> None:
    volume = on.cloud.make.volume(b"data")
    server = on.cloud.make.server("web", volumes=[volume])
    on.cloud.mishaps.volume_status(volume, "error")
    on.begin()
    failed(on, server, "virtualMachineImportInvalid", volume, "error")
    asked = [one for one in on.cloud.gates["nova"].requests if one.method == "POST" and server in one.path]
    assert asked == []
    on.cloud.mishaps.volume_status(volume, "in-use")


def test_a_volume_that_breaks_while_it_is_copied_ends_the_import(on: Stage) -> None:
    server = on.cloud.make.server("web", volumes=[on.cloud.make.volume(b"data")])
    on.cloud.mishaps.driver("create_volume_from_snapshot", times=99)
    on.begin()
    failed(on, server, "VMMigrationFailed", "'error'", "log of Cinder")


def test_a_suspended_import_leaves_the_server_as_it_was_and_goes_on(on: Stage, booted: Booted) -> None:
    with on.copying():
        on.change(suspend=True)
        on.wait(lambda: not on.names("jobs"), "the worker goes on")
    on.wait(lambda: on.condition("Suspended").get("status") == "True", "it is not suspended")
    assert on.power(booted.server) == "ACTIVE"
    on.until_swept()
    on.change(suspend=False)
    is_whole(on, booted)


def test_a_disk_goes_straight_into_its_volume(on: Stage, booted: Booted) -> None:
    on.begin(diskMode="volume")
    on.until_it_speaks()
    assert on.names("vmimages") == []
    assert on.power(booted.server) == "SHUTOFF"


def test_an_import_that_failed_can_be_deleted(on: Stage) -> None:
    on.cloud.make.server("web", volumes=[on.cloud.make.volume(b"data")])
    on.cloud.mishaps.quota(snapshots=0)
    on.begin()
    on.wait_for("VMMigrationFailed")
    on.ask_to_delete(IMPORT, "demo")
    on.until_gone()
