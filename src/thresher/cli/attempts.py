"""Tells that a failed attempt is followed by another: half a minute of waiting would look like a hang."""

from collections.abc import Callable

from thresher.imports.observed import Recorded, Step
from thresher.imports.policy import DEFAULT
from thresher.imports.retries import most_tries


class Attempts:
    """Stores each record, then tells what failed since the last one.

    Args:
        save: stores a record.
        line: prints a line.
    """

    def __init__(self, save: Callable[[Recorded], None], line: Callable[[str], None]) -> None:
        self._save = save
        self._line = line
        self._told: set[tuple[Step, int, int]] = set()

    def __call__(self, recorded: Recorded) -> None:
        """Take the next record. Raises what ``save`` raises."""
        self._save(recorded)
        failing = {(tries.step, tries.count, most_tries(tries, DEFAULT)) for tries in recorded.tries}
        for _, count, limit in sorted(failing - self._told):
            if count < limit and recorded.gave_up is None:
                self._line(f"attempt {count} of {limit} failed, another follows")
        self._told = failing
