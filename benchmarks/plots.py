"""Figures as plots: bars in plain SVG, so that drawing them needs nothing that is not there."""

from collections.abc import Sequence
from html import escape

from benchmarks.figures import MEASURES, Row, Section, Summary

LABEL, PLOT, VALUE = 330, 420, 150
"""Widths of the columns, in pixels."""
LINE, BAR, HEAD = 24, 14, 34
OURS, THEIRS, LIMIT = "#1f7a4d", "#8a8f98", "#c9ccd1"
INK, PAPER, SPREAD = "#24292f", "#ffffff", "#24292f"


def colour(row: Row) -> str:
    """Ours, a rival's, or a limit's."""
    if row.name.startswith("limit:"):
        return LIMIT
    return THEIRS if not row.name.startswith("thresher") else OURS


def plot(section: Section, measure: str) -> str:
    """The measure of every row that has it as an SVG image: a bar for the median, a line for the spread."""
    bars = [(row, found) for row in section.rows if (found := row.summary(measure)) is not None]
    most = max((found.most for _, found in bars), default=0.0) or 1.0
    height = HEAD + LINE * len(bars) + 8
    width = LABEL + PLOT + VALUE
    title = f"{section.title}: {MEASURES[measure].title}"
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"',
            ' role="img" font-family="sans-serif" font-size="12">\n',
            f"<title>{escape(title)}</title>\n",
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>\n',
            f'<text x="8" y="20" font-size="14" font-weight="bold" fill="{INK}">{escape(title)}</text>\n',
            *_bars(bars, measure, most),
            "</svg>\n",
        ]
    )


def _bars(bars: Sequence[tuple[Row, Summary]], measure: str, most: float) -> list[str]:
    unit = MEASURES[measure].unit
    return [
        _bar(row, found, HEAD + LINE * number, PLOT / most, unit.write(found.middle))
        for number, (row, found) in enumerate(bars)
    ]


def _bar(row: Row, found: Summary, top: int, scale: float, written: str) -> str:
    middle, base = top + LINE // 2, top + LINE // 2 + 4
    long, least, most = found.middle * scale, LABEL + found.least * scale, LABEL + found.most * scale
    spread = f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="{SPREAD}"/>' if found.least != found.most else ""
    return (
        f'<text x="{LABEL - 8}" y="{base}" text-anchor="end" fill="{INK}">{escape(row.name)}</text>'
        f'<rect x="{LABEL}" y="{middle - BAR // 2}" width="{long:.1f}" height="{BAR}" fill="{colour(row)}"/>{spread}'
        f'<text x="{max(LABEL + long, most) + 6:.1f}" y="{base}" fill="{INK}">{escape(written)}</text>\n'
    )
