"""What a run has shown, as a table and as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """The figures.

    Attributes:
        seed: of the plan.
        faults: that hit something, by kind.
        missed: that found nothing to hit, by kind; they do not count.
        imports: how many ended, by their end.
        failures: what imports that failed say, by name.
        told: how often events of imports told of each reason for a retry or a failure.
        worker_starts: processes of workers.
        broken_downloads: of Harvester's, each tried again by it or by the operator.
        operator_restarts: how often it ended by itself.
        full_told: imports whose status told that the scratch volume was full.
        bytes_needed: of all streams of all imports that ended.
        bytes_read: what the sources have sent.
        seconds: with faults, and from then until all had ended.
        findings: what is wrong in the end.
    """

    seed: int
    faults: Mapping[str, int]
    missed: Mapping[str, int]
    imports: Mapping[str, int]
    failures: Mapping[str, str]
    told: Mapping[str, int]
    worker_starts: int
    broken_downloads: int
    operator_restarts: int
    full_told: int
    bytes_needed: int
    bytes_read: int
    seconds: tuple[int, int]
    findings: Sequence[str]

    def json(self) -> str:
        """All of it."""
        return json.dumps(asdict(self), indent=2)

    def table(self) -> str:
        """All of it, for people."""
        again = max(0, self.bytes_read - self.bytes_needed)
        share = 100 * again // max(1, self.bytes_needed)
        rows: list[tuple[str, object]] = [
            (f"faults (seed {self.seed})", sum(self.faults.values())),
            *((f"  {kind}", count) for kind, count in self.faults.items()),
            ("imports", sum(self.imports.values())),
            *((f"  {end}", count) for end, count in self.imports.items()),
            ("worker processes started", self.worker_starts),
            ("downloads of Harvester broken off", self.broken_downloads),
            ("operator ended by itself", self.operator_restarts),
            ("imports that told of a full volume", self.full_told),
            *((f"  event {reason}", count) for reason, count in self.told.items()),
            ("MiB of the imported streams", self.bytes_needed >> 20),
            ("MiB read again", f"{again >> 20} ({share} %)"),
            ("seconds with faults, and after them", f"{self.seconds[0]} + {self.seconds[1]}"),
        ]
        lines = [f"{name:<42} {value!s:>12}" for name, value in rows]
        lines += [f"{name} failed: {message}" for name, message in self.failures.items()]
        lines += [f"WRONG: {finding}" for finding in self.findings]
        lines += ["" if self.findings else "every disk is byte-identical, every failure is explained, nothing is left"]
        return "\n".join(line for line in lines if line)
