"""What a probe finds, and how it reads numbers."""

from dataclasses import dataclass

from thresher.model.errors import ImageError
from thresher.model.units import KIB, Bytes
from thresher.model.vm import DiskFormat

HEAD_BYTES = 64 * KIB
"""How much of a file's start is needed: every descriptor and header that decides fits into it."""


@dataclass(frozen=True, slots=True)
class ImageProbe:
    """What an image is.

    Attributes:
        format: how to read it.
        capacity: the size of its disk, in bytes, where its head states it; None for a raw image.
        extents: the names of further files in the same directory that hold its data, in the disk's order.
            Each must be probed, too, before qemu-img sees it: an extent can itself be a descriptor.
    """

    format: DiskFormat
    capacity: Bytes | None
    extents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """The start of an image, and its name for messages."""

    data: bytes
    name: str

    def little(self, offset: int, length: int) -> int:
        """A little-endian number. Raises ImageError where the head is too short."""
        return int.from_bytes(self._field(offset, length), "little")

    def big(self, offset: int, length: int) -> int:
        """A big-endian number. Raises ImageError where the head is too short."""
        return int.from_bytes(self._field(offset, length), "big")

    def refused(self, why: str, offset: int | None = None) -> ImageError:
        """An error about this image: ``why`` completes the sentence that its name begins."""
        return ImageError(f"the disk image {self.name!r} {why}", offset=offset)

    def _field(self, offset: int, length: int) -> bytes:
        field = self.data[offset : offset + length]
        if len(field) < length:
            raise self.refused("ends inside its header: fetch it again", len(self.data))
        return field
