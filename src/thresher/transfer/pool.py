"""Random access to a ByteSource, whose streams are sequential: open streams wait at the place they got to."""

import threading

from thresher.model.errors import SourceError, StreamCut
from thresher.model.units import KIB, MIB
from thresher.ports import ByteSource, ByteStream

_IDLE_STREAMS = 4
_SKIP_LIMIT = MIB
"""Reading on over so many bytes costs less than a new connection."""
_SKIP_CHUNK = 256 * KIB


class StreamPool:
    """Open streams of one source, so that reading on needs no new connection. Safe for several threads.

    Attributes:
        read: bytes handed out so far.
    """

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.read = 0
        self._idle: list[tuple[int, ByteStream]] = []
        self._closed = False
        self._lock = threading.Lock()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset`` on.

        A stream that waited may have been cut by a server that was tired of it: then a new one has its try.

        Raises:
            SourceError: the bytes could not be had, or ended before ``buffer`` was full.
        """
        waiting = self._take(offset)
        if waiting is not None:
            try:
                self._read(*waiting, offset, buffer)
            except SourceError:
                pass
            else:
                return
        self._read(offset, self.source.open(offset), offset, buffer)

    def close(self) -> None:
        """Close every stream that waits, and those in use when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for _, stream in idle:
            stream.close()

    def _take(self, offset: int) -> tuple[int, ByteStream] | None:
        """Take the stream that waits closest before ``offset``, if one is close enough."""
        with self._lock:
            near = [item for item in self._idle if item[0] <= offset <= item[0] + _SKIP_LIMIT]
            if not near:
                return None
            best = max(near, key=lambda item: item[0])
            self._idle.remove(best)
            return best

    def _read(self, position: int, stream: ByteStream, offset: int, buffer: memoryview) -> None:
        try:
            skip = memoryview(bytearray(min(_SKIP_CHUNK, offset - position)))
            while position < offset:
                position += self._step(stream, skip[: offset - position], position)
            done = 0
            while done < len(buffer):
                done += self._step(stream, buffer[done:], offset + done)
        except BaseException:
            stream.close()
            raise
        self._give(offset + done, stream)
        with self._lock:
            self.read += done

    def _step(self, stream: ByteStream, buffer: memoryview, position: int) -> int:
        count = stream.readinto(buffer)
        if count == 0:
            raise StreamCut(
                f"{self.source.name} ended at byte {position}, before its stated size: it changed while it was read;"
                " try again"
            )
        return count

    def _give(self, position: int, stream: ByteStream) -> None:
        """Take a stream back; the one that waited longest is closed where there are too many."""
        with self._lock:
            self._idle.append((position, stream))
            keep = 0 if self._closed else _IDLE_STREAMS
            surplus = self._idle[: max(0, len(self._idle) - keep)]
            del self._idle[: len(surplus)]
        for _, old in surplus:
            old.close()
