"""Tells when everything before a mark is done, while jobs finish in whichever order."""

import threading
from collections.abc import Callable


class Watermark:
    """Jobs are numbered as they begin. A mark runs its action once every job that began before it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0
        self._open: set[int] = set()
        self._marks: list[tuple[int, Callable[[], None]]] = []

    def begin(self) -> int:
        """Number a job."""
        with self._lock:
            number = self._next
            self._next += 1
            self._open.add(number)
            return number

    def end(self, number: int) -> None:
        """Say that a job is done; runs the actions of marks that waited for it alone."""
        with self._lock:
            self._open.discard(number)
            ready = self._ripe()
        for action in ready:
            action()

    def mark(self, action: Callable[[], None]) -> None:
        """Run ``action`` once all jobs begun so far have ended, in the thread that ends the last, or now."""
        with self._lock:
            self._marks.append((self._next, action))
            ready = self._ripe()
        for ripe in ready:
            ripe()

    def _ripe(self) -> list[Callable[[], None]]:
        low = min(self._open, default=self._next)
        ready = [action for before, action in self._marks if before <= low]
        self._marks = [(before, action) for before, action in self._marks if before > low]
        return ready
