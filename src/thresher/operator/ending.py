"""Ends tasks, and makes sure that they end."""

import asyncio

AGAIN_S = 5.0
"""A cancellation that is lost is repeated after so many seconds; what cleans up is through by then."""


async def ended(*tasks: asyncio.Task[None], again_s: float = AGAIN_S) -> None:
    """Cancel tasks until each has ended; what they raise stays in them.

    Once is not always enough: a library may lose a cancellation that comes while it turns several failed attempts to
    connect into one error, and the task then goes on for ever.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_s)
