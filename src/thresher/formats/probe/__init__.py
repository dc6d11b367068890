"""What a disk image is, by its first bytes, and whether it reaches for files outside itself."""

from thresher.formats.probe.image import HEAD_BYTES, TAIL_BYTES, ImageProbe, probe_image

__all__ = ["HEAD_BYTES", "TAIL_BYTES", "ImageProbe", "probe_image"]
