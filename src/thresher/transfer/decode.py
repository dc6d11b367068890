"""What turns a disk's bytes, as they come, into pieces that worker threads expand and write."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import deflate

from thresher.formats.vmdk import Checkpoint, Grain, SparseHeader, StreamVmdkParser
from thresher.model.errors import StreamCut, VerificationError, VmdkError
from thresher.model.units import KIB, SECTOR, Bytes, Sectors, human
from thresher.transfer.sparse import Buffer

BLOCK = 64 * KIB
"""Zeros are looked for in blocks of this size in a raw stream, as long as a VMDK's usual grain."""
_ZEROS = memoryview(bytes(2 << 20))
_SPARSE_RATIO = 64
"""Data that deflate shrinks by more than this may be all zero; deflate's limit is 1032:1 (RFC 1951)."""


class Piece(Protocol):
    """A part of the disk, as it came. Plain tuples are such: there are tens of thousands to a GiB."""

    @property
    def offset(self) -> Bytes:
        """Where it begins on the disk."""
        ...

    @property
    def length(self) -> Bytes:
        """How much of the disk it covers."""
        ...

    @property
    def payload(self) -> memoryview:
        """What came for it; a view of what was received."""
        ...


class Decoder(Protocol):
    """Sans-IO: bytes in, pieces out."""

    @property
    def capacity(self) -> Bytes | None:
        """The disk's size as soon as it is known."""
        ...

    @property
    def reached(self) -> int:
        """How far on the disk the stream has come, in bytes, for progress."""
        ...

    def receive(self, data: memoryview, /) -> Iterator[Piece]:
        """Take the next bytes. The pieces may be views of them."""
        ...

    def expand(self, piece: Piece, /) -> Buffer | None:
        """The bytes of a piece, exactly ``length``, or None for zeros. Runs in any thread. Raises FormatError."""
        ...

    def receive_eof(self) -> None:
        """The stream is at its end. Raises if it should not be."""
        ...

    def checkpoint(self) -> tuple[int, dict[str, int]] | None:
        """The stream offset to resume at and what to remember; None where that is not possible now."""
        ...


def is_zero(data: Buffer) -> bool:
    """Whether ``data`` is all zero."""
    view = memoryview(data)
    return all(
        view[at : at + len(_ZEROS)] == _ZEROS[: len(view[at : at + len(_ZEROS)])]
        for at in range(0, len(view), len(_ZEROS))
    )


class VmdkDecoder:
    """A stream-optimized VMDK."""

    def __init__(self, remembered: dict[str, int] | None = None) -> None:
        self._parser = StreamVmdkParser() if remembered is None else _resumed(remembered)
        self.reached = 0 if remembered is None else (remembered["highest"] + 1) * remembered["grain"] * SECTOR

    @property
    def capacity(self) -> Bytes | None:
        """The disk's size, from the header."""
        return self._parser.header.capacity_bytes if self._parser.header else None

    def receive(self, data: memoryview) -> Iterator[Grain]:
        """Give out the grains. Raises VmdkError."""
        for event in self._parser.receive(data):
            if isinstance(event, Grain):
                self.reached = event.offset + event.length
                yield event

    def expand(self, piece: Piece) -> Buffer | None:
        """Inflate a grain; libdeflate checks the Adler-32. Raises VmdkError."""
        offset, length, payload = piece.offset, piece.length, piece.payload
        header = self._parser.header
        assert header is not None  # noqa: S101  grains come after the header
        try:
            data: bytearray = deflate.zlib_decompress(payload, header.grain_bytes)
        except deflate.DeflateError as error:
            raise VmdkError(
                f"the grain for disk byte {offset} does not inflate, or its Adler-32 is wrong;"
                " the file is damaged: get it again"
            ) from error
        if len(data) < length:
            raise VmdkError(
                f"the grain for disk byte {offset} holds {len(data)} bytes instead of {length};"
                " the file is damaged: get it again"
            )
        whole = data if len(data) == length else memoryview(data)[:length]
        return None if len(payload) * _SPARSE_RATIO < length and is_zero(whole) else whole

    def receive_eof(self) -> None:
        """Raises StreamCut if the end-of-stream marker did not come."""
        self._parser.receive_eof()

    def checkpoint(self) -> tuple[int, dict[str, int]] | None:
        """What the parser needs to go on at its current element."""
        at = self._parser.checkpoint()
        if at is None:
            return None
        header = at.header
        return at.offset, {
            "version": header.version,
            "capacity": header.capacity,
            "grain": header.grain,
            "overhead": header.overhead,
            "directory": header.directory,
            "footer": int(header.footer),
            "offset": at.offset,
            "highest": at.highest,
            "grains": at.grains,
            "promised": -1 if at.promised is None else at.promised,
        }


def _resumed(at: dict[str, int]) -> StreamVmdkParser:
    header = SparseHeader(
        version=at["version"],
        capacity=Sectors(at["capacity"]),
        grain=Sectors(at["grain"]),
        overhead=Sectors(at["overhead"]),
        directory=Sectors(at["directory"]),
        footer=bool(at["footer"]),
    )
    promised = None if at["promised"] < 0 else at["promised"]
    return StreamVmdkParser.resumed(Checkpoint(header, at["offset"], at["highest"], at["grains"], promised))


class RawPiece(NamedTuple):
    """A block of a raw image."""

    offset: Bytes
    length: Bytes
    payload: memoryview


class RawDecoder:
    """A raw image of a known size."""

    def __init__(self, size: Bytes, remembered: dict[str, int] | None = None) -> None:
        self.capacity = size
        self.reached = remembered["offset"] if remembered else 0

    def receive(self, data: memoryview) -> Iterator[RawPiece]:
        """Cut the bytes at multiples of BLOCK on the disk. Raises VerificationError if too many come."""
        if self.reached + len(data) > self.capacity:
            raise VerificationError(
                f"the raw image is longer than the {human(self.capacity)} it should have; get it again"
            )
        while data:
            step = min(len(data), BLOCK - self.reached % BLOCK)
            yield RawPiece(Bytes(self.reached), Bytes(step), data[:step])
            self.reached += step
            data = data[step:]

    def expand(self, piece: Piece) -> Buffer | None:
        """The block itself, or a run of zeros."""
        return None if is_zero(piece.payload) else piece.payload

    def receive_eof(self) -> None:
        """Raises StreamCut if bytes are missing."""
        if self.reached < self.capacity:
            raise StreamCut(f"the raw image is cut short: {self.reached} of {self.capacity} bytes came; get it again")

    def checkpoint(self) -> tuple[int, dict[str, int]]:
        """Every byte is a place to resume at."""
        return self.reached, {"offset": self.reached}
