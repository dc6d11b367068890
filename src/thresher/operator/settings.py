"""How an operator is set up: what its flags and environment say."""

from dataclasses import dataclass
from datetime import timedelta

from thresher.imports.policy import Policy
from thresher.model.bandwidth import NO_LIMIT, Limit

POLICY = Policy(attempts=20, budget=200, restore_attempts=60, poll=timedelta(seconds=5))
"""More patient than a command line: nobody sits and waits, and an import of days meets all that a week brings.

With the delays of every import, 20 failures in a row span half an hour: a vCenter appliance that is updated and starts
again. 200 in all are ten of these, and seven nights of 25. Switching a source VM on again is tried for two hours.
"""


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where a worker writes disks while they are copied and served.

    Attributes:
        storage_class: of the ephemeral volume; "" takes the cluster's default.
        factor: of the sum of the disks' sizes: a file system needs room for itself.
    """

    storage_class: str = ""
    factor: float = 1.1


@dataclass(frozen=True, slots=True)
class Worker:
    """How a worker's Pod is made.

    Attributes:
        image: the container image.
        port: where it serves disks; 0 takes a free one, which only helps where Pods share an address.
        scratch: its volume.
        cpu: what it asks for, as a quantity.
        memory: likewise. There is no limit: one more disk takes some 20 MiB, and who knows how many a VM has.
    """

    image: str
    port: int = 8080
    scratch: Scratch = Scratch()
    cpu: str = "500m"
    memory: str = "256Mi"


@dataclass(frozen=True, slots=True)
class Settings:
    """An operator.

    Attributes:
        worker: how workers are made.
        namespaces: what it watches; empty for all.
        transfers: how many may run at a time.
        passes: how many imports are looked at at the same time.
        cross_namespace_sources: whether imports may use sources of other namespaces that do not say by themselves.
        policy: how patient it is.
        recheck: when an import that is not valid is looked at again, although nothing seems to have changed.
        let_go: how long a deletion waits for a source that does not answer.
        let_go_busy: likewise for one that answers that it is at work, such as a cloud that copies a large volume.
        bandwidth: of all transfers together.
    """

    worker: Worker
    namespaces: tuple[str, ...] = ()
    transfers: int = 4
    passes: int = 8
    cross_namespace_sources: bool = True
    policy: Policy = POLICY
    recheck: timedelta = timedelta(minutes=1)
    let_go: timedelta = timedelta(minutes=10)
    let_go_busy: timedelta = timedelta(hours=6)
    bandwidth: Limit = NO_LIMIT
