"""Shows how far disks are: a bar for each on a terminal, a plain line now and then without one."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from thresher.model.units import human
from thresher.ports import Progress

LINE_INTERVAL_S = 5.0
"""Seconds between two plain lines of one disk: enough to see life in a log, not enough to fill it."""


class Report(Protocol):
    """Where progress and status lines go. Safe for threads."""

    def progress(self, label: str, progress: Progress, /) -> None:
        """Show how far the disk of that label is."""
        ...

    def line(self, text: str, /) -> None:
        """Print a line, above any bars."""
        ...


@contextmanager
def reporter(out: TextIO) -> Iterator[Report]:
    """Bars on a terminal, else lines; neither once whoever read them has gone."""
    if not out.isatty():
        yield _Steadfast(_Lines(out))
        return
    from thresher.cli.bars import Bars

    with Bars(out) as bars:
        yield _Steadfast(bars)


class _Steadfast:
    """Falls silent where nobody reads any more: what is told of goes on, and puts its source back at its end."""

    def __init__(self, report: Report) -> None:
        self._report: Report | None = report

    def progress(self, label: str, progress: Progress) -> None:
        self._tell(lambda report: report.progress(label, progress))

    def line(self, text: str) -> None:
        self._tell(lambda report: report.line(text))

    def _tell(self, tell: Callable[[Report], None]) -> None:
        if self._report is None:
            return
        try:
            tell(self._report)
        except (OSError, SystemExit):  # rich makes the one the other
            self._report = None


class _Lines:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._last: dict[str, tuple[float, int]] = {}

    def progress(self, label: str, progress: Progress) -> None:
        now = time.monotonic()
        then, read = self._last.setdefault(label, (now, 0))
        if now - then < LINE_INTERVAL_S:
            return
        self._last[label] = (now, progress.read)
        speed = (progress.read - read) / (now - then)
        left = f" of {human(progress.total)}" if progress.total else ""
        self.line(f"{label}: {human(progress.position)}{left}, {human(int(speed))}/s")

    def line(self, text: str) -> None:
        with self._lock:
            self._out.write(text + "\n")
            self._out.flush()
