"""A limit on how fast bytes come, shared by all streams of a process: a token bucket.

A token is a byte. Each is paid for before it is read, so that the limit holds from the first byte on; what was paid
for and did not come is given back. So in any span of time no more passes than the rate times its length, and the
burst. On a busy machine it can only be less.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from thresher.model.errors import Stopped
from thresher.model.units import Bytes
from thresher.ports import ByteSource, ByteStream, DiskStream
from thresher.transfer.buffers import BUFFER_BYTES, Filler

BURST_S = 0.25
"""What an idle bucket holds, as the rate's bytes in so many seconds: 2.5 % of ten seconds, and so long may a busy
machine leave a thread waiting without that the average suffers."""
PART_S = 0.02
"""The least that is waited for, likewise: less of it would cost more wake-ups than 50 a second."""
LEAST_S = 0.001
"""The shortest wait: what rounding leaves to be waited for may be less than a clock can tell."""
LOOK_S = 0.2
"""How long a new rate may go unseen by whoever waits."""


class Throttle:
    """The bucket. Safe for threads.

    Args:
        rate: bytes a second; 0 pauses, None lets everything pass.
        clock: seconds, from anywhere.
        pause: waits so many seconds, or less where the event is set; whether it is.
    """

    def __init__(
        self,
        rate: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._tokens = 0.0
        self._filled = clock()

    @property
    def rate(self) -> int | None:
        """Bytes a second."""
        return self._rate

    def set_rate(self, rate: int | None) -> None:
        """Another rate holds from now on, for those that wait, too."""
        with self._lock:
            self._fill()
            self._rate = rate
            self._tokens = min(self._tokens, self._room)

    def take(self, wanted: int, stop: threading.Event) -> int:
        """Wait until some bytes may be read, and return how many of ``wanted``.

        Raises:
            Stopped: ``stop`` was set while it waited.
        """
        while True:
            with self._lock:
                if self._rate is None:
                    return wanted
                self._fill()
                part = min(wanted, max(1, int(self._rate * PART_S)))
                if self._rate and self._tokens >= part:
                    granted = min(wanted, int(self._tokens))
                    self._tokens -= granted
                    return granted
                seconds = (part - self._tokens) / self._rate if self._rate else LOOK_S
            if self._pause(stop, min(max(seconds, LEAST_S), LOOK_S)):
                raise Stopped("stopped while the transfer waited for its share of the bandwidth")

    def give_back(self, count: int) -> None:
        """So many bytes that were taken did not come."""
        with self._lock:
            self._tokens = min(self._tokens + count, self._room)

    @property
    def _room(self) -> float:
        return max(1.0, self._rate * BURST_S) if self._rate else 0.0

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._tokens + (self._rate or 0) * (now - self._filled), self._room)
        self._filled = now


@dataclass(frozen=True, slots=True)
class Throttled:
    """A byte source whose bytes pass through buckets. Implements :class:`thresher.ports.ByteSource`.

    Attributes:
        source: the bytes.
        throttles: the narrowest first: whoever waits at one holds nothing of those that follow.
        stop: set it, and waiting ends with Stopped.
    """

    source: ByteSource
    throttles: Sequence[Throttle]
    stop: threading.Event

    @property
    def name(self) -> str:
        """The source's."""
        return self.source.name

    @property
    def size(self) -> Bytes | None:
        """The source's."""
        return self.source.size

    @property
    def seekable(self) -> bool:
        """The source's."""
        return self.source.seekable

    @property
    def version(self) -> str:
        """The source's."""
        return self.source.version

    def open(self, offset: int = 0) -> ByteStream:
        """Open from ``offset`` on. What a source has to read past crosses the wire, too, and is paid for.

        Raises:
            SourceError: the source failed.
            Stopped: ``stop`` was set.
        """
        if not offset or self.source.seekable:
            return _ThrottledStream(self, self.source.open(offset))
        stream = _ThrottledStream(self, self.source.open())
        try:
            stream.skip(offset)
        except BaseException:
            stream.close()
            raise
        return stream


class _ThrottledStream:
    def __init__(self, source: Throttled, stream: ByteStream) -> None:
        self._source = source
        self._stream = stream

    def readinto(self, buffer: memoryview, /) -> int:
        """Read no more than what may pass now."""
        limits = [throttle for throttle in self._source.throttles if throttle.rate is not None]
        if not limits or not len(buffer):
            return self._stream.readinto(buffer)
        taken: list[tuple[Throttle, int]] = []
        granted, count = len(buffer), 0
        try:
            for throttle in limits:
                granted = throttle.take(granted, self._source.stop)
                taken.append((throttle, granted))
            count = self._stream.readinto(buffer[:granted])
        finally:
            for throttle, paid in taken:
                if paid != count:
                    throttle.give_back(paid - count)
        return count

    def skip(self, count: int) -> None:
        """Read past so many bytes; the end of the stream, if it comes first, is for the reader to find."""
        scratch, filler = bytearray(min(BUFFER_BYTES, count)), Filler(self)
        while count:
            if self._source.stop.is_set():
                raise Stopped(f"stopped while what is there of {self._source.name} was read past")
            done = filler.fill(scratch if count >= len(scratch) else bytearray(count))
            if not done:
                return
            count -= done

    def close(self) -> None:
        """Close the source's stream."""
        self._stream.close()


def throttled(stream: DiskStream, throttles: Sequence[Throttle], stop: threading.Event) -> DiskStream:
    """The disk with every file of it behind the buckets; itself where there are none."""
    if not throttles:
        return stream
    return replace(
        stream,
        bytes=Throttled(stream.bytes, throttles, stop) if stream.bytes is not None else None,
        siblings=tuple((name, Throttled(source, throttles, stop)) for name, source in stream.siblings),
    )
