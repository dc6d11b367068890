"""The buffers that go round in a copy loop: their number is the back-pressure, and the bound on memory."""

import queue
import threading
import time
from typing import Self

from thresher.model.units import KIB, MIB
from thresher.ports import ByteStream

PATIENCE_S = 0.25
"""What came is handed on after so long, however little: progress is seen, and a stop is heeded, on slow links, too."""
BUFFERS = 4
BUFFER_BYTES = 4 * MIB
"""Handing a buffer over costs the same whatever its size: with eight of 1 MiB a conversion took a quarter longer."""

LEAST_STEP, MOST_STEP = 64 * KIB, MIB
"""As much is asked for at once: some streams return no sooner than they have all of it."""


class Lease:
    """A buffer in use. Whoever is last to need it gives it back to its ring."""

    def __init__(self, ring: "BufferRing", buffer: bytearray) -> None:
        self.buffer = buffer
        self._ring = ring
        self._users = 1
        self._lock = threading.Lock()

    def share(self) -> "Lease":
        """Count one more user."""
        with self._lock:
            self._users += 1
        return self

    def release(self) -> None:
        """Count one user less."""
        with self._lock:
            self._users -= 1
            last = self._users == 0
        if last:
            self._ring.give(self.buffer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()


class BufferRing:
    """A fixed number of buffers."""

    def __init__(self) -> None:
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(BUFFERS):
            self._free.put(bytearray(BUFFER_BYTES))

    def take(self) -> Lease:
        """Wait for a free buffer."""
        return Lease(self, self._free.get())

    def give(self, buffer: bytearray) -> None:
        """Put a buffer back."""
        self._free.put(buffer)

    def drain(self) -> None:
        """Wait until every buffer is back: then no job can still use one. The ring is empty afterwards."""
        for _ in range(BUFFERS):
            self._free.get()


class Filler:
    """Fills buffers from one stream.

    Args:
        stream: what is read.
        patience: be content with what has come after so many seconds, once anything has.
    """

    def __init__(self, stream: ByteStream, patience: float = PATIENCE_S) -> None:
        self._stream = stream
        self._patience = patience
        self._step = LEAST_STEP

    def fill(self, buffer: bytearray) -> int:
        """Read until ``buffer`` is full or the stream ends; return how many bytes came. Raises SourceError."""
        view = memoryview(buffer)
        count, began = 0, time.monotonic()
        until = began + self._patience
        while count < len(view):
            got = self._stream.readinto(view[count : count + self._step])
            now = time.monotonic()
            self._adapt(now - began)
            count, began = count + got, now
            if got == 0 or now > until:
                break
        return count

    def _adapt(self, took: float) -> None:
        """Ask for more at a time where it comes quickly, and for less where it does not."""
        if took > self._patience / 2:
            self._step = max(self._step // 2, LEAST_STEP)
        elif took < self._patience / 4:
            self._step = min(self._step * 2, MOST_STEP)
