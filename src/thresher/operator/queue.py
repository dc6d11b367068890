"""A queue of keys: each is handled by one worker at a time, and never waits twice."""

import asyncio
import random
from collections import deque

FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 60.0


class WorkQueue:
    """Keys that something changed for, first come, first served.

    A key that is added while it is handled is handled once more afterwards, so that no change is missed.
    """

    def __init__(self) -> None:
        self._ready: deque[str] = deque()
        self._waiting: set[str] = set()
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: str) -> None:
        """Have ``key`` handled as soon as a worker is free."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._busy:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.append(key)
            self._filled.set()

    def add_after(self, key: str, seconds: float) -> None:
        """Have ``key`` handled in a while; the earlier of two such requests counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        due = loop.time() + max(seconds, 0.0)
        if timer is not None and timer.when() <= due:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(due, self.add, key)

    def add_failed(self, key: str) -> float:
        """Have ``key`` handled again after a failure, ever more slowly; how many seconds that is."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        plain = min(FIRST_DELAY_S * (1 << min(count - 1, 16)), LONGEST_DELAY_S)
        seconds = plain * random.uniform(1.0, 1.25)  # noqa: S311 -- jitter, not a secret  # nosec B311
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: str) -> None:
        """It succeeded: the next failure is a first one again."""
        self._failures.pop(key, None)

    async def get(self) -> str:
        """The next key; the worker must call :meth:`done` with it."""
        while not self._ready:
            self._filled.clear()
            await self._filled.wait()
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._busy.add(key)
        return key

    def done(self, key: str) -> None:
        """The worker is through with ``key``."""
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
