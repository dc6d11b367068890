"""The one currency of the data plane: a run of data or of zeros at a place on the disk."""

from dataclasses import dataclass

from thresher.model.units import Bytes


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes on a disk.

    Attributes:
        offset: where it begins, in bytes from the start of the disk.
        length: how long it is, in bytes; positive.
        data: exactly ``length`` bytes, or None for a run of zeros.
    """

    offset: Bytes
    length: Bytes
    data: bytes | bytearray | memoryview | None

    def __post_init__(self) -> None:
        if self.offset < 0 or self.length <= 0:
            raise ValueError(f"an extent needs offset >= 0 and length > 0, not {self.offset}, {self.length}")
        if self.data is not None and len(self.data) != self.length:
            raise ValueError(f"an extent of {self.length} bytes came with {len(self.data)} bytes of data")

    @property
    def end(self) -> Bytes:
        """The first byte after the extent."""
        return Bytes(self.offset + self.length)
