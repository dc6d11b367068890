"""Makes what a tenant has: images, volumes with bytes, servers with ports."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from rig.openstack.population import Connection

GIB = 1 << 30
WAIT_S = 120
_POLL_S = 0.2
_ZEROS = bytes(1 << 20)


@dataclass(frozen=True)
class Port:
    """A port of a server, in order.

    Attributes:
        network: its network's name.
        mac: its MAC address; one of Neutron's own where none is given.
        fixed_ips: its addresses; one of each subnet where none are given.
    """

    network: str = "blue"
    mac: str = ""
    fixed_ips: tuple[str, ...] = ()


class Things:
    """Makes things in the importing user's project, and waits until they are ready."""

    def __init__(self, user: Connection, admin: Connection, data: Path) -> None:
        self._user = user
        self._admin = admin
        self._data = data

    def image(
        self,
        content: bytes | Path = b"",
        name: str = "image",
        *,
        disk_format: str = "raw",
        min_disk: int = 0,
        **properties: str,
    ) -> str:
        """An active image with this content and these properties (``hw_firmware_type="uefi"``); its UUID."""
        images = self._user.image
        image = images.create_image(
            name=name,
            disk_format=disk_format,
            container_format="bare",
            min_disk=min_disk,
            allow_duplicates=True,
            **properties,
        )
        with content.open("rb") if isinstance(content, Path) else BytesIO(content) as data:
            kind = {"Content-Type": "application/octet-stream"}
            answer = images.put(f"/images/{image.id}/file", data=data, headers=kind)
        assert answer.ok, f"Glance refused the image's bytes: {answer.text}"
        self.until("image", image.id, "active")
        return str(image.id)

    def volume(
        self,
        content: bytes | Path = b"",
        name: str = "volume",
        *,
        size: int = 1,
        bootable: bool = True,
        image_metadata: Mapping[str, str] | None = None,
        volume_type: str | None = None,
        multiattach: bool = False,
    ) -> str:
        """An available volume that begins with this content and is zeros from there; its UUID.

        Args:
            content: the first bytes, or a file of them; its holes stay holes.
            name: the volume's name.
            size: GiB.
            bootable: whether Nova may boot from it.
            image_metadata: what a volume made of an image keeps of that image (``hw_firmware_type``).
            volume_type: the type's name; Cinder's default where none is given.
            multiattach: only for a type that allows it.
        """
        storage = self._user.block_storage
        volume = storage.create_volume(name=name, size=size, volume_type=volume_type, is_multiattach=multiattach)
        self.until("volume", volume.id, "available")
        fill(self.volume_file(volume.id), content)
        storage.set_volume_bootable_status(volume, bootable)
        if image_metadata:
            storage.set_volume_image_metadata(volume, **image_metadata)
        return str(volume.id)

    def volume_from_image(self, image: str, name: str = "volume", *, size: int = 1) -> str:
        """An available volume that Cinder made of an image, with the image's metadata; its UUID."""
        volume = self._user.block_storage.create_volume(name=name, size=size, image_id=image)
        self.until("volume", volume.id, "available")
        return str(volume.id)

    def volume_type(self, name: str, **extra_specs: str) -> str:
        """A volume type that everybody may use, such as ``multiattach="<is> True"``; its name."""
        storage = self._admin.block_storage
        if all(kind.name != name for kind in storage.types()):
            storage.create_type(name=name, extra_specs=extra_specs)
        return name

    def volume_file(self, volume: str) -> Path:
        """The sparse file that holds a volume's bytes."""
        return self._data / "volumes" / volume

    def server(  # noqa: PLR0913 - a server has as many sides
        self,
        name: str = "server",
        *,
        volumes: Sequence[str] = (),
        image: str = "",
        ports: Sequence[Port] = (Port(),),
        flavor: str = "",
        status: Literal["ACTIVE", "SHUTOFF"] = "ACTIVE",
        metadata: Mapping[str, str] | None = None,
        description: str = "",
    ) -> str:
        """A server; its UUID.

        Args:
            name: need not be unique.
            volumes: UUIDs in boot order. With an image they are attached beside its root disk.
            image: UUID of the image whose copy is the root disk.
            ports: its NICs in order.
            flavor: a name of population.FLAVORS; ``tiny`` with an image, ``diskless`` without.
            status: running or stopped.
            metadata: its user's keys.
            description: text.
        """
        blocks = [_block(volume, index + bool(image)) for index, volume in enumerate(volumes)]
        if image:
            root = {"uuid": image, "source_type": "image", "destination_type": "local"}
            blocks.insert(0, root | {"boot_index": 0, "delete_on_termination": True})
        wanted: dict[str, Any] = {"image_id": image} if image else {}
        size = self._user.compute.find_flavor(flavor or ("tiny" if image else "diskless"), ignore_missing=False)
        wanted |= {
            "name": name,
            "flavor_id": size.id,
            "block_device_mapping": blocks,
            "networks": [{"port": self._port(port)} for port in ports] or "none",
            "metadata": dict(metadata or {}),
            "description": description or None,
        }
        server = self._placed(wanted)
        if status == "SHUTOFF":
            self._user.compute.stop_server(server)
            self.until("server", server, "SHUTOFF")
        return server

    def _placed(self, wanted: Mapping[str, Any], tries: int = 3) -> str:
        """A new server that runs. Now and then Nova's scheduler finds no host for one, though there is all the room."""
        compute = self._user.compute
        server = compute.create_server(**wanted)
        try:
            self.until("server", server.id, "ACTIVE")
        except AssertionError as error:
            if tries == 1 or "No valid host" not in str(error):
                raise
            compute.delete_server(server)
            compute.wait_for_delete(server, interval=1)
            return self._placed(wanted, tries - 1)
        return str(server.id)

    def _port(self, port: Port) -> str:
        network = self._user.network.find_network(port.network, ignore_missing=False)
        wanted: dict[str, Any] = {"mac_address": port.mac} if port.mac else {}
        if port.fixed_ips:
            wanted["fixed_ips"] = [{"ip_address": address} for address in port.fixed_ips]
        return str(self._user.network.create_port(network_id=network.id, **wanted).id)

    def until(self, kind: Literal["image", "volume", "snapshot", "server"], uuid: str, status: str) -> None:
        """Wait until something has this status.

        Raises:
            AssertionError: it has failed, or takes too long.
        """
        ways: dict[str, Callable[[str], Any]] = {
            "image": self._admin.image.get_image,
            "volume": self._admin.block_storage.get_volume,
            "snapshot": self._admin.block_storage.get_snapshot,
            "server": self._admin.compute.get_server,
        }
        deadline = time.monotonic() + WAIT_S
        while (seen := ways[kind](uuid)).status != status:
            failed = str(seen.status).lower() in {"error", "killed"}
            told = getattr(seen, "fault", None) or ""
            in_time = time.monotonic() < deadline
            assert in_time and not failed, f"{kind} {uuid} is {seen.status} {told}, not {status}"  # noqa: PT018 - one text
            time.sleep(_POLL_S)


def _block(volume: str, boot_index: int) -> dict[str, Any]:
    return {"uuid": volume, "source_type": "volume", "destination_type": "volume", "boot_index": boot_index}


def fill(path: Path, content: bytes | Path) -> None:
    """Write bytes over the beginning of a file; blocks of zeros of another file become holes."""
    if isinstance(content, bytes):
        with path.open("rb+") as file:
            file.write(content)
        return
    with path.open("rb+") as target, content.open("rb") as source:
        while block := source.read(len(_ZEROS)):
            if block != _ZEROS[: len(block)]:
                target.write(block)
            else:
                target.seek(len(block), 1)
