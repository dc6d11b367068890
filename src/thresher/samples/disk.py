"""The sample disk's contents: a few data extents, far apart, the same for the same seed."""

import hashlib
from collections.abc import Iterator

from thresher.model.extent import Extent
from thresher.model.units import KIB, MIB, SECTOR, Bytes
from thresher.samples.boot import boot_sector

DEFAULT_DATA = Bytes(96 * MIB)
_CHUNK = MIB
_FIRST = MIB  # where the partition begins
_ALIGNMENT = 64 * KIB  # a grain, so that no grain holds the end of one chunk and the start of the next


def sample_disk(
    capacity: Bytes, seed: int, *, marker: str | None = None, data: Bytes = DEFAULT_DATA
) -> Iterator[Extent]:
    """Describe a sparse disk whose data is spread evenly; every other MiB of it does not compress.

    Args:
        capacity: size of the disk, in bytes, a multiple of 512.
        seed: the same seed gives the same disk.
        marker: what the disk prints when it boots; None for a disk that does not boot.
        data: how many bytes of data, in whole MiB.

    Yields:
        Extents in ascending order, none of them zeros, not overlapping.

    Raises:
        ValueError: the data does not fit.
    """
    chunks = data // _CHUNK
    stride = (capacity - _FIRST) // max(chunks, 1) // _ALIGNMENT * _ALIGNMENT
    if capacity % SECTOR or stride < _CHUNK:
        raise ValueError(f"{data} bytes of data do not fit a disk of {capacity} bytes in whole sectors")
    if marker is not None:
        yield Extent(Bytes(0), Bytes(SECTOR), boot_sector(marker, capacity // SECTOR))
    for index in range(chunks):
        content = _noise(seed, index) if index % 2 else _prose(seed, index)
        yield Extent(Bytes(_FIRST + index * stride), Bytes(_CHUNK), content)


def _noise(seed: int, index: int) -> bytes:
    """A chunk that does not compress. SHAKE gives the same bytes on every Python."""
    return hashlib.shake_128(f"thresher sample {seed} {index}".encode()).digest(_CHUNK)


def _prose(seed: int, index: int) -> bytes:
    """A chunk that compresses well."""
    line = "disk {} chunk {:4} line {:8}: the thresher parts the grain from the straw\n"
    size = len(line.format(seed, index, 0))
    lines = (line.format(seed, index, number) for number in range(_CHUNK // size + 1))
    return "".join(lines).encode()[:_CHUNK]
