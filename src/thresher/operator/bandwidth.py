"""The bandwidth of all running transfers: how it is divided, and that every worker is told.

Limits and transfers come and go while transfers run. Whatever changes, the shares are computed anew, and first those
are told who get less: so what is in force never comes to more than the limit for longer than a worker takes to hear.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from thresher.model.bandwidth import NO_LIMIT, InForce, Limit
from thresher.model.errors import ThresherError
from thresher.model.units import Bytes, human
from thresher.operator.shares import fair_shares
from thresher.targets.harvester.objects import Object

log = logging.getLogger(__name__)

BLACKOUT, PAUSED, LIMITED = "Blackout", "BandwidthZero", "BandwidthLimited"
"""Reasons: a window of the day, a limit of 0, and a limit that lets something pass."""
RETRY_S, LONGEST_S, SHORTEST_S = 2.0, 60.0, 0.05
UNTOLD = -1
"""What a worker was told last, where that is not known."""
OPERATOR = "the operator (limits)"

Tell = Callable[[str, str, Bytes | None], Awaitable[bool]]
"""Tells the worker of an import (namespace, UID) its rate; whether there was somebody to tell. Raises TargetError."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a limit means for one import.

    Attributes:
        reason: CamelCase.
        message: in a sentence.
        paused: whether nothing may come at all.
    """

    reason: str
    message: str
    paused: bool


@dataclass(frozen=True, slots=True)
class _Transfer:
    namespace: str
    source: str


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _nobody(_: str) -> None:
    """Whom nobody waits for."""


def source_key(kind: str, namespace: str, name: str) -> str:
    """What a source is called here; references write its kind in any case."""
    return f"{kind.lower()}/{namespace}/{name}"


class Bandwidth:
    """Who transfers from where, what the limits are, and what everybody was told.

    Args:
        total: of all transfers together.
        wake: called with the UID of an import for which something changed.
        clock: the time.
    """

    def __init__(
        self,
        total: Limit = NO_LIMIT,
        wake: Callable[[str], None] = _nobody,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._total = total
        self._wake = wake
        self._clock = clock
        self._limits: dict[str, Limit] = {}
        self._names: dict[str, str] = {}
        self._running: dict[str, _Transfer] = {}
        self._held: dict[str, str] = {}
        self._told: dict[str, int | None] = {}
        self._changed = asyncio.Event()

    def source(self, source: Object, gone: bool = False) -> None:  # noqa: FBT001, FBT002 -- OnChange
        """A source is as ``source`` says. One that says what cannot be read keeps the limit that it had."""
        meta, spec = source["metadata"], source.get("spec") or {}
        key = source_key(source["kind"], meta["namespace"], meta["name"])
        if gone:
            if all(transfer.source != key for transfer in self._running.values()):
                self._limits.pop(key, None)
            return
        self._names[key] = f"{source['kind']} {meta['namespace']}/{meta['name']}"
        try:
            limit = Limit.of(spec.get("bandwidth"), spec.get("blackout") or ())
        except ValueError as error:
            log.warning("%s keeps the limit that it had: the new one %s", self._names[key], error)
            limit = self._limits.get(key, NO_LIMIT)
        if self._limits.get(key) != limit:
            self._limits[key] = limit
            self._changed.set()

    def learn(self, source: Object) -> None:
        """A source as a pass read it, where no watch has told of it yet: what a watch told may be newer."""
        meta = source["metadata"]
        if source_key(source["kind"], meta["namespace"], meta["name"]) not in self._limits:
            self.source(source)

    def begins(self, uid: str, namespace: str, source: str) -> Bytes | None:
        """An import transfers from a source, or is seen to; what it may use."""
        transfer = _Transfer(namespace, source)
        self._held.pop(uid, None)
        if self._running.get(uid) != transfer:
            self._running[uid] = transfer
            self._told.pop(uid, None)
            self._changed.set()
        return self._shares(self._clock())[uid]

    def ends(self, uid: str) -> None:
        """It does not transfer any more; doing it twice is doing it once."""
        self._held.pop(uid, None)
        self._told.pop(uid, None)
        if self._running.pop(uid, None) is not None:
            self._changed.set()

    def hold(self, uid: str, source: str) -> Standing | None:
        """Why a transfer from a source need not begin now; None where it may. The import is woken when it may."""
        found = self._pause(source, self._clock())
        if found is not None:
            self._held[uid] = source
            self._changed.set()  # the loop has to know when to wake it
        return found

    def standing(self, uid: str) -> Standing | None:
        """What limits a running transfer now; None where nothing does, or it does not run."""
        transfer, now = self._running.get(uid), self._clock()
        if transfer is None:
            return None
        paused, share = self._pause(transfer.source, now), self._shares(now)[uid]
        if paused is not None or share is None:
            return paused
        said = [
            f"{human(found.rate)}/s of {whose}" for whose, found in self._in_force(transfer.source, now)
            if found.rate is not None
        ]  # fmt: skip
        return Standing(LIMITED, f"At most {human(share)}/s, its fair part of {' and '.join(said)}.", paused=False)

    async def run(self, tell: Tell) -> None:
        """Tell every worker what it may use, whenever that changes, until cancelled."""
        while True:
            self._changed.clear()
            seconds = await self._tell_all(tell)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()

    async def _tell_all(self, tell: Tell) -> float:
        """Tell what is new; seconds until something changes by itself, or has to be tried again."""
        now = self._clock()
        for uid in [uid for uid, source in self._held.items() if self._pause(source, now) is None]:
            del self._held[uid]
            self._wake(uid)
        shares = self._shares(now)
        heard, absent = True, False
        for uid in sorted(shares, key=lambda uid: self._gets_more(uid, shares[uid])):
            if not heard and self._gets_more(uid, shares[uid]):
                break  # not before those who get less were told
            try:
                absent |= not await self._tell(tell, uid, shares[uid])
            except ThresherError as error:
                log.warning("the worker of %s cannot be told its bandwidth: %s; trying again", uid, error)
                heard = False
        if absent or not heard:
            return RETRY_S
        limits = [self._total, *self._limits.values()]
        untils = [until for limit in limits if (until := limit.at(now).until) is not None]
        seconds = min(((until - now).total_seconds() for until in untils), default=LONGEST_S)
        return min(max(seconds, SHORTEST_S), LONGEST_S)

    async def _tell(self, tell: Tell, uid: str, share: Bytes | None) -> bool:
        """Tell one worker, where there is something new; False where nobody is there yet, or any more."""
        transfer = self._running.get(uid)
        if transfer is None or transfer.source not in self._limits or self._told.get(uid, UNTOLD) == share:
            return True  # after a restart nobody is told anything before his source is known
        found = await tell(transfer.namespace, uid, share)
        if found and self._running.get(uid) == transfer:
            self._told[uid] = share
            self._wake(uid)
        return found

    def _gets_more(self, uid: str, share: Bytes | None) -> bool:
        told = self._told.get(uid, UNTOLD)
        return told != UNTOLD and told is not None and (share is None or share > told)

    def _shares(self, now: datetime) -> dict[str, Bytes | None]:
        sources = {uid: transfer.source for uid, transfer in self._running.items()}
        limits = {source: self._limits.get(source, NO_LIMIT).at(now).rate for source in sources.values()}
        running = {uid: source for uid, source in sources.items() if limits[source] != 0}
        paused: dict[str, Bytes | None] = dict.fromkeys(sources.keys() - running.keys(), Bytes(0))
        return paused | fair_shares(running, limits, self._total.at(now).rate)

    def _in_force(self, source: str, now: datetime) -> list[tuple[str, InForce]]:
        found = self._limits.get(source, NO_LIMIT).at(now)
        return [(self._names.get(source, source), found), (OPERATOR, self._total.at(now))]

    def _pause(self, source: str, now: datetime) -> Standing | None:
        """Why nothing may come from a source now: what lasts the longest."""
        pauses = [(whose, found) for whose, found in self._in_force(source, now) if found.rate == 0]
        if not pauses:
            return None
        whose, found = max(pauses, key=lambda pause: (pause[1].until is None, pause[1].until or now))
        if found.window is None:
            return Standing(PAUSED, f"Paused: the bandwidth of {whose} is 0. Raise it, and the import goes on.", True)  # noqa: FBT003
        return Standing(BLACKOUT, f"Paused by the blackout window {found.window} of {whose} until {found.ends}.", True)  # noqa: FBT003
