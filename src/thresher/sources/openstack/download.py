"""The bytes of an image, as Glance serves them (Image API v2, "Download binary image data")."""

import hashlib
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import TypeVar

from openstack.connection import Connection
from openstack.image.v2.image import Image

from thresher.model.errors import SourceError, SourceNotFound, SourceUnreachable
from thresher.model.units import Bytes
from thresher.model.vm import DiskFormat
from thresher.ports import ByteStream, Checksum
from thresher.sources.bytes import HttpAccess, HttpFile
from thresher.sources.openstack.connection import OpenstackConnection

T = TypeVar("T")

_FORMATS = {
    "raw": DiskFormat.RAW,
    "qcow2": DiskFormat.QCOW2,
    "vmdk": DiskFormat.VMDK,
    "vhd": DiskFormat.VHD,
    "vhdx": DiskFormat.VHDX,
}
"""Glance's disk formats that are read (Image API v2, "Disk Format"); iso, ploop, vdi and the AMI ones are no disks of
a server, or of hypervisors that are not."""
_PACKED = frozenset({"ova", "compressed", "docker"})
"""Container formats in which the bytes are not the disk's (Image API v2, "Container Format"). Nova's driver for libvirt
names the one that the server's own image once had, such as ``ami`` or ``ovf``, beside a plain disk."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An active image, whose bytes never change again.

    Attributes:
        id: its UUID.
        size: in bytes, as it is downloaded.
        format: how the disk lies in it.
        capacity: the disk's size; None where only the image itself says.
        checksum: of its bytes; None where Glance knows none, as where Ceph made the image by itself.
    """

    id: str
    size: Bytes
    format: DiskFormat
    capacity: Bytes | None
    checksum: Checksum | None

    @property
    def version(self) -> str:
        """The same for the same bytes, also where they were copied again."""
        return f"{self.checksum.algorithm}:{self.checksum.hexdigest}" if self.checksum else self.id


def facts(image: Image, title: str) -> ImageFacts:
    """What is told of an image.

    Args:
        image: active.
        title: what to call the disk in messages.

    Raises:
        SourceError: it is in a format that no disk can be read from.
    """
    found = _format(image)
    if found is None or _is_packed(image) or not image.size:
        raise SourceError(
            f"the cloud made an image of {title} in the format {image.disk_format} ({image.container_format}, "
            f"{image.size} bytes), which is not read; have it made as raw or qcow2 (Nova: snapshot_image_format)"
        )
    capacity = image.size if found is DiskFormat.RAW else image.virtual_size
    return ImageFacts(image.id, Bytes(image.size), found, Bytes(capacity) if capacity else None, _checksum(image))


def _format(image: Image) -> DiskFormat | None:
    """A VMDK is most often stream-optimized, which Nova's driver for vSphere says in a property of the image."""
    if image.disk_format == "vmdk" and (image.properties or {}).get("vmware_disktype") == "streamOptimized":
        return DiskFormat.VMDK_STREAM
    return _FORMATS.get(image.disk_format)


def _is_packed(image: Image) -> bool:
    """XenServer's VHDs in OVF are an archive, too (Nova's driver for XenAPI, which was removed in 2020)."""
    return image.container_format in _PACKED or (image.container_format, image.disk_format) == ("ovf", "vhd")


def _checksum(image: Image) -> Checksum | None:
    """The multihash (Image API v2, ``os_hash_algo``), else the MD5 that images had before it."""
    if image.hash_value and image.hash_algo in hashlib.algorithms_available:
        return Checksum(image.hash_algo, image.hash_value.lower())
    return Checksum("md5", image.checksum.lower()) if image.checksum else None


class Tokens:
    """The project's token, renewed where it ended in the middle. Blocks; used by any thread.

    Args:
        connection: entered.
    """

    def __init__(self, connection: OpenstackConnection) -> None:
        self._connection = connection
        self._lock = Lock()

    def current(self) -> str:
        """The present one. Raises SourceError."""
        return self._connection.run(_token)

    def renewed(self, refused: str) -> str:
        """Another one than the refused one, asked for once by all who had that. Raises SourceError."""
        with self._lock:
            present = self.current()
            if present != refused:
                return present
            self._connection.run(lambda cloud: cloud.session.invalidate())
            return self.current()


def _token(cloud: Connection) -> str:
    return str(cloud.auth_token)


@dataclass(slots=True)
class GlanceImage:
    """The bytes of one image. Implements :class:`thresher.ports.ByteSource`.

    Attributes:
        name: what to call it in messages.
        facts: the image.
        url: of its bytes.
        ca_pem: whom to trust, as for the rest of the cloud.
        tokens: what opens it.
    """

    name: str
    facts: ImageFacts
    url: str
    ca_pem: str = field(repr=False)
    tokens: Tokens
    _ranges: bool | None = None

    @property
    def size(self) -> Bytes:
        """As Glance says."""
        return self.facts.size

    @property
    def version(self) -> str:
        """Of the bytes."""
        return self.facts.version

    @property
    def seekable(self) -> bool:
        """Whether the store behind Glance can be read in the middle; it is asked once. Raises SourceError."""
        if self._ranges is None:
            self._ranges = self._looked()
        return self._ranges

    def open(self, offset: int = 0) -> ByteStream:
        """Read from ``offset`` on.

        Raises:
            SourceUnreachable: the image is gone; it is copied again at the next try.
            SourceError: it cannot be read.
        """
        ranges = self.seekable
        return self._asked(lambda token: self._file(token, ranges=ranges).open(offset))

    def _looked(self) -> bool:
        """Glance refuses a range with 400 where its store does not have them (glance/api/v2/image_data.py)."""
        try:
            return self._asked(lambda token: self._file(token, ranges=True).seekable)
        except SourceError as error:
            if _status(error) == HTTPStatus.BAD_REQUEST:
                return False
            raise

    def _asked(self, work: Callable[[str], T]) -> T:
        """Do it with a token, and once more with another if that one has ended."""
        token = self.tokens.current()
        try:
            try:
                return work(token)
            except SourceError as error:
                if _status(error) != HTTPStatus.UNAUTHORIZED:
                    raise
            return work(self.tokens.renewed(token))
        except SourceNotFound as error:
            raise SourceUnreachable(f"Glance no longer has {self.name}; it is copied again") from error

    def _file(self, token: str, *, ranges: bool) -> HttpFile:
        access = HttpAccess(headers=(("X-Auth-Token", token),), ca_pem=self.ca_pem)
        return HttpFile(self.url, access, size=self.facts.size, name=self.name, ranges=ranges)


def _status(error: SourceError) -> int | None:
    cause = error.__cause__
    return cause.code if isinstance(cause, urllib.error.HTTPError) else None
