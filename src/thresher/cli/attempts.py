"""Tells that a failed attempt is followed by another: half a minute of waiting would look like a hang."""

from collections.abc import Callable

from thresher.imports.observed import Recorded, Step
from thresher.imports.policy import DEFAULT


class Attempts:
    """Stores each record, then tells what failed since the last one.

    Args:
        save: stores a record.
        line: prints a line.
    """

    def __init__(self, save: Callable[[Recorded], None], line: Callable[[str], None]) -> None:
        self._save = save
        self._line = line
        self._told: set[tuple[Step, int]] = set()

    def __call__(self, recorded: Recorded) -> None:
        """Take the next record. Raises what ``save`` raises."""
        self._save(recorded)
        failing = {(tries.step, tries.count) for tries in recorded.tries if tries.failure.retryable}
        for _, count in sorted(failing - self._told):
            if count < DEFAULT.attempts and recorded.gave_up is None:
                self._line(f"attempt {count} of {DEFAULT.attempts} failed, another follows")
        self._told = failing
