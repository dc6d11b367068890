"""``make performance``: the figures of docs/performance.md, and its plots, from docs/performance.json.

python -m benchmarks.page
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import MEASURES, Taken
from benchmarks.plots import plot
from benchmarks.tables import as_markdown, cells, verdicts

DOCS = Path(__file__).parents[1] / "docs"
FIGURES, PAGE, PLOTS = "performance.json", "performance.md", "performance"
BEGIN, END = "<!-- figures: made by `make performance` from performance.json -->\n", "<!-- figures end -->\n"


def load(path: Path) -> list[Taken]:
    """The figures of a file; none where there is no file."""
    return [Taken.from_json(one) for one in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def dump(taken: Sequence[Taken]) -> str:
    """The file of some figures."""
    return json.dumps([one.as_json() for one in taken], indent=1) + "\n"


def merged(old: Sequence[Taken], new: Sequence[Taken], order: Sequence[str]) -> list[Taken]:
    """The newest figures of each section, in that order; a section that is not among ``order`` is gone."""
    found = {one.section.key: one for one in (*old, *new)}
    return [found[key] for key in order if key in found]


def files(taken: Sequence[Taken], page: str) -> Mapping[str, str]:
    """What has to stand in docs/: the page with its figures, and a plot for each measure; by path.

    Args:
        taken: the figures.
        page: the page as it is now, whose own words stay.

    Raises:
        ValueError: the page has no place for them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no lines {BEGIN.strip()} and {END.strip()} between which figures stand")
    made = {PAGE: before + begin + "\n" + "".join(_told(one) for one in taken) + end + after}
    for one in taken:
        for measure in one.section.plotted:
            made[_plot_path(one, measure)] = plot(one.section, measure)
    return made


def _plot_path(one: Taken, measure: str) -> str:
    return f"{PLOTS}/{one.section.key}-{measure}.svg"


def _told(one: Taken) -> str:
    """One section of the page."""
    section = one.section
    plots = [f"![{MEASURES[m].title}]({_plot_path(one, m)})" for m in section.plotted]
    rounds = "one round" if one.rounds == 1 else f"{one.rounds} rounds"
    parts = [
        f"## {section.title}",
        section.about,
        as_markdown(cells(section)).rstrip(),
        *([as_markdown(verdicts(section)).rstrip()] if section.targets else []),
        *plots,
        f"Taken on {one.day}, {rounds}: {', '.join(one.machine.values())}.",
    ]
    return "\n\n".join(parts) + "\n\n"


def save(taken: Sequence[Taken], docs: Path = DOCS) -> None:
    """Write the figures, the page and its plots."""
    (docs / FIGURES).write_text(dump(taken), encoding="utf-8")
    made = files(taken, (docs / PAGE).read_text(encoding="utf-8"))
    (docs / PLOTS).mkdir(exist_ok=True)
    for old in set((docs / PLOTS).glob("*.svg")) - {docs / path for path in made}:
        old.unlink()
    for path, text in made.items():
        (docs / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    save(load(DOCS / FIGURES))
