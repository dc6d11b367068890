"""Tasks that are told to end, end."""

import asyncio
import contextlib

from thresher.operator.ending import ended


async def deaf(times: int) -> None:
    """Lose so many cancellations, as a connection attempt may."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if times == 0:
                raise
            times -= 1


def test_a_lost_cancellation_is_repeated() -> None:
    async def run() -> list[bool]:
        tasks = [asyncio.create_task(deaf(times)) for times in range(4)]
        await asyncio.sleep(0)
        await ended(*tasks, again_s=0.01)
        return [task.cancelled() for task in tasks]

    assert asyncio.run(asyncio.wait_for(run(), 60)) == [True] * 4


def test_who_cleans_up_is_not_disturbed() -> None:
    cleaned = []

    async def careful() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(0.05)
        cleaned.append(True)

    async def run() -> None:
        task = asyncio.create_task(careful())
        await asyncio.sleep(0)
        await ended(task)

    asyncio.run(asyncio.wait_for(run(), 60))
    assert cleaned == [True]
