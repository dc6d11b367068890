"""The limits on bandwidth of a run in one process: one for all imports, one for each source that has its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from thresher.api.manifests import AnySource
from thresher.model.bandwidth import InForce, Limit
from thresher.model.units import Bytes
from thresher.transfer.throttle import Throttle

LONGEST_S = 30.0
"""A clock may be set, and a laptop sleep: nobody waits longer than this without a look at the time."""


class Throttles:
    """The buckets of a run.

    Args:
        total: bytes a second of all imports together; None for no limit.
        sources: those that are used.
    """

    def __init__(self, total: Bytes | None, sources: Sequence[AnySource]) -> None:
        self._total = (Throttle(total),) if total is not None else ()
        self._limits = {_name(source): source.spec.limit for source in sources if source.spec.limit}
        now = datetime.now(UTC)
        self._own = {name: Throttle(limit.at(now).rate) for name, limit in self._limits.items()}

    def of(self, source: AnySource) -> tuple[Throttle, ...]:
        """What the bytes of a source pass through; nothing where no limit can come."""
        own = self._own.get(_name(source))
        return ((own,) if own is not None else ()) + self._total

    @asynccontextmanager
    async def kept(self, say: Callable[[str], None]) -> AsyncIterator[None]:
        """While the context lasts, blackouts begin and end; ``say`` is told of each."""
        tasks = [
            asyncio.create_task(_keep(name, limit, self._own[name], say))
            for name, limit in self._limits.items()
            if limit.blackout
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _keep(name: str, limit: Limit, throttle: Throttle, say: Callable[[str], None]) -> None:
    last = InForce()
    while True:
        now = datetime.now(UTC)
        found = limit.at(now)
        throttle.set_rate(found.rate)
        if found.window is not None and found != last:
            say(f"{name} is paused by its blackout window {found.window} until {found.ends}")
        last = found
        left = (found.until - now).total_seconds() if found.until is not None else LONGEST_S
        await asyncio.sleep(min(max(left, 0.0), LONGEST_S))


def _name(source: AnySource) -> str:
    return f"{source.kind} {source.metadata.key}"
