"""The limit of disks per source, over exports of any size."""

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.model.naming import copies_prefix
from thresher.sources.openstack.names import ROOT, copy_name
from thresher.wiring.places import Places


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=12))
def test_no_more_disks_than_places_and_everybody_gets_a_turn(count: int, exports: list[tuple[int, bool]]) -> None:
    busy, most, done = 0, 0, 0

    async def export(places: Places, disks: int, *, cancelled: bool) -> None:
        nonlocal busy, most, done
        with suppress(ZeroDivisionError):
            async with places.taken(disks) as number:
                assert 1 <= number <= max(disks, 1)
                busy += number
                most = max(most, busy)
                await asyncio.sleep(0)
                busy -= number
                done += 1
                if cancelled:
                    raise ZeroDivisionError

    async def run() -> None:
        places = Places(count)
        waiting = [asyncio.create_task(export(places, disks, cancelled=bad)) for disks, bad in exports]
        gone = asyncio.create_task(export(places, count, cancelled=False))
        await asyncio.sleep(0)
        gone.cancel()
        async with asyncio.timeout(30):
            await asyncio.gather(*waiting)
            with suppress(asyncio.CancelledError):
                await gone
        async with places.taken(count) as number:
            assert number == count, "places are lost"

    asyncio.run(run())
    assert most <= count
    assert done >= len(exports)


def test_what_may_be_left_is_told_by_the_prefix_that_copies_have() -> None:
    owner = "0b2f6c9e-6d38-4c07-9a43-3a3c1d0d7b11"
    assert copy_name(owner, ROOT, "stop").startswith(copies_prefix(owner))
