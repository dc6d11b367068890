"""docs/performance.md and its plots are those of docs/performance.json."""

from pathlib import Path

import pytest
from defusedxml import ElementTree

from benchmarks import page
from benchmarks.__main__ import SECTIONS, chosen
from benchmarks.figures import Row, Section, Taken, Target
from benchmarks.plots import LABEL, PLOT, plot

DOCS = page.DOCS
SVG = "{http://www.w3.org/2000/svg}"
SECTION = Section(
    "key",
    "Title & more",
    "About it.",
    (
        Row("thresher, fast", ({"wall": 1.0}, {"wall": 3.0})),
        Row("theirs", ({"wall": 4.0}, {"wall": 4.0})),
        Row("gone", (), "no such program"),
    ),
    (Target("time of theirs", "thresher, fast", "wall", 0.25, "theirs"),),
)
TAKEN = Taken(SECTION, "2026-01-31", 2, {"processor": "2 x One", "python": "Python 3"})
EMPTY = f"# Title\n\nOurs.\n\n{page.BEGIN}old{page.END}\nMore.\n"


def test_the_page_and_its_plots_are_fresh() -> None:
    taken = page.load(DOCS / page.FIGURES)
    made = page.files(taken, (DOCS / page.PAGE).read_text(encoding="utf-8"))
    for path, text in made.items():
        assert (DOCS / path).read_text(encoding="utf-8") == text, "make performance writes it anew"
    assert {path.relative_to(DOCS).as_posix() for path in (DOCS / page.PLOTS).glob("*")} == {*made} - {page.PAGE}


def test_the_json_is_as_it_is_written() -> None:
    path = DOCS / page.FIGURES
    assert page.dump(page.load(path)) == path.read_text(encoding="utf-8")
    keys = [one.section.key for one in page.load(path)]
    assert keys == [key for key in SECTIONS if key in keys], "in the order of the sections"
    assert keys


def test_the_page_keeps_its_own_words_and_says_all_of_a_section() -> None:
    made = page.files([TAKEN], EMPTY)
    text = made["performance.md"]
    assert text.startswith("# Title\n\nOurs.\n")
    assert text.endswith("\nMore.\n")
    assert "old" not in text
    for said in (
        "## Title & more",
        "About it.",
        "| thresher, fast | 2.00 s (1.00 to 3.00) |",
        "| gone | not here: no such program |",
        "| time of theirs | 0.500 (0.250 to 0.750) | 0.250 | not met |",
        "![time](performance/key-wall.svg)",
        "Taken on 2026-01-31, 2 rounds: 2 x One, Python 3.",
    ):
        assert said in text
    assert page.files([TAKEN], text) == made, "doing it twice is doing it once"


def test_a_page_without_a_place_for_figures_is_refused() -> None:
    with pytest.raises(ValueError, match="no lines"):
        page.files([TAKEN], "# Title\n")


def test_new_figures_replace_those_of_their_section_alone() -> None:
    other = Taken(Section("other", "O", "A", SECTION.rows), "2026-01-01", 1, {})
    newer = Taken(SECTION, "2026-02-01", 3, {})
    assert page.merged([TAKEN, other], [newer], ["other", "key"]) == [other, newer]
    assert page.merged([TAKEN, other], [newer], ["key"]) == [newer]


def test_what_is_saved_is_fresh(tmp_path: Path) -> None:
    (tmp_path / "performance.md").write_text(EMPTY)
    (tmp_path / "performance").mkdir()
    (tmp_path / "performance" / "of-a-section-that-is-gone.svg").touch()
    page.save([TAKEN], tmp_path)
    assert page.load(tmp_path / "performance.json") == [TAKEN]
    assert [path.name for path in (tmp_path / "performance").iterdir()] == ["key-wall.svg"]


def test_bars_are_as_long_as_their_figures() -> None:
    root = ElementTree.fromstring(plot(SECTION, "wall"))
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == "Title & more: time"
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.get("x")]
    lengths = [float(rect.attrib["width"]) for rect in bars]
    assert lengths == [PLOT / 2, PLOT], "2.0 and 4.0, of which the most fills the plot; what is missing has no bar"
    assert all(rect.get("x") == str(LABEL) for rect in bars)
    assert len({rect.get("fill") for rect in bars}) == 2, "ours has a colour of its own"
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts[1:] == ["thresher, fast", "2.00 s", "theirs", "4.00 s"]


def test_sections_are_chosen_by_their_names() -> None:
    assert chosen("serve, convert") == ["serve", "convert"]
    assert chosen("") == list(SECTIONS)
    with pytest.raises(Exception, match="no section nothing; there are convert"):
        chosen("nothing")
