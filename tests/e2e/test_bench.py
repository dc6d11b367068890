"""The benchmarks measure what they say: all ways make the same bytes, and all is told. Their times do not matter."""

import json
import subprocess
import sys

import pytest

from benchmarks import page
from benchmarks.__main__ import SECTIONS
from benchmarks.figures import Section, Taken
from benchmarks.tables import cells
from benchmarks.whole import ADDON, IMAGE_MODE, VOLUME_MODE
from thresher.model.units import MIB

ROUNDS = 1


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Taken], str]:
    """One run of everything with tiny disks: the figures as they are in the JSON, and what was printed."""
    out = tmp_path_factory.mktemp("bench") / "figures.json"
    words = ["--size", "tiny", "--rounds", str(ROUNDS), "--json", str(out)]
    done = subprocess.run(  # noqa: S603 - our own benchmark
        [sys.executable, "-m", "benchmarks", *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    taken = page.load(out)
    assert page.dump(taken) == out.read_text()
    assert all(entry["machine"]["processor"] for entry in json.loads(out.read_text()))
    return {one.section.key: one for one in taken}, done.stdout


@pytest.fixture(params=list(SECTIONS))
def section(request: pytest.FixtureRequest, outcome: tuple[dict[str, Taken], str]) -> Section:
    return outcome[0][request.param].section


def test_every_way_ran_and_every_figure_is_told(section: Section, outcome: tuple[dict[str, Taken], str]) -> None:
    for row in section.rows:
        assert row.missing or len(row.runs) == ROUNDS, row.name
        assert row.name in outcome[1]
        assert all(run["wall"] > 0 for run in row.runs)
    for target in section.targets:
        assert section.reached(target) is not None
        assert target.what in outcome[1]
    assert {len(line) for line in cells(section)} == {len(section.measures()) + 1}


def test_the_ways_of_a_conversion_make_the_same_bytes(outcome: tuple[dict[str, Taken], str]) -> None:
    assert "all outputs are the disk, byte for byte" in outcome[1]
    scratch = {row.name: row.values("scratch") for row in outcome[0]["convert"].section.rows if row.runs}
    assert scratch["curl, then qemu-img, HTTP"] > scratch["thresher, HTTP"], "two steps leave the VMDK, too"


def test_bytes_on_the_wires_are_those_of_the_ways(outcome: tuple[dict[str, Taken], str]) -> None:
    whole = outcome[0]["whole"].section
    rows = {row.name: row.runs[0] for row in whole.rows}
    image, volume, addon = rows[IMAGE_MODE], rows[VOLUME_MODE], rows[ADDON]
    assert image["source_wire"] == volume["source_wire"] == addon["source_wire"], "each reads the disk once"
    assert volume["image_wire"] == 0, "nothing is sent a second time"
    assert volume["scratch"] < MIB, "ledgers alone"
    assert image["image_wire"] < image["data"] * 1.05, "holes are not sent"
    assert addon["image_wire"] > 128 << 20, "plain, the whole disk goes over the wire"
    assert 0 < image["sent"] <= image["wall"]


def test_a_vcenter_is_read_in_pages(outcome: tuple[dict[str, Taken], str]) -> None:
    pages, singly = (row.runs[0] for row in outcome[0]["inventory"].section.rows[:2])
    assert pages["objects"] == 40
    assert pages["requests"] <= 10 < singly["requests"]
