"""Figures as tables: for a terminal, and for a page."""

from collections.abc import Sequence

from benchmarks.figures import MEASURES, Row, Section, Summary, Target, Unit

_NONE = "-"


def cells(section: Section) -> list[list[str]]:
    """The table of a section, its head first."""
    measures = section.measures()
    head = ["", *(MEASURES[name].title for name in measures)]
    return [head, *([row.name, *_figures(row, measures)] for row in section.rows)]


def _figures(row: Row, measures: Sequence[str]) -> list[str]:
    if row.missing:
        return [f"not here: {row.missing}", *[""] * (len(measures) - 1)]
    return [_figure(row.summary(name), name) for name in measures]


def _figure(summary: Summary | None, name: str) -> str:
    """The figure; times with their spread."""
    if summary is None:
        return _NONE
    measure = MEASURES[name]
    text = measure.unit.write(summary.middle)
    if name == "wall" and summary.least != summary.most:
        text = f"{text} ({summary.least:.2f} to {summary.most:.2f})"
    return text


def verdicts(section: Section) -> list[list[str]]:
    """The table of its targets, its head first."""
    head = ["target", "reached", "at most", ""]
    return [head, *(_verdict(section, target) for target in section.targets)]


def _verdict(section: Section, target: Target) -> list[str]:
    reached = section.reached(target)
    limit = _written(target, target.at_most)
    if reached is None:
        return [target.what, _NONE, limit, "not measured here"]
    text = _written(target, reached.middle)
    if target.of and reached.least != reached.most:
        text = f"{text} ({reached.least:.3f} to {reached.most:.3f})"
    return [target.what, text, limit, "met" if reached.middle <= target.at_most else "not met"]


def _written(target: Target, value: float) -> str:
    unit = MEASURES[target.measure].unit
    if target.of:
        return f"{value:.3f}"
    return f"{value * 100:g} %" if unit is Unit.SHARE and value == target.at_most else unit.write(value)


def as_text(table: Sequence[Sequence[str]]) -> str:
    """Columns of equal width; words to the left, figures to the right."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    if any(line[1].startswith("not here") for line in table):  # a sentence, which may run over the other columns
        widths[1] = max(len(line[1]) for line in table if not line[1].startswith("not here"))
    return "".join(_line(line, widths) for line in table)


def _line(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        text.ljust(width) if n == 0 else text.rjust(width) for n, (text, width) in enumerate(_zip(line, widths))
    )
    return "  ".join([first, *rest]).rstrip() + "\n"


def _zip(line: Sequence[str], widths: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip(line, widths, strict=True))


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """The same for a page."""
    head, *lines = table
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, rule, *lines))
