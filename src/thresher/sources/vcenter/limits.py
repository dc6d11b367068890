"""How many disks may be read at once: in all from one source, and from each of its ESXi hosts."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

PER_SOURCE = 8
PER_HOST = 4
"""Every NFC connection takes memory of its host's, which backups and cold migrations need as well (vSphere Web Services
API, HostNfcConnectionInfo.streamingMemoryConsumed): these leave room for them, and users may set others."""


class ExportLimits:
    """Bounds the disks in flight. One for each source, shared by all of its exports.

    An export is admitted before it touches its VM, first come first served, and has one place for as long as it
    lasts. Its further disks take what is free besides. So whoever waits in a thread waits for disks of its own
    export or for more speed, never for another export: one that is stopped ends without waiting for the others.

    Args:
        per_source: disks at once.
        per_host: disks at once from one ESXi host.

    Raises:
        ValueError: a limit below 1.
    """

    def __init__(self, per_source: int = PER_SOURCE, per_host: int = PER_HOST) -> None:
        if min(per_source, per_host) < 1:
            raise ValueError("at least one disk must be allowed at a time")
        self._book = _Book(per_source, per_host)

    @asynccontextmanager
    async def admitted(self, host: str) -> AsyncIterator["Places"]:
        """Wait for a place, and have it until the end.

        Args:
            host: what tells the ESXi host from others.
        """
        await self._book.wait(host)
        places = Places(self._book, host)
        try:
            yield places
        finally:
            places.leave()


class Places:
    """The places of one export. Used by many threads."""

    def __init__(self, book: "_Book", host: str) -> None:
        self._book = book
        self._host = host
        self._kept = 1
        self._held = 1
        self._used = 0

    def take(self) -> None:
        """Wait until one more disk may be read."""
        with self._book.changed:
            while self._used == self._held:
                if self._book.take(self._host):
                    self._held += 1
                else:
                    self._book.changed.wait()
            self._used += 1

    def give_back(self) -> None:
        """One disk less is read."""
        with self._book.changed:
            self._used -= 1
            self._settle()

    def leave(self) -> None:
        """The export is over: keep nothing but what is still being read."""
        with self._book.changed:
            self._kept = 0
            self._settle()

    def _settle(self) -> None:
        while self._held > max(self._used, self._kept):
            self._held -= 1
            self._book.free(self._host)
        self._book.changed.notify_all()


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    host: str
    loop: asyncio.AbstractEventLoop
    admitted: asyncio.Event


class _Book:
    """Who has places, and who waits for one. ``take`` and ``free`` are called while ``changed`` is held."""

    def __init__(self, per_source: int, per_host: int) -> None:
        self._per_source = per_source
        self._per_host = per_host
        self._taken: Counter[str] = Counter()
        self._waiting: list[_Waiter] = []
        self.changed = threading.Condition()

    async def wait(self, host: str) -> None:
        """Wait for a place in the order of coming, past those whose host has none."""
        waiter = _Waiter(host, asyncio.get_running_loop(), asyncio.Event())
        with self.changed:
            self._waiting.append(waiter)
            self._admit()
        try:
            await waiter.admitted.wait()
        except BaseException:
            with self.changed:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
                else:  # it was admitted in the same moment
                    self.free(host)
            raise

    def take(self, host: str) -> bool:
        """Take a place, if there is one."""
        if self._taken.total() >= self._per_source or self._taken[host] >= self._per_host:
            return False
        self._taken[host] += 1
        return True

    def free(self, host: str) -> None:
        """Give a place to those who wait: new exports first, then further disks of those that run."""
        self._taken[host] -= 1
        self._admit()
        self.changed.notify_all()

    def _admit(self) -> None:
        for waiter in tuple(self._waiting):
            if self.take(waiter.host):
                self._waiting.remove(waiter)
                waiter.loop.call_soon_threadsafe(waiter.admitted.set)
