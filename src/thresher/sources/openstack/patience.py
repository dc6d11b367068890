"""How often the cloud is looked at, and for how long, while it copies."""

import asyncio
from dataclasses import dataclass

from thresher.model.units import MIB

_FIRST_PAUSE_S = 0.5
"""Small volumes are copied in a second or two; a source's own interval is for the large ones."""


@dataclass(frozen=True, slots=True)
class CopyPolicy:
    """How patient a copy is.

    Attributes:
        looks: how often to look, in each stage, without seeing its state change; ``uploadImageRetryCount``.
        every_s: seconds between two looks, after a few quicker ones; ``uploadImageRetryDelay``.
        slowest: bytes a second. No service says how far a copy is, so a stage may also last, beyond its looks, as long
            as the disk would take at this rate: a large volume is not given up for being large.

    Raises:
        ValueError: it would never look, or never stop to.
    """

    looks: int = 30
    every_s: float = 10.0
    slowest: int = 10 * MIB

    def __post_init__(self) -> None:
        if self.looks < 1 or self.every_s <= 0 or self.slowest < 1:
            raise ValueError("a copy needs at least one look, a time between two, and a rate")


class Patience:
    """The pauses of one wait: short at first, then as the policy says.

    Args:
        policy: of the source.
        size: bytes that are copied meanwhile.
    """

    def __init__(self, policy: CopyPolicy, size: int = 0) -> None:
        self._every_s = policy.every_s
        self._limit_s = policy.looks * policy.every_s + size / policy.slowest
        self.restart()

    def restart(self) -> None:
        """Something changed: wait for the next from the start."""
        self._pause_s = min(_FIRST_PAUSE_S, self._every_s)
        self._waited_s = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing changed for as long as it may."""
        return self._waited_s >= self._limit_s

    def for_looks(self, count: int) -> bool:
        """Whether nothing changed for as long as so many looks take, or as it may at all."""
        return self.over or self._waited_s >= count * self._every_s

    @property
    def waited(self) -> str:
        """For how long nothing has changed, for messages."""
        return f"{self._waited_s:.0f} s"

    async def pause(self) -> None:
        """Wait until the next look is due."""
        await asyncio.sleep(self._pause_s)
        self._waited_s += self._pause_s
        self._pause_s = min(2 * self._pause_s, self._every_s)
