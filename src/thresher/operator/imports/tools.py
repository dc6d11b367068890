"""What every pass works with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from thresher.model.vm import PowerState
from thresher.operator.bandwidth import Bandwidth
from thresher.operator.events import Events
from thresher.operator.imports.reach import Reach
from thresher.operator.imports.slots import Slots
from thresher.operator.kube import Kube
from thresher.operator.metrics import Metrics
from thresher.operator.sessions import Sessions
from thresher.operator.settings import Settings
from thresher.ports import Preflight
from thresher.targets.harvester.target import HarvesterTarget


def _utc_now() -> datetime:
    return datetime.now(UTC)


class PowerSeen:
    """The power states of source VMs, as they were seen a moment ago: a pass need not ask each time."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[PowerState, float]] = {}

    def get(self, uid: str, age_s: float) -> PowerState | None:
        """What was seen at most so many seconds ago."""
        state, at = self._seen.get(uid, (None, 0.0))
        return state if asyncio.get_running_loop().time() - at <= age_s else None

    def put(self, uid: str, state: PowerState) -> None:
        """It was seen now."""
        self._seen[uid] = (state, asyncio.get_running_loop().time())

    def forget(self, uid: str) -> None:
        """It was switched, or is not looked at any more."""
        self._seen.pop(uid, None)


@dataclass(frozen=True, slots=True)
class Tools:
    """What every pass works with.

    Attributes:
        power: what was seen of the source VMs' power.
        reach: which ports can be reached from here.
        bandwidth: how much each transfer may use.
        keys: ``namespace/name`` of each import by its UID.
    """

    kube: Kube
    events: Events
    sessions: Sessions
    target: HarvesterTarget
    preflight: Preflight
    slots: Slots
    settings: Settings
    metrics: Metrics
    power: PowerSeen = field(default_factory=PowerSeen)
    reach: Reach = field(default_factory=Reach)
    bandwidth: Bandwidth = field(default_factory=Bandwidth)
    clock: Callable[[], datetime] = _utc_now
