"""A stream that goes on after a broken connection, where its source can be opened in the middle."""

import threading

from thresher.model.errors import SourceError, Stopped, ThresherError
from thresher.ports import ByteSource, ByteStream

ATTEMPTS = 4
"""Failures in a row, without a byte between them, after which whoever drives the import has to decide."""
FIRST_DELAY_S = 0.5


class ReopeningStream:
    """Reads a source from ``offset`` on; a failure that is worth a retry opens it anew at the byte it was at.

    Args:
        source: what is read. One that is not seekable is opened once, and its failures are passed on.
        offset: where to begin.
        stop: set it, and waiting ends with Stopped.
        patient: open it at the first read, where a failure is worth as many retries as later ones.
    """

    def __init__(self, source: ByteSource, offset: int, stop: threading.Event, *, patient: bool = False) -> None:
        self._source = source
        self._position = offset
        self._stop = stop
        self._failures = 0
        self._stream: ByteStream | None = None if patient else source.open(offset)

    def readinto(self, buffer: memoryview, /) -> int:
        """Read on, opening the source anew where that helps. Raises SourceError, or Stopped."""
        while True:
            try:
                if self._stream is None:
                    self._stream = self._source.open(self._position)
                count = self._stream.readinto(buffer)
            except SourceError as error:
                self._recover(error)
                continue
            self._failures = 0 if count else self._failures
            self._position += count
            return count

    def close(self) -> None:
        """Close what is open."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _recover(self, error: ThresherError) -> None:
        self.close()
        self._failures += 1
        if not error.retryable or self._failures >= ATTEMPTS or not self._source.seekable:
            raise error
        if self._stop.wait(FIRST_DELAY_S * 2 ** (self._failures - 1)):
            raise Stopped(f"stopped while {self._source.name} did not answer") from error
