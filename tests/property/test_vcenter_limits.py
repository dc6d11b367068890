"""Whatever exports run at once, their disks keep within the limits, and everyone's turn comes."""

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.sources.vcenter.limits import ExportLimits, Places

EXPORTS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 4)), min_size=1, max_size=8)


@dataclass
class Seen:
    """The disks that are read now, and the most there were."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    now: Counter[str] = field(default_factory=Counter)
    peak: Counter[str] = field(default_factory=Counter)
    most: int = 0

    def begin(self, host: str) -> None:
        with self.lock:
            self.now[host] += 1
            self.peak[host] = max(self.peak[host], self.now[host])
            self.most = max(self.most, self.now.total())

    def end(self, host: str) -> None:
        with self.lock:
            self.now[host] -= 1


def one_disk(places: Places, seen: Seen, host: str) -> None:
    places.take()
    seen.begin(host)
    threading.Event().wait(0.001)
    seen.end(host)
    places.give_back()


async def export(limits: ExportLimits, seen: Seen, host: str, disks: int) -> None:
    async with limits.admitted(host) as places:
        await asyncio.gather(*(asyncio.to_thread(one_disk, places, seen, host) for _ in range(disks)))


@settings(deadline=None, max_examples=40)
@given(EXPORTS, st.integers(1, 5), st.integers(1, 4), st.sets(st.integers(0, 7)))
def test_disks_keep_within_the_limits(
    exports: list[tuple[str, int]], per_source: int, per_host: int, cancelled: set[int]
) -> None:
    seen = Seen()
    limits = ExportLimits(per_source, per_host)

    async def run() -> None:
        tasks = [asyncio.create_task(export(limits, seen, host, disks)) for host, disks in exports]
        await asyncio.sleep(0)
        for number in cancelled & set(range(len(tasks))):
            if not seen.now[exports[number][0]]:  # a thread cannot be cancelled: those that wait for their turn
                tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(30):  # nothing was kept: the whole source is free again
            await asyncio.gather(*(export(limits, seen, "a", 3) for _ in range(3)))

    asyncio.run(run())
    assert seen.most <= per_source
    assert all(most <= per_host for most in seen.peak.values())
    assert not seen.now.total()


def test_exports_are_admitted_in_the_order_of_coming_past_hosts_that_are_busy() -> None:
    async def run() -> list[str]:
        limits, order = ExportLimits(per_source=2, per_host=1), list[str]()

        async def one(name: str, host: str) -> None:
            async with limits.admitted(host):
                order.append(name)
                await asyncio.sleep(0.01)

        async with limits.admitted("a"):
            tasks = [asyncio.create_task(one(*who)) for who in (("1", "a"), ("2", "b"), ("3", "a"), ("4", "b"))]
            await asyncio.sleep(0.1)
            assert order == ["2", "4"]
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(run()) == ["2", "4", "1", "3"]


def test_a_new_export_goes_before_further_disks_of_one_that_runs() -> None:
    async def run() -> None:
        limits = ExportLimits(per_source=2, per_host=2)
        entered = asyncio.Event()

        async def newcomer() -> None:
            async with limits.admitted("a"):
                entered.set()

        async with limits.admitted("a") as first:
            first.take()
            first.take()
            waiting = threading.Thread(target=first.take)
            waiting.start()
            task = asyncio.create_task(newcomer())
            await asyncio.sleep(0.05)
            assert not entered.is_set()
            first.give_back()
            await asyncio.wait_for(entered.wait(), 30)
            await task
            await asyncio.to_thread(waiting.join)
            first.give_back()
            first.give_back()

    asyncio.run(run())
