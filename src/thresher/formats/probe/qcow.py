"""qcow2: QEMU's docs/interop/qcow2.txt, "Header"."""

from thresher.formats.probe.found import Head, ImageProbe
from thresher.model.units import Bytes
from thresher.model.vm import DiskFormat

_EXTERNAL_DATA_FILE = 1 << 2
_FLATTEN = "flatten it with 'qemu-img convert' first"


def probe_qcow(head: Head) -> ImageProbe:
    """Read the header of an image that begins with qcow's magic.

    Raises:
        ImageError: it has a backing file, an external data file or encryption, or is no version 2 or 3.
    """
    version = head.big(4, 4)
    if head.big(8, 8):
        raise head.refused(f"has a backing file, which is outside the image: {_FLATTEN}", 8)
    if version == 1:
        raise head.refused("is a qcow image of version 1, which is not read: convert it to qcow2 with qemu-img", 4)
    if version not in (2, 3):
        raise head.refused(f"is a qcow2 image of version {version}; known are 2 and 3", 4)
    if head.big(32, 4):
        raise head.refused("is encrypted: decrypt it with 'qemu-img convert' first", 32)
    if version > 2 and head.big(72, 8) & _EXTERNAL_DATA_FILE:  # noqa: PLR2004 (version 2 has no features)
        raise head.refused(f"keeps its data in an external file: {_FLATTEN}", 72)
    return ImageProbe(DiskFormat.QCOW2, Bytes(head.big(24, 8)))
