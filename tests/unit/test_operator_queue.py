import asyncio

from thresher.operator.queue import WorkQueue


def test_a_key_waits_only_once() -> None:
    async def run() -> None:
        queue = WorkQueue()
        for key in ("a", "b", "a"):
            queue.add(key)
        assert [await queue.get(), await queue.get()] == ["a", "b"]
        assert len(queue) == 0

    asyncio.run(run())


def test_a_key_is_never_with_two_workers_and_no_change_is_missed() -> None:
    async def run() -> None:
        queue = WorkQueue()
        queue.add("a")
        assert await queue.get() == "a"
        queue.add("a")
        assert len(queue) == 0
        queue.done("a")
        assert await queue.get() == "a"
        queue.done("a")
        assert len(queue) == 0

    asyncio.run(run())


def test_the_earlier_of_two_delays_counts() -> None:
    async def run() -> None:
        queue = WorkQueue()
        queue.add_after("a", 3600)
        queue.add_after("a", 0)
        assert await asyncio.wait_for(queue.get(), 60) == "a"

    asyncio.run(run())


def test_a_failure_after_another_waits_longer_and_success_forgives() -> None:
    async def run() -> None:
        queue = WorkQueue()
        delays = [queue.add_failed("a") for _ in range(6)]
        assert delays == sorted(delays)
        assert delays[-1] > 8 * delays[0]
        queue.forget("a")
        assert queue.add_failed("a") < delays[1]

    asyncio.run(run())
