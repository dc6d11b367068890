"""Small helpers over :class:`thresher.ports.ByteStream` that every byte source shares."""

from typing import Protocol, Self

from thresher.model.errors import StreamCut
from thresher.model.units import MIB, human
from thresher.ports import ByteSource, ByteStream

SCRATCH = 1 * MIB
"""How much is dropped at a time."""


class Regional(ByteSource, Protocol):
    """A byte source of which a part can be had as a byte source of its own."""

    def region(self, offset: int, size: int, name: str) -> Self:
        """The ``size`` bytes from ``offset`` on, called ``name`` in messages."""
        ...


def fill(stream: ByteStream, buffer: memoryview) -> int:
    """Read until ``buffer`` is full or the stream ends, and return how many bytes were placed."""
    done = 0
    while done < len(buffer):
        count = stream.readinto(buffer[done:])
        if not count:
            break
        done += count
    return done


def drop(stream: ByteStream, count: int) -> int:
    """Read past ``count`` bytes and return how many there were: fewer only where the stream ends."""
    scratch = memoryview(bytearray(min(SCRATCH, count)))
    done = 0
    while done < count:
        got = stream.readinto(scratch[: count - done])
        if not got:
            break
        done += got
    return done


def opened_past(stream: ByteStream, offset: int, name: str) -> ByteStream:
    """The same stream with ``offset`` bytes read past; it is closed where that fails.

    Raises:
        StreamCut: it is shorter than that.
    """
    try:
        done = drop(stream, offset)
    except BaseException:
        stream.close()
        raise
    if done < offset:
        stream.close()
        raise cut(name, done, offset)
    return stream


def read_up_to(source: ByteSource, limit: int) -> bytes:
    """The first ``limit`` bytes of ``source``, or all where it is shorter. Raises SourceError."""
    stream = source.open()
    try:
        buffer = bytearray(limit)
        return bytes(buffer[: fill(stream, memoryview(buffer))])
    finally:
        stream.close()


def cut(name: str, done: int, total: int | None) -> StreamCut:
    """The error for bytes that stopped: how much came, of how much."""
    of = "" if total is None else f" of {human(total)} ({done} of {total} bytes)"
    return StreamCut(
        f"{name} ended after {human(done)}{of}; try again, and if it ends there again, the file itself is cut"
    )
