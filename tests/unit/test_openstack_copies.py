from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openstack.connection import Connection
from openstack.image.v2.image import Image

from rig.openstack_rows import Json
from thresher.model.errors import SourceError
from thresher.model.units import GIB
from thresher.model.vm import DiskFormat
from thresher.ports import Checksum
from thresher.sources.openstack import cloud
from thresher.sources.openstack.cloud import Copy, Kind, Seen
from thresher.sources.openstack.copies import Step, next_step
from thresher.sources.openstack.download import facts
from thresher.sources.openstack.names import ROOT, copy_name, is_copy
from thresher.sources.openstack.patience import CopyPolicy
from thresher.sources.openstack.sweep import due

OWNER = "5d3b0f0e-6f3c-4a55-9d0e-2f7a1b1c9e11"
KEY = "0b9a7c52-3d5e-4b47-8f1d-7c64c07f2a10"
NAME = copy_name(OWNER, KEY, "req-1")

# Block Storage API v3, "Volume statuses" and "Snapshot statuses"; Glance, "Image Statuses".
VOLUME_STATES = [
    *("creating", "available", "reserved", "attaching", "detaching", "in-use", "maintenance", "deleting"),
    *("awaiting-transfer", "error", "error_deleting", "backing-up", "restoring-backup", "error_backing-up"),
    *("error_restoring", "error_extending", "downloading", "uploading", "retyping", "extending"),
]
SNAPSHOT_STATES = ["creating", "available", "backing-up", "deleting", "error", "deleted", "unmanaging", "restoring"]
SNAPSHOT_STATES += ["error_deleting"]
IMAGE_STATES = ["queued", "saving", "active", "killed", "deleted", "pending_delete", "deactivated", "uploading"]
IMAGE_STATES += ["importing"]


def copy(kind: Kind, status: str, name: str = NAME) -> Copy:
    return Copy(kind, f"id-of-{kind}", name, status)


def seen(snapshot: str = "", volume: str = "", image: str = "") -> Seen:
    return Seen(
        copy(Kind.SNAPSHOT, snapshot) if snapshot else None,
        copy(Kind.VOLUME, volume) if volume else None,
        copy(Kind.IMAGE, image) if image else None,
    )


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (seen(), Step.SNAPSHOT),
        (seen("creating"), Step.WAIT),
        (seen("available"), Step.VOLUME),
        (seen("available", "creating"), Step.WAIT),
        (seen("available", "available"), Step.UPLOAD),
        (seen("available", "uploading"), Step.WAIT),
        (seen("available", "uploading", "queued"), Step.WAIT),
        (seen("available", "uploading", "saving"), Step.WAIT),
        (seen("available", "available", "active"), Step.DONE),
        (seen("deleting", "deleting", "active"), Step.DONE),
        (seen(image="active"), Step.DONE),
        # a sweep, or the end of an earlier run, is under way
        (seen("deleting"), Step.WAIT),
        (seen("available", "deleting"), Step.WAIT),
    ],
)
def test_a_volume_goes_by_a_snapshot_and_a_volume_to_an_image(found: Seen, step: Step) -> None:
    assert next_step(found, KEY, "disk") is step


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (seen(), Step.CREATE_IMAGE),
        (seen(image="queued"), Step.WAIT),
        (seen(image="saving"), Step.WAIT),
        (seen(image="active"), Step.DONE),
        (replace(seen(), idle=True), Step.CREATE_IMAGE),
        (replace(seen(image="active"), idle=True), Step.DONE),
    ],
)
def test_a_root_disk_is_copied_by_nova_alone(found: Seen, step: Step) -> None:
    assert next_step(found, ROOT, "disk") is step


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (seen("error"), "'error'"),
        (seen("error_deleting"), "'error_deleting'"),
        (seen("available", "error"), "'error'"),
        (seen("available", "error_deleting"), "'error_deleting'"),
        (seen("available", "in-use"), "'in-use'"),
        (seen("available", "uploading", "killed"), "'killed'"),
        (seen("available", "uploading", "deleted"), "'deleted'"),
        (seen(image="deactivated"), "'deactivated'"),
    ],
)
def test_what_failed_is_named_with_its_state_and_is_final(found: Seen, says: str) -> None:
    with pytest.raises(SourceError, match=says) as failure:
        next_step(found, KEY, "disk")
    assert not failure.value.retryable
    assert NAME in str(failure.value)
    assert "log of" in str(failure.value)


@pytest.mark.parametrize("image", ["queued", "saving"])
def test_an_image_that_nobody_writes_any_more_is_made_again(image: str) -> None:
    assert next_step(seen("available", "available", image), KEY, "disk") is Step.DISCARD
    assert next_step(replace(seen(image=image), idle=True), ROOT, "disk") is Step.DISCARD
    assert next_step(seen(image=image), ROOT, "disk") is Step.WAIT


def _all_states() -> Iterator[Seen]:
    for snapshot in ["", *SNAPSHOT_STATES, "a new one"]:
        for volume in ["", *VOLUME_STATES, "a new one"]:
            for image in ["", *IMAGE_STATES, "a new one"]:
                yield seen(snapshot, volume, image)


@pytest.mark.parametrize("key", [KEY, ROOT])
def test_every_state_that_the_services_know_has_a_step_or_an_error(key: str) -> None:
    for found in _all_states():
        try:
            step = next_step(found, key, "disk")
        except SourceError:
            continue
        made_of = {Step.VOLUME: found.snapshot, Step.UPLOAD: found.volume, Step.DONE: found.image}
        if step in made_of:
            used = made_of[step]
            assert used is not None
            assert used.status in {"available", "active"}
        if step is not Step.DONE:
            assert found.image is None or found.image.status != "active"


@given(owner=st.text(), key=st.sampled_from([ROOT, KEY]), stop=st.text(alphabet="req-0123456789"))
@settings(deadline=None)
def test_every_name_fits_and_is_known_again(owner: str, key: str, stop: str) -> None:
    name = copy_name(owner, key, stop)
    assert len(name) <= 255
    assert name.isascii()
    assert name.isprintable()
    assert is_copy(owner, name)


def test_a_name_begins_with_its_owner_and_its_disk() -> None:
    assert NAME.startswith(f"thresher-{OWNER}-{KEY}-")
    assert len({copy_name(OWNER, key, stop) for key in (KEY, ROOT) for stop in ("req-1", "req-2")}) == 4


@pytest.mark.parametrize(
    "name",
    [
        f"thresher-{OWNER}-my backup",
        f"thresher-{OWNER}-{KEY}",
        f"{NAME}-old",
        f"x{NAME}",
        copy_name(f"{OWNER}-2", KEY, "req-1"),
        copy_name("other", KEY, "req-1"),
        "",
        None,
    ],
)
def test_names_of_others_are_left_alone(name: str | None) -> None:
    assert not is_copy(OWNER, name)


def test_the_owner_of_a_longer_name_is_not_taken_for_the_shorter_one() -> None:
    assert not is_copy("shop", copy_name("shop-web", KEY, ""))
    assert not is_copy("shop", copy_name("shop-root", ROOT, ""))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """What is asked of services behind a proxy, which give one object at a time and links to where nobody gets."""
    asked: list[tuple[str, str | None]] = []

    def ask(_: object, path: str, *, params: dict[str, Any], microversion: str | None) -> Json:
        asked.append((path, microversion))
        assert params.get("owner", "p") == "p"
        name = path.split("/")[1]
        rows = [{"id": str(i), "name": copy_name(OWNER, KEY, f"req-{i}"), "status": "available"} for i in range(3)]
        at = int(params["marker"]) + 1 if "marker" in params else 0
        link = f"http://10.0.0.1:8776{path}?marker={at}"
        more: Json = {"next": link} if name == "images" else {f"{name}_links": [{"rel": "next", "href": link}]}
        return {name: rows[at : at + 1], **(more if at + 1 < len(rows) else {})}

    monkeypatch.setattr(cloud, "ask", ask)
    return asked


def test_copies_are_listed_by_their_ids_and_not_by_links_behind_a_proxy(asked: list[tuple[str, str | None]]) -> None:
    connection = cast("Connection", SimpleNamespace(image=None, block_storage=None, current_project_id="p"))
    found = cloud.copies_of(connection, OWNER)
    assert [(one.kind, one.id) for one in found] == [
        (kind, key) for kind in (Kind.IMAGE, Kind.VOLUME, Kind.SNAPSHOT) for key in "012"
    ]
    expected = [("/images", None), ("/volumes/detail", "3.0"), ("/snapshots/detail", "3.0")]
    assert asked == [one for one in expected for _ in range(3)]


def test_a_snapshot_goes_after_the_volume_that_was_made_of_it() -> None:
    image, volume, snapshot = (
        copy(Kind.IMAGE, "saving"),
        copy(Kind.VOLUME, "available"),
        copy(Kind.SNAPSHOT, "available"),
    )
    other = copy(Kind.SNAPSHOT, "available", copy_name(OWNER, ROOT, ""))
    assert due([image, volume, snapshot, other]) == [image, volume, other]
    assert due([copy(Kind.VOLUME, "deleting"), snapshot]) == []
    assert due([snapshot]) == [snapshot]


@pytest.mark.parametrize("status", ["creating", "downloading", "uploading", "in-use", "deleting", "error_deleting"])
def test_cinder_is_not_asked_to_remove_what_it_would_refuse_to(status: str) -> None:
    assert due([copy(Kind.VOLUME, status)]) == []


MULTIHASH = "c" * 128
BARE: dict[str, Any] = {"id": KEY, "size": 3 << 20, "container_format": "bare", "disk_format": "raw"}


@pytest.mark.parametrize(
    ("fields", "form", "capacity"),
    [
        ({"disk_format": "raw"}, DiskFormat.RAW, 3 << 20),
        ({"disk_format": "qcow2", "virtual_size": GIB}, DiskFormat.QCOW2, GIB),
        ({"disk_format": "qcow2"}, DiskFormat.QCOW2, None),
        ({"disk_format": "vhd", "virtual_size": GIB}, DiskFormat.VHD, GIB),
        ({"disk_format": "vhdx"}, DiskFormat.VHDX, None),
        ({"disk_format": "qcow2", "container_format": "ami"}, DiskFormat.QCOW2, None),
        ({"disk_format": "raw", "container_format": "ovf"}, DiskFormat.RAW, 3 << 20),
        ({"disk_format": "vmdk"}, DiskFormat.VMDK, None),
        ({"disk_format": "vmdk", "vmware_disktype": "sparse"}, DiskFormat.VMDK, None),
        ({"disk_format": "vmdk", "vmware_disktype": "streamOptimized"}, DiskFormat.VMDK_STREAM, None),
    ],
)
def test_an_image_of_each_format_that_is_read(fields: dict[str, Any], form: DiskFormat, capacity: int | None) -> None:
    found = facts(Image.existing(**BARE | fields), "disk")
    assert (found.format, found.capacity, found.size) == (form, capacity, 3 << 20)


@pytest.mark.parametrize(
    "fields",
    [
        {"disk_format": "iso"},
        {"disk_format": "ploop"},
        {"disk_format": "vdi"},
        {"disk_format": "ami", "container_format": "ami"},
        {"disk_format": None},
        {"disk_format": "vhd", "container_format": "ovf"},
        {"container_format": "compressed"},
        {"size": 0},
    ],
)
def test_an_image_that_no_disk_can_be_read_from_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match="raw or qcow2") as failure:
        facts(Image.existing(**BARE | fields), "disk")
    assert not failure.value.retryable


@pytest.mark.parametrize(
    ("fields", "checksum"),
    [
        ({"os_hash_algo": "sha512", "os_hash_value": MULTIHASH, "checksum": "a" * 32}, Checksum("sha512", MULTIHASH)),
        ({"checksum": "A" * 32}, Checksum("md5", "a" * 32)),
        ({"os_hash_algo": "a-new-one", "os_hash_value": "b", "checksum": "a" * 32}, Checksum("md5", "a" * 32)),
        ({}, None),
    ],
)
def test_the_multihash_goes_before_md5(fields: dict[str, Any], checksum: Checksum | None) -> None:
    found = facts(Image.existing(**BARE | fields), "disk")
    assert found.checksum == checksum
    assert found.version == (f"{checksum.algorithm}:{checksum.hexdigest}" if checksum else KEY)


@pytest.mark.parametrize(("looks", "every_s", "slowest"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_policy_that_would_never_look_or_never_stop(looks: int, every_s: float, slowest: int) -> None:
    with pytest.raises(ValueError, match="look"):
        CopyPolicy(looks, every_s, slowest)


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"status": "active"}, "active"),
        ({"status": "queued", "os_glance_import_task": "task"}, "importing"),
        ({"status": "active", "os_glance_import_task": "task"}, "importing"),
        ({"status": "active", "os_glance_import_task": "task", "os_hash_value": MULTIHASH}, "active"),
        ({"status": "killed", "os_glance_import_task": "task"}, "killed"),
    ],
)
def test_an_image_that_glance_still_registers_or_hashes_is_not_there_yet(
    monkeypatch: pytest.MonkeyPatch, row: Json, status: str
) -> None:
    monkeypatch.setattr(cloud, "ask", lambda *_, **__: {"images": [{"id": "i", "name": NAME, **row}]})
    connection = cast("Connection", SimpleNamespace(image=None, compute=Computes(), current_project_id="p"))
    found = cloud.look_at_root(connection, NAME, "server")
    assert found.image is not None
    assert found.image.status == status
    if status == "importing":
        assert next_step(found, ROOT, "disk") is Step.WAIT, "it must not be taken for one that nobody writes"


class Computes:
    """A Nova that does nothing with any server."""

    def get_server(self, _: str) -> SimpleNamespace:
        """A server at rest."""
        return SimpleNamespace(task_state=None)
