"""From magic to format."""

from collections.abc import Callable

from thresher.formats.probe.found import HEAD_BYTES, Head, ImageProbe
from thresher.formats.probe.microsoft import TAIL_BYTES, probe_fixed_vhd, probe_vhd, probe_vhdx
from thresher.formats.probe.qcow import probe_qcow
from thresher.formats.probe.vmdk import is_descriptor, probe_cowd, probe_descriptor, probe_sparse
from thresher.model.vm import DiskFormat

__all__ = ["HEAD_BYTES", "TAIL_BYTES", "ImageProbe", "probe_image"]

_BY_MAGIC: tuple[tuple[bytes, Callable[[Head], ImageProbe]], ...] = (
    (b"KDMV", probe_sparse),
    (b"COWD", probe_cowd),
    (b"QFI\xfb", probe_qcow),
    (b"vhdxfile", probe_vhdx),
    (b"conectix", probe_vhd),
)
_UNSUPPORTED = (
    # (offset, magic, name), from QEMU: docs/interop/qed_spec.txt, block/vdi.c, parallels.c and vmdk.c.
    (0, b"QED\0", "a QED image"),
    (64, b"\x7f\x10\xda\xbe", "a VirtualBox VDI image"),
    (0, b"WithoutFreeSpace", "a Parallels image"),
    (0, b"WithouFreSpacExt", "a Parallels image"),
    (0, b"\xbe\xba\xfe\xca\0\0\0\0", "an extent of a vSphere snapshot (seSparse)"),
)


def probe_image(head: bytes, *, name: str, tail: bytes = b"") -> ImageProbe:
    """Tell what an image is, and refuse one that qemu-img would follow to files outside the image.

    Only for images whose format the source does not state: the guest chooses the first bytes of its raw
    disk, so a disk that is known to be raw must be read as raw, whatever it looks like. Whoever starts
    qemu-img on an image passes the format found here, lest it guesses again.

    Args:
        head: the first HEAD_BYTES of the file, or all of a shorter one. More is welcome: the size of a
            VHDX and whether it has a parent lie a few MiB further in (qemu-img refuses one that has).
        name: what to call the image in messages.
        tail: the last TAIL_BYTES of the file, where they are known: the only place that tells a fixed VHD
            from a raw image.

    Raises:
        ImageError: the image is broken, of a format that is not read, or needs files outside itself.
    """
    start = Head(head, name)
    for magic, probe in _BY_MAGIC:
        if head.startswith(magic):
            return probe(start)
    for offset, magic, what in _UNSUPPORTED:
        if head.startswith(magic, offset):
            raise start.refused(f"is {what}, which is not read: convert it to qcow2 with qemu-img")
    if is_descriptor(head):
        return probe_descriptor(start)
    return probe_fixed_vhd(start, tail) or ImageProbe(DiskFormat.RAW, None)
