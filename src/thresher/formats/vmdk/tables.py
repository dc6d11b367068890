"""Counts the grains that tables in front of the data promise.

QEMU writes the grain directory and the grain tables into the file's front when it is done, and no end-of-stream marker
behind the data: the tables are all that tells whether such a stream is whole.
"""

import struct

from thresher.formats.vmdk.header import GTES_PER_GT, SparseHeader
from thresher.model.units import SECTOR

_ENTRY = 4
_FIRST_PLACE = 2
"""A grain table entry of 0 is a hole and of 1 a grain of zeros; what is above is a place (format, "Grain Table")."""
_SLICE = 1 << 16


class FrontTables:
    """Fed with the bytes between header and data, in any split, it counts the entries that name a grain.

    Args:
        header: of the stream.
    """

    def __init__(self, header: SparseHeader) -> None:
        tables = -(-header.capacity // (header.grain * GTES_PER_GT))
        directory = -(-tables * _ENTRY // SECTOR)
        self._directory = header.directory * SECTOR
        self._directory_end = self._directory + tables * _ENTRY
        self._tables = (header.directory + directory) * SECTOR
        self._end = self._tables + tables * GTES_PER_GT * _ENTRY
        self._position = SECTOR
        self._rest = b""
        self._grains = 0
        self._regular = header.directory > 0 and self._end <= header.overhead * SECTOR

    @property
    def promised(self) -> int | None:
        """How many grains the tables name; None where there are no tables in front, or none filled in."""
        complete = self._regular and self._position >= self._end
        return self._grains if complete and self._directory_end > self._directory else None

    def receive(self, data: memoryview) -> None:
        """Take the next bytes of the file, from its second sector on."""
        if not self._regular:
            return
        for at in range(0, len(data), _SLICE):
            self._take(bytes(data[at : at + _SLICE]))

    def _take(self, data: bytes) -> None:
        data = self._rest + data
        begin = self._position - len(self._rest)
        whole = len(data) // _ENTRY * _ENTRY
        self._rest = data[whole:]
        self._position = begin + len(data)
        for first, last, act in (
            (self._directory, self._directory_end, self._check_directory),
            (self._tables, self._end, self._count),
        ):
            low, high = max(first, begin), min(last, begin + whole)
            if low < high:
                act(low, struct.unpack(f"<{(high - low) // _ENTRY}I", data[low - begin : high - begin]))

    def _check_directory(self, position: int, entries: tuple[int, ...]) -> None:
        """The tables are only counted where they stand one after the other, behind their directory."""
        step = GTES_PER_GT * _ENTRY // SECTOR
        first = self._tables // SECTOR + (position - self._directory) // _ENTRY * step
        self._regular &= entries == tuple(range(first, first + step * len(entries), step))

    def _count(self, _position: int, entries: tuple[int, ...]) -> None:
        self._grains += sum(entry >= _FIRST_PLACE for entry in entries)
