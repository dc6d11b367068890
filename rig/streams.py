"""Reads stream-optimized VMDKs with the parser, however they are cut up, and says what came out."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from thresher.formats.vmdk import Grain, StreamVmdkParser


@dataclass
class Read:
    """What a parser gave out.

    Attributes:
        grains: inflated, by their place on the disk; the last one for a place counts.
        ended: whether it told the stream's end.
    """

    grains: dict[int, bytes] = field(default_factory=dict)
    ended: bool = False

    def disk(self, capacity: int) -> bytes:
        """The raw disk."""
        raw = bytearray(capacity)
        for offset, data in self.grains.items():
            raw[offset : offset + len(data)] = data
        return bytes(raw)


def feed(parser: StreamVmdkParser, chunks: Iterable[bytes], read: Read | None = None) -> Read:
    """Give ``parser`` the chunks, inflate what it gives out, add it to ``read``."""
    read = read or Read()
    for chunk in chunks:
        for event in parser.receive(chunk):
            if isinstance(event, Grain):
                read.grains[event.offset] = zlib.decompress(event.payload)[: event.length]
            else:
                read.ended = True
    return read


def whole(chunks: Iterable[bytes]) -> Read:
    """Read a stream from its first byte to its end. Raises VmdkError or StreamCut."""
    parser = StreamVmdkParser()
    read = feed(parser, chunks)
    parser.receive_eof()
    return read


def split(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """``data`` in the pieces that cuts at these places make."""
    edges = sorted({0, len(data), *(cut for cut in cuts if 0 < cut < len(data))})
    return (data[start:end] for start, end in pairwise(edges))
