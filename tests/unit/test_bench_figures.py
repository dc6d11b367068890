"""The benchmarks' arithmetic: by hand what the code must come to."""

import json
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from benchmarks.data import Shape, size, write_disk
from benchmarks.figures import Row, Section, Summary, Taken, Target, Unit
from benchmarks.tables import as_markdown, as_text, cells, verdicts
from thresher.model.units import GIB, MIB


def row(name: str, *walls: float, memory: float = MIB) -> Row:
    return Row(name, tuple({"wall": wall, "memory": memory * n} for n, wall in enumerate(walls, 1)))


OURS, THEIRS = row("ours", 1.0, 2.0, 3.0), row("theirs", 4.0, 4.0, 30.0)
GONE = Row("gone", (), "no such program")
FASTER = Target("time of theirs", "ours", "wall", 0.25, "theirs")
SMALL = Target("memory", "ours", "memory", 3 * MIB)
UNKNOWN = Target("time of one that is gone", "ours", "wall", 1.0, "gone")


def section(*targets: Target) -> Section:
    return Section("key", "Title", "About it.", (OURS, THEIRS, GONE), targets)


def test_a_summary_is_the_median_with_its_spread() -> None:
    assert Summary.of([3.0, 1.0, 2.0]) == Summary(2.0, 1.0, 3.0)
    assert Summary.of([1.0, 2.0]).middle == 1.5
    assert Summary.of([3.0, 1.0, 2.0], peak=True).middle == 3.0, "of a peak the largest counts"
    with pytest.raises(ValueError, match="nothing"):
        Summary.of([])


def test_a_ratio_is_of_the_runs_of_one_round() -> None:
    assert section().reached(FASTER) == Summary(0.25, 0.1, 0.5), "of 1/4, 2/4 and 3/30; that of the medians is 0.5"


def test_a_limit_may_be_the_figure_itself() -> None:
    assert section().reached(SMALL) == Summary(3 * MIB, MIB, 3 * MIB)


def test_a_ratio_may_be_of_two_measures() -> None:
    written = Row("ours", ({"scratch": 102.0, "data": 100.0}, {"scratch": 101.0, "data": 100.0}))
    target = Target("scratch", "ours", "scratch", 1.02, "ours", "data")
    reached = Section("key", "T", "A", (written,), (target,)).reached(target)
    assert reached is not None
    assert reached.middle == pytest.approx(1.02), "a peak: the worst round counts"


def test_what_was_not_measured_has_no_ratio() -> None:
    assert section().reached(UNKNOWN) is None
    assert GONE.summary("wall") is None


def test_a_row_that_is_not_there_is_a_mistake() -> None:
    with pytest.raises(LookupError, match="no row 'other'"):
        section().row("other")


def test_rounds_that_do_not_match_are_a_mistake() -> None:
    odd = Section("key", "T", "A", (OURS, row("theirs", 1.0)), (FASTER,))
    with pytest.raises(ValueError, match="shorter"):
        odd.reached(FASTER)


def test_the_table_says_all() -> None:
    table = cells(section())
    assert table == [
        ["", "time", "peak memory"],
        ["ours", "2.00 s (1.00 to 3.00)", "3.0 MiB"],
        ["theirs", "4.00 s (4.00 to 30.00)", "3.0 MiB"],
        ["gone", "not here: no such program", ""],
    ]
    assert as_markdown(table).splitlines()[1:3] == [
        "| --- | ---: | ---: |",
        "| ours | 2.00 s (1.00 to 3.00) | 3.0 MiB |",
    ]
    lines = as_text(table).splitlines()
    assert len({line.index("3.0 MiB") for line in lines[1:3]}) == 1, "columns stand below each other"


def test_verdicts() -> None:
    assert verdicts(section(FASTER, SMALL, UNKNOWN))[1:] == [
        ["time of theirs", "0.250 (0.100 to 0.500)", "0.250", "met"],
        ["memory", "3.0 MiB", "3.0 MiB", "met"],
        ["time of one that is gone", "-", "1.000", "not measured here"],
    ]
    strict = Target("time of theirs", "ours", "wall", 0.24, "theirs")
    assert verdicts(section(strict))[1][-1] == "not met"


@pytest.mark.parametrize(
    ("unit", "value", "written"),
    [
        (Unit.SECONDS, 1.234, "1.23 s"),
        (Unit.BYTES, 2.0 * GIB, "2.0 GiB"),
        (Unit.COUNT, 17.0, "17"),
        (Unit.SHARE, 0.0098, "0.98 %"),
    ],
)
def test_figures_have_their_unit(unit: Unit, value: float, written: str) -> None:
    assert unit.write(value) == written


def test_the_json_brings_back_what_went_in() -> None:
    taken = Taken(section(FASTER, SMALL, UNKNOWN), "2026-01-31", 3, {"processor": "two of them"})
    written = json.loads(json.dumps(taken.as_json()))
    assert written["section"]["rows"][0]["summary"]["wall"] == {"middle": 2.0, "least": 1.0, "most": 3.0}
    assert written["section"]["targets"][0]["reached"]["middle"] == 0.25
    assert Taken.from_json(written) == taken


def test_sizes() -> None:
    assert size("8GiB") == 8 * GIB
    with pytest.raises(ArgumentTypeError, match="no size"):
        size("8 GB")


def test_a_disk_holds_the_data_that_it_says_over_its_whole_length(tmp_path: Path) -> None:
    write_disk(tmp_path / "disk", Shape(64 * MIB, 16 * MIB))
    stat = (tmp_path / "disk").stat()
    assert stat.st_size == 64 * MIB
    assert stat.st_blocks * 512 == 16 * MIB
    content = (tmp_path / "disk").read_bytes()
    assert any(content[:MIB])
    assert any(content[32 * MIB : 33 * MIB])
    assert not any(content[16 * MIB : 32 * MIB])
