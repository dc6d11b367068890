"""One run, from the first import to the last look."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rig.chaos import audit
from rig.chaos.load import AWAY, Load, succeeded, why
from rig.chaos.plan import Fault, faults
from rig.chaos.report import Report
from rig.chaos.stage import NAMESPACE, Stage, stage
from rig.chaos.strike import Striker

IMPORTS = 7
"""Under way at a time: more than transfers, so that some always wait, or are at Harvester."""
PATIENCE_S = 900.0
"""How long an import may take after the last fault: the longest back-off is minutes."""
TIDY_S = 60.0
_LOOK_S = 0.25


@dataclass
class Run:
    """A run under way.

    Attributes:
        say: told, now and then, how it goes.
    """

    on: Stage
    load: Load
    striker: Striker
    say: Callable[[str], None]
    hits: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    seconds: list[int] = field(default_factory=list)

    def storm(self, seed: int, count: int) -> None:
        """Do so many faults that hit something."""
        began = time.monotonic()
        self.rest(8)  # so that something is there to be hit
        for fault in faults(seed):
            if self.hits.total() >= count:
                break
            self.rest(fault.pause_s)
            self._note(fault, hit=self.striker.strike(fault))
        self.seconds.append(round(time.monotonic() - began))

    def _note(self, fault: Fault, *, hit: bool) -> None:
        (self.hits if hit else self.misses)[fault.kind.value] += 1
        mark = "" if hit else " (nothing to hit)"
        self.say(
            f"{self.hits.total():4} {fault.kind.value}{mark}; imports: {len(self.load.under_way)} under way, "
            f"{len(self.load.ended)} ended"
        )

    def rest(self, seconds: float) -> None:
        """Let things go on, keep imports coming and put right what is due."""
        end = time.monotonic() + seconds
        while True:
            self.striker.repair()
            self.load.look()
            self.load.top_up()
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(_LOOK_S, left))

    def calm(self) -> None:
        """Put everything right, and wait until the imports have ended."""
        began = time.monotonic()
        self.striker.repair(all_of_it=True)
        self.on.cluster.start()
        self.on.harvester_faults()
        self.on.mortal.vc.expire_sessions()  # as vCenter does with those of workers that were killed
        said = -1
        while self.load.under_way and time.monotonic() < began + PATIENCE_S:
            self.striker.repair()
            self.load.look()
            if len(self.load.under_way) != said:
                said = len(self.load.under_way)
                self.say(f"in peace again; {said} imports under way")
            time.sleep(1)
        self.seconds.append(round(time.monotonic() - began))


def run(seed: int, count: int, home: Path, say: Callable[[str], None], *, imports: int = IMPORTS) -> Report:
    """Do it all.

    Args:
        seed: of the plan.
        count: how many faults have to hit something.
        home: an empty folder.
        say: told how it goes.
        imports: under way at a time.
    """
    say("starting etcd, kube-apiserver, Harvester, vCenter, a web server and the operator")
    with stage(home) as on:
        going = Run(on, Load(on, imports), Striker(on), say)
        going.storm(seed, count)
        going.calm()
        ended = going.load.ended
        findings = [*audit.ends(going.load.under_way, ended), *audit.disks(on.harvester, going.load.begun, ended)]
        findings += _tidy(lambda: audit.cluster(on.harvester.kube, ended))
        told, starts, read = _told(on), _starts(on), on.bytes_read
        on.operator.stop()
        findings += _tidy(lambda: audit.source(on.mortal.vc, on.vms, ended))
        findings += _tidy(lambda: audit.machine(on))
        return _report(seed, going, findings, told, (starts, read))


def _tidy(look: Callable[[], Iterator[str]]) -> list[str]:
    """What is wrong after a while: garbage is collected some time after it became garbage."""
    end = time.monotonic() + TIDY_S
    while (found := list(look())) and time.monotonic() < end:
        time.sleep(1)
    return found


def _told(on: Stage) -> Counter[str]:
    try:
        events = on.objects(f"/api/v1/namespaces/{NAMESPACE}/events")
    except AWAY:
        return Counter()
    told: Counter[str] = Counter()
    for event in events:
        if event["involvedObject"]["kind"] == "VirtualMachineImport" and event["type"] == "Warning":
            told[event["reason"]] += event.get("count") or 1
    return told


def _starts(on: Stage) -> int:
    logs = (on.harvester.root / "pods" / NAMESPACE).glob("*/log")
    return sum(path.read_text(errors="replace").count("disks are served at") for path in logs)


def _report(seed: int, going: Run, findings: list[str], told: Counter[str], figures: tuple[int, int]) -> Report:
    load = going.load
    ends = Counter("succeeded" if succeeded(status) else f"failed: {why(status)[0]}" for status in load.ended.values())
    ends.update({"not ended": len(load.under_way)} if load.under_way else {})
    return Report(
        seed=seed,
        faults=dict(going.hits.most_common()),
        missed=dict(going.misses.most_common()),
        imports=dict(ends.most_common()),
        failures={name: why(status)[1] for name, status in load.ended.items() if not succeeded(status)},
        told=dict(told.most_common()),
        worker_starts=figures[0],
        broken_downloads=sum(1 for download in going.on.harvester.downloads if download.message),
        operator_restarts=going.striker.restarts,
        full_told=len(load.said_full),
        bytes_needed=sum(load.begun[name].stream_bytes for name in load.ended),
        bytes_read=figures[1],
        seconds=(going.seconds[0], going.seconds[1]),
        findings=findings,
    )
