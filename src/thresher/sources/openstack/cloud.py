"""The copies of an import's disks as the cloud has them: looked up, made and removed. Everything here blocks."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from keystoneauth1.adapter import Adapter
from openstack.block_storage.v3.volume import Volume
from openstack.compute.v2.server import Server
from openstack.connection import Connection
from openstack.exceptions import HttpException
from openstack.image.v2.image import Image

from thresher.model.errors import SourceBusy, SourceError, SourceNotFound
from thresher.model.naming import COPIES
from thresher.sources.openstack.faults import is_quota, said
from thresher.sources.openstack.names import is_copy
from thresher.sources.openstack.reading import PAGE, ask, pages
from thresher.sources.openstack.rows import Row

_USABLE = frozenset({"available", "in-use"})
"""States of a volume that a snapshot can be made in (Block Storage API v3, "Create a snapshot")."""
_ON = frozenset({1, 3, 7})
"""Running, paused, suspended (Compute API, "OS-EXT-STS:power_state")."""
_FILTERS = "3.0"
"""Names can always be asked for in this version of Cinder's API. From 3.31 on that is up to a file of the cloud's own
(``resource_filters_file``), and one that is missing refuses them all with 400."""
_MESSAGES = "3.5"
"""User messages came with 3.3, and filters of them with 3.5 (Cinder, "REST API Version History")."""
_IMPORTED = frozenset({"queued", "saving", "active"})
_DESCRIPTION = "A copy that Thresher made to import a server; it is removed when that import has ended."


class QuotaHeld(SourceBusy):
    """A quota is exhausted, and copies of other disks hold a part of it until they are made."""


class Kind(StrEnum):
    """What a copy is."""

    SNAPSHOT = "snapshot"
    VOLUME = "volume"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Copy:
    """A snapshot, a temporary volume or an image of one disk.

    Attributes:
        kind: which of the three.
        id: its UUID.
        name: as :func:`~thresher.sources.openstack.names.copy_name` gives it.
        status: in the service's own word, lower case.
    """

    kind: Kind
    id: str
    name: str
    status: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({self.status})"


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is of one disk's copies.

    Attributes:
        snapshot: of the volume.
        volume: made of the snapshot.
        image: made of that volume, or of the server.
        idle: whether Nova does nothing with the server; false where that was not looked at.
    """

    snapshot: Copy | None = None
    volume: Copy | None = None
    image: Copy | None = None
    idle: bool = False


def last_stop(cloud: Connection, server_id: str) -> str:
    """What tells the time that a server is off from every other time, as its last action that is no ``createImage``.

    Nova records the actions of a server, newest first (Compute API, "List Actions For Server"); to be started and
    stopped again takes two.

    Raises:
        SourceError: the server is not off.
    """
    server = cloud.compute.get_server(server_id)
    if server.power_state in _ON:
        raise SourceError(
            f"{server.name} is {server.status} and can only be exported when it is off; switch it off: else its disks "
            "would be copied in the middle of its work"
        )
    actions = cloud.compute.server_actions(server_id)
    return next((one.request_id for one in actions if one.action != "createImage"), "")


def look(cloud: Connection, name: str) -> Seen:
    """The copies of a volume, read in the order in which they are made.

    Cinder marks a volume ``uploading`` before it makes the image, so that a queued image, read after a volume that is
    no longer uploading, is one that nobody writes.
    """
    snapshots = _snapshots(cloud, name=name)
    volumes = _volumes(cloud, name=name)
    return Seen(
        _first(snapshots, "available"), _first(volumes, "available"), _first(_images(cloud, name=name), "active")
    )


def look_at_root(cloud: Connection, name: str, server_id: str) -> Seen:
    """The image of a root disk, read after the server, which Nova keeps in a task while it writes the image."""
    idle = cloud.compute.get_server(server_id).task_state is None
    return Seen(image=_first(_images(cloud, name=name), "active"), idle=idle)


def copies_of(cloud: Connection, owner: str, page: int = PAGE) -> tuple[Copy, ...]:
    """All copies that were made for an owner.

    Args:
        cloud: logged in.
        owner: the import's UID.
        page: objects in one answer of a service.
    """
    everything = (*_images(cloud, page), *_volumes(cloud, page), *_snapshots(cloud, page))
    return tuple(copy for copy in everything if is_copy(owner, copy.name))


def renew_login(cloud: Connection) -> None:
    """Log in anew, so that what is asked for next has a token with all of its time.

    Cinder and Nova first copy or convert the whole disk, which may take hours, and only then open Glance's door with
    the token of the request, unless their administrator has set ``send_service_user_token``.
    """
    cloud.session.invalidate()


def image_of(cloud: Connection, copy: Copy) -> Image:
    """An image in full."""
    return Image.new(id=copy.id).fetch(cloud.image)


def make_snapshot(cloud: Connection, name: str, volume_id: str) -> None:
    """Snapshot a volume, which may be attached.

    Raises:
        SourceError: it is in a state in which it cannot be, or the quota does not allow it.
    """
    with _asked(f"the snapshot of volume {volume_id}", partial(_rivals, cloud, name)):
        volume = cloud.block_storage.get_volume(volume_id)
        if volume.status not in _USABLE:
            text = f"volume {volume_id} is in the state {volume.status!r}, in which no snapshot can be made of it"
            if volume.status.startswith("error"):
                raise SourceError(f"{text}; repair it in Cinder, see that it is available or in use, and start again")
            raise SourceBusy(f"{text}; it is tried again")
        cloud.block_storage.create_snapshot(volume_id=volume_id, name=name, description=_DESCRIPTION, is_forced=True)


def make_volume(cloud: Connection, name: str, snapshot: Copy) -> None:
    """Make a volume of a snapshot, of its size and type. Raises SourceError, also where the quota forbids it."""
    with _asked(f"the temporary volume of snapshot {snapshot.id}", partial(_rivals, cloud, name)):
        size = cloud.block_storage.get_snapshot(snapshot.id).size
        cloud.block_storage.create_volume(name=name, size=size, snapshot_id=snapshot.id, description=_DESCRIPTION)


def upload_volume(cloud: Connection, name: str, volume: Copy) -> None:
    """Have Cinder write a volume to a private raw image. Raises SourceError, also where the quota forbids it."""
    with _asked(f"the image of volume {volume.id}"):
        Volume.new(id=volume.id).upload_to_image(
            cloud.block_storage, name, disk_format="raw", container_format="bare", visibility="private"
        )


def snapshot_server(cloud: Connection, name: str, server_id: str) -> None:
    """Have Nova write the root disk of a server that boots from an image to an image.

    Raises:
        SourceError: Nova refuses, also where the quota forbids it.
    """
    with _asked(f"the image of server {server_id}"):
        # the proxy's create_server_image() would search all images for the new one
        Server.new(id=server_id).create_image(cloud.compute, name)


def words_of_cinder(cloud: Connection, resource: str) -> str:
    """What Cinder last told its users of a volume or a snapshot, by its id; "" where it told nothing.

    Raises:
        HttpException: it has no user messages, or not for this user.
    """
    answer = ask(cloud.block_storage, "/messages", microversion=_MESSAGES, params={"resource_uuid": resource})
    told = [one for one in answer.get("messages") or () if one.get("resource_uuid") == resource]
    newest: dict[str, Any] = max(told, key=lambda one: str(one.get("created_at")), default={})
    return " ".join(str(newest.get("user_message") or "").split()).rstrip(".")


def remove(cloud: Connection, copy: Copy) -> None:
    """Ask for its removal; it is no error if it is gone."""
    if copy.kind is Kind.IMAGE:
        cloud.image.delete_image(copy.id, ignore_missing=True)
    elif copy.kind is Kind.VOLUME:
        cloud.block_storage.delete_volume(copy.id, ignore_missing=True)
    else:
        cloud.block_storage.delete_snapshot(copy.id, ignore_missing=True)


@contextmanager
def _asked(what: str, rivals: Callable[[], Sequence[Copy]] = tuple) -> Iterator[None]:
    """Say which quota stands in the way, and what is gone.

    Args:
        what: that is asked for.
        rivals: looks for copies of other disks, which hold a quota only until their images are made.
    """
    try:
        yield
    except HttpException as error:
        status = error.status_code or 0
        if is_quota(status, said(error)):
            text = f"{what} cannot be made, because a quota of the project is exhausted: {said(error)}"
            if held := rivals():
                raise QuotaHeld(
                    f"{text}; {len(held)} copies of other disks hold a part of it until they are made, and it is tried"
                    " again. More of it lets more disks be copied at once"
                ) from error
            raise SourceError(f"{text}; free some or have it raised, and start the import again") from error
        if status == 404:  # noqa: PLR2004 - HTTP's Not Found
            raise SourceNotFound(
                f"{what} cannot be made, because that is gone: {said(error)}; look whether the server was changed"
            ) from error
        raise


def _rivals(cloud: Connection, name: str) -> list[Copy]:
    """What is there of other disks, of this import and of others, and counts for Cinder's quotas."""
    found = (*_snapshots(cloud), *_volumes(cloud))
    return [copy for copy in found if copy.name.startswith(COPIES) and copy.name != name]


def _first(copies: Iterable[Copy], ready: str) -> Copy | None:
    """The one to go on with. There are two where the answer to a request was lost and it was made again."""
    return min(copies, key=lambda copy: (copy.status != ready, copy.id), default=None)


def _snapshots(cloud: Connection, page: int = PAGE, **query: str) -> list[Copy]:
    return _listed(cloud.block_storage, Kind.SNAPSHOT, "/snapshots/detail", page, query)


def _volumes(cloud: Connection, page: int = PAGE, **query: str) -> list[Copy]:
    return _listed(cloud.block_storage, Kind.VOLUME, "/volumes/detail", page, query)


def _images(cloud: Connection, page: int = PAGE, **query: str) -> list[Copy]:
    """Only the project's own: an administrator's list has those of all projects, and everyone's has public ones."""
    return _listed(cloud.image, Kind.IMAGE, "/images", page, {"owner": str(cloud.current_project_id), **query})


def _listed(client: Adapter, kind: Kind, path: str, page: int, query: Mapping[str, str]) -> list[Copy]:
    """Those that a query asks for, without what a service lists because it does not know the filter."""
    version = None if kind is Kind.IMAGE else _FILTERS
    rows = pages(lambda query: ask(client, path, params=query, microversion=version), f"{kind}s", page, query)
    found = [Copy(kind, row["id"], row.get("name") or "", _status(row)) for row in rows]
    return [copy for copy in found if copy.name == query.get("name", copy.name)]


def _status(row: Row) -> str:
    """A copy's status; an image that Glance itself still registers or hashes is ``importing``, active or not.

    Where Nova and Cinder hand a clone over instead of bytes, Glance answers at once and makes the image active, and
    hashed, in a task of its own (Image API v2.17, "Add location").
    """
    at_work = row.get("os_glance_import_task") and not row.get("os_hash_value")
    return "importing" if at_work and row["status"] in _IMPORTED else str(row["status"])
