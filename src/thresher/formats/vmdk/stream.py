"""A sans-IO parser of stream-optimized VMDKs: bytes in, grains out, whichever way the input is split.

The stream is a header, metadata up to ``overHead``, and then elements, each padded to a sector::

    grain    lba u64, size u32 > 0, then ``size`` bytes of RFC 1950 data
    marker   sectors u64, 0 u32, type u32; ``sectors`` sectors of metadata follow

VMware writes grain tables behind the grains, a footer, and the end-of-stream marker: the two together are the proof
that the stream is whole, as a sector of zeros, which a broken copy may hold, has the very bytes of that marker. QEMU
writes the tables in front, no footer and no such marker (zeros that pad its end may look like one): there the proof is
that as many grains came as the tables name.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

from thresher.formats.vmdk.grains import GrainSet
from thresher.formats.vmdk.header import SparseHeader
from thresher.formats.vmdk.tables import FrontTables
from thresher.model.errors import StreamCut, VmdkError
from thresher.model.units import SECTOR, Bytes

_ELEMENT = struct.Struct("<QII")
"""lba or sectors; size; the marker's type, which in a grain is already its data."""
_GRAIN_HEADER = 12

_END_OF_STREAM, _GRAIN_TABLE, _GRAIN_DIRECTORY, _FOOTER = range(4)

_METADATA_SLACK = 128
"""Sectors of padding that a writer may add behind a grain table or directory."""


class ResumeImpossible(VmdkError):
    """The stream goes back behind the checkpoint it was resumed at: it must be read from its start."""


class Grain(NamedTuple):
    """A compressed grain. A tuple, because there are 16 to each MiB and a frozen dataclass takes thrice as long.

    Attributes:
        offset: its place on the disk, in bytes.
        length: how many bytes of the disk it covers: a grain, or less at the disk's end.
        payload: RFC 1950 data; a view of what was received, valid as long as that buffer is.
    """

    offset: Bytes
    length: Bytes
    payload: memoryview


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The end-of-stream marker came: the stream is whole. What follows is padding."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place in the stream where reading may begin anew.

    Attributes:
        header: the stream's header.
        offset: the first byte of an element.
        highest: index of the highest grain before it; every grain before it was lower; -1 before the first.
        grains: how many grains came before it.
        promised: how many the tables in front name in all; None where nothing does.
    """

    header: SparseHeader
    offset: int
    highest: int
    grains: int = 0
    promised: int | None = None


class StreamVmdkParser:
    """Feed it with :meth:`receive` and end with :meth:`receive_eof`.

    ``header`` is None until the header's 512 bytes were received.
    """

    def __init__(self) -> None:
        self.header: SparseHeader | None = None
        self.ended = False
        self._pos = 0  # of the first byte that belongs to no finished element
        self._skip = 0  # bytes of metadata to drop
        self._need = SECTOR  # length of the element in _carry, as far as known
        self._carry = bytearray()  # an element of which only the beginning came
        self._seen = GrainSet()
        self._highest = -1
        self._floor = -1  # grains up to here came before a resumed parser began
        self._ascending = True
        self._footer_next = False
        self._footer_seen = False
        self._grains = 0
        self._front: FrontTables | None = None
        self._promised: int | None = None

    @classmethod
    def resumed(cls, at: Checkpoint) -> Self:
        """A parser that expects the stream from ``at.offset`` on."""
        parser = cls()
        parser.header = at.header
        parser._pos = at.offset
        parser._need = _ELEMENT.size
        parser._highest = parser._floor = at.highest
        parser._seen = GrainSet(at.highest + 1)
        parser._grains, parser._promised = at.grains, at.promised
        return parser

    def checkpoint(self) -> Checkpoint | None:
        """Where to resume once every grain given out so far is safe; None if that place cannot be told.

        It cannot where grains came out of order: a second grain for one place could then pass unnoticed. In the
        middle of metadata the next element lies behind what came, perhaps behind the end of a file that is cut there.
        From the footer on there is nothing left that would be worth it.
        """
        footer = self._footer_next or self._footer_seen
        if self.header is None or not self._ascending or footer or self._skip:
            return None
        return Checkpoint(self.header, self._pos, self._highest, self._grains, self._promised)

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Grain | StreamEnd]:
        """Take the next bytes and give out what they complete. Exhaust it before the next call.

        Raises:
            VmdkError: the stream breaks the format; it says what and at which byte.
        """
        view = memoryview(data)
        at, size = 0, len(view)
        while at < size and not self.ended:
            if self._skip:
                step = min(self._skip, size - at)
                self._drop(view[at : at + step])
                at += step
                continue
            if self._in_grains and size - at >= _ELEMENT.size:
                grains, at = self._grains_ahead(view, at)
                yield from grains
                if at == size:
                    break
            if not self._carry and size - at >= self._element_length(view, at, size):
                length = self._need
                event = self._element(view[at : at + length])
                at += length
            else:
                step = min(self._need - len(self._carry), size - at)
                self._carry += view[at : at + step]
                at += step
                event = self._carried()
            if event is not None:
                yield event

    def receive_eof(self) -> None:
        """Say that the input is at its end.

        Raises:
            StreamCut: the end-of-stream marker did not come, or not every grain that the tables in front name.
        """
        if self._grains == self._promised and not self._carry and not self._skip:
            return
        at = f"it ends after {self._pos + len(self._carry)} bytes"
        if self._promised:
            found = f"{self._grains} of {self._promised} grains"
            raise StreamCut(f"the VMDK stream is cut short: {at}, with {found}; get the file again")
        if not self.ended:
            raise StreamCut(f"the VMDK stream is cut short: {at} without its end marker; get the file again")

    @property
    def _in_grains(self) -> bool:
        return self.header is not None and not self._carry and not self._footer_next

    def _grains_ahead(self, view: memoryview, at: int) -> tuple[list[Grain], int]:
        """The whole grains from ``at`` on, as long as each lies behind all before it, and where they end.

        Nearly every element of nearly every stream is one, and this loop takes a fifth of the general way's time.
        What it does not know it leaves to that one.
        """
        header = self.header
        assert header is not None  # noqa: S101  grains come after the header
        step, whole, longest = header.grain, Bytes(header.grain_bytes), header.longest_payload
        lowest, highest = (self._highest + 1) * step, header.capacity - step
        add, unpack, size = self._seen.add, _ELEMENT.unpack_from, len(view)
        begin, grains = at, []
        while size - at >= _ELEMENT.size:
            lba, length, _ = unpack(view, at)
            end = at + -(-(_GRAIN_HEADER + length) // SECTOR) * SECTOR
            if not 0 < length <= longest or end > size or not lowest <= lba <= highest or lba % step:
                break
            add(lba // step)
            grains.append(Grain(Bytes(lba * SECTOR), whole, view[at + _GRAIN_HEADER : at + _GRAIN_HEADER + length]))
            lowest, at = lba + step, end
        self._highest = lowest // step - 1
        self._grains += len(grains)
        self._pos += at - begin
        return grains, at

    def _drop(self, data: memoryview) -> None:
        """Read past metadata; in the front, count what it promises."""
        self._skip -= len(data)
        self._pos += len(data)
        if self._front is not None:
            self._front.receive(data)
            if self._skip == 0:
                self._promised, self._front = self._front.promised, None

    def _element_length(self, view: memoryview, at: int, size: int) -> int:
        """The whole length of the element at ``at`` if its head is in view, else what the head needs."""
        if self.header is None or self._footer_next:
            self._need = SECTOR
        elif size - at >= _ELEMENT.size:
            self._need = self._measure(view[at : at + _ELEMENT.size])
        else:
            self._need = _ELEMENT.size
        return self._need

    def _carried(self) -> Grain | StreamEnd | None:
        """Deliver the element in _carry if it is whole, or learn how long it is."""
        if len(self._carry) < self._need:
            return None
        if self.header is not None and not self._footer_next and self._need == _ELEMENT.size:
            self._need = self._measure(memoryview(self._carry))
            return None
        element, self._carry = self._carry, bytearray()
        event = self._element(memoryview(element))
        self._need = _ELEMENT.size
        return event

    def _measure(self, head: memoryview) -> int:
        """The length of an element, padding included, from its first 16 bytes."""
        assert self.header is not None  # noqa: S101  elements come after the header
        size: int = _ELEMENT.unpack(head)[1]
        if size == 0:
            return SECTOR
        if size > self.header.longest_payload:
            raise VmdkError(
                f"the VMDK states a compressed grain of {size} bytes: impossible for a grain of"
                f" {self.header.grain_bytes}; the file is damaged",
                offset=self._pos,
            )
        return -(-(_GRAIN_HEADER + size) // SECTOR) * SECTOR

    def _element(self, element: memoryview) -> Grain | StreamEnd | None:
        """Act on one whole element."""
        if self.header is None:
            self.header = SparseHeader.parse(bytes(element))
            self._skip = self.header.overhead * SECTOR - SECTOR
            self._pos += SECTOR
            self._front = FrontTables(self.header) if self._skip else None
            return None
        if self._footer_next:
            self._check_footer(element)
            self._pos += SECTOR
            return None
        value, size, kind = _ELEMENT.unpack_from(element)
        if size == 0:
            return self._marker(value, kind)
        event = self._grain(value, element[_GRAIN_HEADER : _GRAIN_HEADER + size])
        self._pos += len(element)
        return event

    def _marker(self, sectors: int, kind: int) -> StreamEnd | None:
        assert self.header is not None  # noqa: S101  markers come after the header
        if kind == _END_OF_STREAM and sectors == 0:
            if self.header.footer and not self._footer_seen:
                raise VmdkError(
                    "the VMDK's end marker comes before its footer: zeros stand in place of data; get the file again",
                    offset=self._pos,
                )
            self.ended = True  # and _pos stays: whoever resumes here has to find the marker again
            return StreamEnd()
        if kind not in {_GRAIN_TABLE, _GRAIN_DIRECTORY, _FOOTER}:
            raise VmdkError(f"the VMDK has a marker of unknown type {kind}; the file is damaged", offset=self._pos)
        if sectors > self.header.metadata_sectors + _METADATA_SLACK:
            raise VmdkError(
                f"the VMDK states {sectors} sectors of metadata, too many for its size; the file is damaged",
                offset=self._pos,
            )
        self._pos += SECTOR
        if kind == _FOOTER:
            self._footer_next = True
        else:
            self._skip = sectors * SECTOR
        return None

    def _check_footer(self, element: memoryview) -> None:
        footer = SparseHeader.parse(bytes(element), offset=self._pos)
        assert self.header is not None  # noqa: S101  a footer comes after the header
        self._footer_next, self._footer_seen = False, True
        if (footer.capacity, footer.grain) != (self.header.capacity, self.header.grain):
            raise VmdkError(
                "the VMDK's footer contradicts its header on the size of the disk; the file is damaged",
                offset=self._pos,
            )

    def _grain(self, lba: int, payload: memoryview) -> Grain:
        header = self.header
        assert header is not None  # noqa: S101  grains come after the header
        index, rest = divmod(lba, header.grain)
        if lba >= header.capacity:
            raise VmdkError(
                f"the VMDK has a grain at sector {lba}, outside the disk of {header.capacity} sectors;"
                " the file is damaged",
                offset=self._pos,
            )
        if rest:
            raise VmdkError(
                f"the VMDK has a grain at sector {lba}, no multiple of {header.grain}; the file is damaged",
                offset=self._pos,
            )
        self._note(index)
        self._grains += 1
        length = min(header.grain, header.capacity - lba) * SECTOR
        return Grain(Bytes(lba * SECTOR), Bytes(length), payload)

    def _note(self, index: int) -> None:
        """Remember the grain, and refuse a second one for its place."""
        if index <= self._floor:
            raise ResumeImpossible("the VMDK's grains go back behind the place of resumption", offset=self._pos)
        if not self._seen.add(index):
            raise VmdkError(
                f"the VMDK has two grains for one place, grain {index}; the file is damaged", offset=self._pos
            )
        if index < self._highest:
            self._ascending = False
        self._highest = max(self._highest, index)
