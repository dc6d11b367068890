"""How many disks of one source are copied and read at once, whatever the number of imports."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Places:
    """So many places, first come, first served.

    Args:
        count: places.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = asyncio.Semaphore(count)
        self._door = asyncio.Lock()

    @asynccontextmanager
    async def taken(self, wanted: int) -> AsyncIterator[int]:
        """Wait until so many places are free, at most all there are, and have them until the end.

        Yields:
            How many they are; at least one.
        """
        number = max(1, min(wanted, self._count))
        held = 0
        try:
            async with self._door:  # one at a time: two that had half of their places each would wait for ever
                while held < number:
                    await self._free.acquire()
                    held += 1
            yield number
        finally:
            for _ in range(held):
                self._free.release()
