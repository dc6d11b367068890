"""Looks at a source, again and again: a source that was ready can stop to be, and recovers by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from thresher.imports.observed import Failure
from thresher.imports.source_status import Look, SourceStatus, SourceWord, derive_source
from thresher.model.errors import ThresherError
from thresher.ports import Source

Open = Callable[[str], Source]
"""Makes the adapter, from the credentials as they are now, with the fingerprint that is pinned ("" for none).

Raises ThresherError where they cannot be used.
"""


@dataclass(frozen=True, slots=True)
class Interval:
    """How often a source is looked at: one that is ready less often than one that is not."""

    ready: timedelta = timedelta(minutes=1)
    not_ready: timedelta = timedelta(seconds=15)

    def after(self, word: SourceWord) -> float:
        """Seconds until the next look."""
        return (self.ready if word is SourceWord.READY else self.not_ready).total_seconds()


async def look_at(open_source: Open, pinned: str) -> Look:
    """Look at a source once. What is wrong with it is in the answer, not raised."""
    try:
        async with open_source(pinned) as source:
            facts = await source.check()
    except ThresherError as error:
        return Look(failure=Failure.of(error))
    return Look(facts.detail, facts.fingerprint)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SourceWatch:
    """The periodic look at one source.

    Args:
        open_source: makes the adapter; called for each look, so that a changed Secret is taken up.
        interval: how often.
        clock: the time.
    """

    def __init__(
        self,
        open_source: Open,
        interval: Interval | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._open = open_source
        self._interval = interval or Interval()
        self._clock = clock
        self.status = SourceStatus()

    async def look(self) -> SourceStatus:
        """Look once, and remember what was seen."""
        self.status = derive_source(await look_at(self._open, self.status.fingerprint), self.status, self._clock())
        return self.status

    async def statuses(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> AsyncIterator[SourceStatus]:
        """The status after each look, without end."""
        while True:
            yield await self.look()
            await sleep(self._interval.after(self.status.status))
