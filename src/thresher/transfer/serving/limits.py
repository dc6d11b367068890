"""What clients of the disk server may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may cost.

    Attributes:
        connections: at a time. Whoever comes on top pushes out one that has not shown the token, or else gets a 503.
        idle_s: seconds in which a request's head must have come, and in which the client must take something of the
            body. Longhorn gives up on a silent server after 30 s (contracts of backing-image-manager), so no client
            is worth more patience than that.
    """

    connections: int = 64
    idle_s: float = 30.0


DEFAULT = Limits()
