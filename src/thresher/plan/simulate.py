"""How long imports take under limits: an event simulation of the queue.

An import waits for its turn, prepares (the guest shuts down, the export opens), copies its disks, and finishes (the
images are stored, the new VM boots). Disks take turns under the limits of their source and of each ESXi host, first
come first served past those whose host is busy, as :mod:`thresher.sources.vcenter.limits` lets them; all that are
being copied share the bandwidth evenly.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Job:
    """One import.

    Attributes:
        key: whose.
        host: the ESXi host that serves its disks; "" where there is none.
        disks: bytes that cross the wire, for each disk.
        before_s: what it takes before the first byte.
        after_s: what it takes after the last one.
    """

    key: str
    host: str
    disks: tuple[int, ...]
    before_s: float = 0.0
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What imports share.

    Attributes:
        bandwidth: bytes a second, of all disks together.
        imports: at once.
        disks_per_source: at once.
        disks_per_host: at once.
        disk_bandwidth: bytes a second that one disk can have; None for all of it.

    Raises:
        ValueError: one of them is not above 0.
    """

    bandwidth: float
    imports: int = 4
    disks_per_source: int = 8
    disks_per_host: int = 4
    disk_bandwidth: float | None = None

    def __post_init__(self) -> None:
        stated = (self.bandwidth, self.imports, self.disks_per_source, self.disks_per_host, self.disk_bandwidth or 1)
        if min(stated) <= 0:
            raise ValueError("every limit must be above 0")


@dataclass(frozen=True, slots=True)
class Span:
    """When an import does what, in seconds from the start of the simulation.

    Attributes:
        key: whose.
        begins: its turn comes, and with it the downtime of a VM that runs.
        copies: its first disk begins.
        copied: its last disk has ended.
        ends: the new VM is there.
    """

    key: str
    begins: float
    copies: float
    copied: float
    ends: float


@dataclass(slots=True, eq=False)
class _Running:
    job: Job
    begins: float
    left: int
    copies: float | None = None
    copied: float = 0.0


@dataclass(slots=True, eq=False)
class _Flow:
    of: _Running
    left: float


@dataclass(slots=True)
class _Clockwork:
    """The state of a simulation."""

    limits: Limits
    waiting: deque[Job]
    now: float = 0.0
    running: int = 0
    timers: list[tuple[float, Callable[[_Running], None], _Running]] = field(default_factory=list)
    queued: list[_Flow] = field(default_factory=list)
    flows: list[_Flow] = field(default_factory=list)
    hosts: Counter[str] = field(default_factory=Counter)
    spans: dict[str, Span] = field(default_factory=dict)

    def run(self) -> None:
        while True:
            self._admit()
            self._begin()
            if not self.timers and not self.flows:
                return
            self._advance()

    def _admit(self) -> None:
        while self.waiting and self.running < self.limits.imports:
            job = self.waiting.popleft()
            self.running += 1
            self.timers.append((self.now + job.before_s, self._copy, _Running(job, self.now, len(job.disks))))

    def _begin(self) -> None:
        """Give disks that wait a place, in the order of coming, past those whose host has none."""
        for flow in tuple(self.queued):
            if len(self.flows) >= self.limits.disks_per_source:
                return
            host = flow.of.job.host
            if self.hosts[host] < self.limits.disks_per_host:
                self.queued.remove(flow)
                self.hosts[host] += 1
                self.flows.append(flow)
                if flow.of.copies is None:
                    flow.of.copies = self.now

    def _rate(self) -> float:
        each = self.limits.bandwidth / len(self.flows)
        return each if self.limits.disk_bandwidth is None else min(each, self.limits.disk_bandwidth)

    def _advance(self) -> None:
        """Go on to the next moment at which something changes."""
        due = min((timer[0] for timer in self.timers), default=float("inf"))
        if self.flows:
            rate, least = self._rate(), min(flow.left for flow in self.flows)
            first = self.now + least / rate
            amount = least if first <= due else (due - self.now) * rate
            self.now = min(first, due)
            self._progress(amount)
        else:
            self.now = due
        self._ring()

    def _progress(self, amount: float) -> None:
        for flow in self.flows:
            flow.left -= amount
        for flow in [flow for flow in self.flows if flow.left <= 0]:
            self.flows.remove(flow)
            self.hosts[flow.of.job.host] -= 1
            flow.of.left -= 1
            if not flow.of.left:
                self._finish(flow.of)

    def _ring(self) -> None:
        due = [timer for timer in self.timers if timer[0] <= self.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.now]
        for _, then, one in due:
            then(one)

    def _copy(self, one: _Running) -> None:
        self.queued += [_Flow(one, float(size)) for size in one.job.disks]
        if not one.left:
            self._finish(one)

    def _finish(self, one: _Running) -> None:
        one.copied = self.now
        self.timers.append((self.now + one.job.after_s, self._end, one))

    def _end(self, one: _Running) -> None:
        self.running -= 1
        copies = one.copied if one.copies is None else one.copies
        self.spans[one.job.key] = Span(one.job.key, one.begins, copies, one.copied, self.now)


def simulate(jobs: Sequence[Job], limits: Limits) -> tuple[Span, ...]:
    """When each import begins and ends, in the order of the jobs; whoever is first in line has the first turn.

    Args:
        jobs: with keys that differ.
        limits: what they share.
    """
    clockwork = _Clockwork(limits, deque(jobs))
    clockwork.run()
    return tuple(clockwork.spans[job.key] for job in jobs)


def makespan(spans: Sequence[Span]) -> float:
    """Seconds from the start until the last import has ended."""
    return max((span.ends for span in spans), default=0.0)
