"""Random access to a ByteSource, whose streams are sequential: open streams wait at the place they got to."""

import threading

from thresher.model.errors import StreamCut
from thresher.model.units import KIB, MIB
from thresher.ports import ByteSource, ByteStream
from thresher.transfer.reopen import ReopeningStream

_IDLE_STREAMS = 4
_SKIP_LIMIT = MIB
"""Reading on over so many bytes costs less than a new connection."""
_SKIP_CHUNK = 256 * KIB


class StreamPool:
    """Open streams of one source, so that reading on needs no new connection. Safe for several threads.

    Args:
        source: what is read; it can be opened in the middle.
        stop: set it, and waiting for a source that is away ends with Stopped.

    Attributes:
        read: bytes handed out so far.
    """

    def __init__(self, source: ByteSource, stop: threading.Event) -> None:
        self.source = source
        self._stop = stop
        self.read = 0
        self._idle: list[tuple[int, ByteStream]] = []
        self._closed = False
        self._lock = threading.Lock()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``offset`` on.

        A stream that was cut, such as by a server that was tired of its waiting, is opened anew, and once more where
        the server has to start first: qemu-img would give up the whole image for one read that fails.

        Raises:
            SourceError: the bytes could not be had, or ended before ``buffer`` was full.
            Stopped: ``stop`` was set.
        """
        position, stream = self._take(offset) or (offset, self._opened(offset))
        self._read(position, stream, offset, buffer)

    def _opened(self, offset: int) -> ByteStream:
        return ReopeningStream(self.source, offset, self._stop, patient=True)

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
