"""Which faults come, and when: all that the seed decides. Purely computational."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A kind of fault, as the table names it."""

    WORKER = "worker killed"
    DRAIN = "worker's Pod deleted (drain)"
    CUT = "source connections cut"
    SLOW = "source slowed down"
    SESSIONS = "vCenter sessions expired"
    LEASES = "export leases timed out"
    SOAP = "vCenter answers 503"
    VCENTER = "vCenter killed"
    DOWNLOAD = "Harvester's download broken off"
    FULL = "scratch volume full"
    OPERATOR = "operator killed"
    API = "API server killed"
    ETCD = "etcd killed"


WEIGHTS: dict[Kind, int] = {
    Kind.WORKER: 22,
    Kind.DRAIN: 5,
    Kind.CUT: 16,
    Kind.SLOW: 8,
    Kind.SESSIONS: 10,
    Kind.LEASES: 8,
    Kind.SOAP: 5,
    Kind.VCENTER: 4,
    Kind.DOWNLOAD: 8,
    Kind.FULL: 5,
    Kind.OPERATOR: 5,
    Kind.API: 2,
    Kind.ETCD: 2,
}
"""How often each comes. What takes everything down for seconds is rare, so that the others hit something at work."""
MEAN_PAUSE_S = 2.2
MOST_PAUSE_S = 8.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault to come.

    Attributes:
        kind: what it is.
        pause_s: how long to wait before it.
        size: from 0 to 1: how long it lasts, or how much it takes.
        choice: from 0 to 1: whom it hits.
    """

    kind: Kind
    pause_s: float
    size: float
    choice: float


def faults(seed: int) -> Iterator[Fault]:
    """The faults of a seed, without an end. The first ones are one of each kind, in any order: a short run has all."""
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    first = list(Kind)
    chance.shuffle(first)
    while True:
        kind = first.pop() if first else chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        pause = min(chance.expovariate(1 / MEAN_PAUSE_S), MOST_PAUSE_S)
        yield Fault(kind, pause, chance.random(), chance.random())
