"""What runs come to: medians with their spread, ratios of runs that stood side by side, and targets.

No measuring here, and no printing: values in, values out.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Self

from thresher.model.units import human

Run = Mapping[str, float]
"""One run: what was measured, by names of MEASURES."""


class Unit(Enum):
    """How a figure is written."""

    SECONDS = "s"
    BYTES = "bytes"
    COUNT = ""
    SHARE = "%"

    def write(self, value: float) -> str:
        """The figure with its unit."""
        match self:
            case Unit.SECONDS:
                return f"{value:.2f} s"
            case Unit.BYTES:
                return human(round(value))
            case Unit.COUNT:
                return f"{value:.0f}"
            case Unit.SHARE:
                return f"{value * 100:.2f} %"


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured.

    Attributes:
        title: as the head of a column.
        unit: how it is written.
        peak: the largest of all runs counts, not the median.
    """

    title: str
    unit: Unit
    peak: bool = False


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "wall": Measure("time", Unit.SECONDS),
        "sent": Measure("until all was sent", Unit.SECONDS),
        "cpu": Measure("CPU", Unit.SECONDS),
        "server_cpu": Measure("server's CPU", Unit.SECONDS),
        "memory": Measure("peak memory", Unit.BYTES, peak=True),
        "scratch": Measure("peak scratch", Unit.BYTES, peak=True),
        "source_wire": Measure("from the source", Unit.BYTES),
        "image_wire": Measure("to Harvester", Unit.BYTES),
        "wire": Measure("on the wire", Unit.BYTES),
        "data": Measure("data", Unit.BYTES),
        "requests": Measure("API requests", Unit.COUNT),
        "objects": Measure("objects", Unit.COUNT),
        "each": Measure("time for each", Unit.SECONDS),
        "share": Measure("share of a core", Unit.SHARE),
    }
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What some values come to: the median (of a peak: the largest), and the least and the most of them."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float], *, peak: bool = False) -> Self:
        """Raises ValueError where there are none."""
        if not values:
            raise ValueError("nothing was measured")
        return cls(max(values) if peak else statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Row:
    """One way of doing it.

    Attributes:
        name: in words.
        runs: in the order of the rounds.
        missing: why it could not be measured here; "" where it was.
    """

    name: str
    runs: tuple[Run, ...] = ()
    missing: str = ""

    def values(self, measure: str) -> list[float]:
        """That measure of every run."""
        return [run[measure] for run in self.runs]

    def summary(self, measure: str) -> Summary | None:
        """That measure's summary; None where it was not taken."""
        if not self.runs or any(measure not in run for run in self.runs):
            return None
        return Summary.of(self.values(measure), peak=MEASURES[measure].peak)


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must not exceed.

    Attributes:
        what: in words.
        row: whose figure it is.
        measure: which one.
        at_most: the limit: of the ratio where there is a row to compare with, else of the figure itself.
        of: the row to compare with; "" for none.
        of_measure: the measure there; "" for the same.
    """

    what: str
    row: str
    measure: str
    at_most: float
    of: str = ""
    of_measure: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """What belongs together: its rows ran in turn, round after round.

    Attributes:
        key: the word that BENCH_ONLY takes.
        title: of its table.
        about: what was done, in a sentence or two.
        rows: the ways, the first is what its targets are about.
        targets: what is aimed at.
        plotted: the measures that a plot shows.
    """

    key: str
    title: str
    about: str
    rows: tuple[Row, ...]
    targets: tuple[Target, ...] = ()
    plotted: tuple[str, ...] = ("wall",)

    def row(self, name: str) -> Row:
        """The row of that name. Raises LookupError."""
        for row in self.rows:
            if row.name == name:
                return row
        raise LookupError(f"{self.key} has no row {name!r}")

    def reached(self, target: Target) -> Summary | None:
        """What the target's figure came to; None where a row is missing.

        A ratio is one of runs of the same round: what slowed the machine down for a while slowed both.
        """
        row = self.row(target.row)
        if not target.of:
            return row.summary(target.measure)
        other, measure = self.row(target.of), target.of_measure or target.measure
        if row.missing or other.missing:
            return None
        pairs = zip(row.values(target.measure), other.values(measure), strict=True)
        return Summary.of([mine / theirs for mine, theirs in pairs], peak=MEASURES[target.measure].peak)

    def measures(self) -> list[str]:
        """What its runs measured, in the order of MEASURES."""
        return [name for name in MEASURES if any(name in run for row in self.rows for run in row.runs)]


@dataclass(frozen=True, slots=True)
class Taken:
    """A section with where and when it was measured.

    Attributes:
        section: the figures.
        day: as 2026-01-31.
        rounds: how often every way ran.
        machine: its facts, by their names.
    """

    section: Section
    day: str
    rounds: int
    machine: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """For a file; the summaries and ratios in it are for readers alone."""
        plain = asdict(self.section)
        for row, written in zip(self.section.rows, plain["rows"], strict=True):
            found = {name: row.summary(name) for name in self.section.measures()}
            written["summary"] = {name: asdict(summary) for name, summary in found.items() if summary}
        for target, written in zip(self.section.targets, plain["targets"], strict=True):
            reached = self.section.reached(target)
            written["reached"] = asdict(reached) if reached else None
        return {"day": self.day, "rounds": self.rounds, "machine": dict(self.machine), "section": plain}

    @classmethod
    def from_json(cls, written: Any) -> Self:
        """What :meth:`as_json` made."""
        plain = written["section"]
        rows = tuple(Row(row["name"], tuple(row["runs"]), row["missing"]) for row in plain["rows"])
        targets = tuple(
            Target(**{key: value for key, value in target.items() if key != "reached"}) for target in plain["targets"]
        )
        words = (plain["key"], plain["title"], plain["about"])
        section = Section(*words, rows, targets, tuple(plain["plotted"]))
        return cls(section, written["day"], written["rounds"], written["machine"])
