"""What Prometheus is told."""

from collections import Counter as Tally
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from thresher.imports.phases import Phase
from thresher.model.report import Report


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._imports = Gauge("thresher_imports", "Imports by phase.", ["phase"], registry=registry)
        self._bytes = Counter("thresher_transferred_bytes", "Bytes read from sources.", registry=registry)
        self._rate = Gauge("thresher_transfer_bytes_per_second", "Rate of all transfers.", registry=registry)
        self._errors = Counter("thresher_errors", "Failures by reason.", ["reason"], registry=registry)
        self._queue = Gauge("thresher_queue_depth", "Keys that wait for a pass.", ["controller"], registry=registry)
        self._slots = Gauge("thresher_transfers", "Transfers by state.", ["state"], registry=registry)
        self._phases: dict[str, Phase] = {}
        self._read: dict[str, tuple[str, int]] = {}
        self._rates: dict[str, int] = {}

    def depth(self, controller: str, read: Callable[[], int]) -> None:
        """Have the depth of a queue read whenever Prometheus asks."""
        self._queue.labels(controller).set_function(read)

    def transfers(self, state: str, read: Callable[[], int]) -> None:
        """Have a number of transfers read whenever Prometheus asks."""
        self._slots.labels(state).set_function(read)

    def error(self, reason: str) -> None:
        """Something failed."""
        self._errors.labels(reason).inc()

    def phase(self, uid: str, phase: Phase) -> None:
        """An import stands there now."""
        self._phases[uid] = phase

    def report(self, uid: str, report: Report) -> None:
        """A worker told how far it is."""
        run = f"{report.started.isoformat()}/{report.attempt}"
        read = sum(disk.read for disk in report.disks)
        known_run, known = self._read.get(uid, ("", 0))
        self._bytes.inc(max(read - (known if known_run == run else 0), 0))
        self._read[uid] = (run, read)
        self._rates[uid] = sum(disk.rate for disk in report.disks)

    def still(self, uid: str) -> None:
        """An import transfers nothing now."""
        self._rates.pop(uid, None)

    def forget(self, uid: str) -> None:
        """An import is gone."""
        self._phases.pop(uid, None)
        self._read.pop(uid, None)
        self.still(uid)

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        tally = Tally(self._phases.values())
        for phase in Phase:
            self._imports.labels(phase.value).set(tally[phase])
        self._rate.set(sum(self._rates.values()))
        return generate_latest(self.registry)
