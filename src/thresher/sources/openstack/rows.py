"""What the services answered, and what belongs to what. Pure: their JSON objects, as the API references have them.

Sources: API references of Nova (Compute), Cinder (Block Storage v3), Glance (Image v2) and Neutron (Networking v2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""One object of an answer: a server, a volume, an image, a port."""

_ATTACHED = "os-extended-volumes:volumes_attached"
_ROOT_DEVICE = "OS-EXT-SRV-ATTR:root_device_name"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What servers refer to by id. What is not there could not be read, or is gone.

    Attributes:
        volumes: of Cinder.
        images: of Glance.
        flavors: of Nova, in the form that microversion 2.47 embeds; only where it is older than that.
        ports: of Neutron, by the server that they are plugged into.
        networks: names by id.
        subnets: their CIDRs by id; only where all servers were read.
        groups: names of the server groups, by the server that is in them.
    """

    volumes: Mapping[str, Row] = field(default_factory=dict)
    images: Mapping[str, Row] = field(default_factory=dict)
    flavors: Mapping[str, Row] = field(default_factory=dict)
    ports: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    subnets: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A volume at its place in a server.

    Attributes:
        id: the volume's.
        device: as Nova calls it, such as ``/dev/vdb``; "" where nobody says. It gives the order, not the bus.
        volume: as Cinder has it; None where it could not be read.
    """

    id: str
    device: str
    volume: Row | None


def volume_ids(server: Row) -> list[str]:
    """The volumes that are attached to a server."""
    return [one["id"] for one in server.get(_ATTACHED) or ()]


def image_id(server: Row) -> str:
    """The image that a server was made of; "" where it was made of a volume."""
    image = server.get("image")
    return str(image.get("id", "")) if isinstance(image, Mapping) else ""


def flavor_id(server: Row) -> str:
    """The flavor that a server refers to; "" where it embeds it."""
    return str((server.get("flavor") or {}).get("id", ""))


def flavor(server: Row, around: Surroundings) -> Row | None:
    """A server's flavor as it was when the server was made, else as it is now; None where it is gone."""
    embedded = server.get("flavor") or {}
    return embedded if "vcpus" in embedded else around.flavors.get(flavor_id(server))


def attachments(server: Row, around: Surroundings) -> tuple[Attachment, ...]:
    """A server's volumes in the order of their devices, the root volume of a server without a root disk first."""
    found = []
    for key in volume_ids(server):
        volume = around.volumes.get(key)
        found.append(Attachment(key, _device(server, volume), volume))
    found.sort(key=lambda one: _place(one.device))  # stable: those without a device stay as Nova lists them
    root = _root(server, found)
    return tuple(([root] if root else []) + [one for one in found if one is not root])


def root_volume(server: Row, around: Surroundings) -> Attachment | None:
    """The volume that a server boots from; None where it boots from a disk that was made of an image."""
    return _root(server, attachments(server, around))


def has_root_disk(server: Row, around: Surroundings) -> bool:
    """Whether a server boots from a disk of its host, which no volume holds."""
    return bool(image_id(server)) and root_volume(server, around) is None


def properties(server: Row, around: Surroundings) -> Row:
    """What the image says of the hardware that a guest needs.

    Nova keeps the image's properties of the time when a server was made, and shows them since microversion 2.98; they
    go before those that the image has now. Of a volume that was made of an image Cinder keeps them.
    """
    root = root_volume(server, around)
    if root is not None:
        stated: Row = (root.volume or {}).get("volume_image_metadata") or {}
        return stated
    image = server.get("image")
    kept = image.get("properties") if isinstance(image, Mapping) else None
    return {**(around.images.get(image_id(server)) or {}), **(kept or {})}


def _root(server: Row, found: Sequence[Attachment]) -> Attachment | None:
    named = server.get(_ROOT_DEVICE)  # shown to administrators
    at_root = [one for one in found if one.device and (one.device == named or _place(one.device) == _place("/dev/vda"))]
    if image_id(server):
        # A server that names an image may still boot from a volume that Nova made of it.
        return next((one for one in at_root if _made_of(one.volume, image_id(server))), None)
    bootable = [one for one in found if str((one.volume or {}).get("bootable")).lower() == "true"]
    return next(iter((*at_root, *bootable, *found)), None)


def _made_of(volume: Row | None, image: str) -> bool:
    metadata = (volume or {}).get("volume_image_metadata") or {}
    return metadata.get("image_id") == image


def _device(server: Row, volume: Row | None) -> str:
    for one in (volume or {}).get("attachments") or ():
        if one.get("server_id") == server["id"]:
            return str(one.get("device") or "")
    return ""


def _place(device: str) -> tuple[int, str]:
    """Sorts ``/dev/vdb`` before ``/dev/vdaa``, and what has no device last."""
    name = device.rpartition("/")[2]
    letters = name[2:] if name[:2] in ("vd", "sd", "hd") else name.removeprefix("xvd")
    return (len(letters), letters) if letters else (len(name) + 1_000, name)
