"""The benchmarks measure what they say: all ways make the same bytes, and all is told. Their times do not matter."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import Taken
from benchmarks.tables import cells

ONCE = {"inventory", "imports"}
"""Sections whose figures hardly vary, or take too long for more."""


def benched(section: str, tmp_path: Path, rounds: int = 2) -> tuple[dict[str, Any], str]:
    """The one section's figures as they are in the JSON, and what was printed."""
    out = tmp_path / "figures.json"
    words = ["--size", "tiny", "--rounds", str(rounds), "--only", section, "--json", str(out)]
    done = subprocess.run(  # noqa: S603 - our own benchmark
        [sys.executable, "-m", "benchmarks", *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    (taken,) = json.loads(out.read_text())
    assert taken["section"]["key"] == section
    assert taken["machine"]["processor"]
    return taken, done.stdout


@pytest.mark.parametrize("section", ["convert", "disks", "whole", "serve", "inventory", "imports"])
def test_every_way_makes_the_same_bytes_and_is_told(section: str, tmp_path: Path) -> None:
    written, printed = benched(section, tmp_path, rounds=2)
    taken = Taken.from_json(written)
    assert taken.rounds == 2
    assert json.loads(json.dumps(taken.as_json())) == written
    for row in taken.section.rows:
        assert row.missing or len(row.runs) == (1 if section in ONCE else 2), row.name
        assert row.name in printed
        assert all(run["wall"] > 0 for run in row.runs)
    for target in taken.section.targets:
        assert target.what in printed
    assert all(len(line) == len(cells(taken.section)[0]) for line in cells(taken.section))


def test_the_images_are_compared_and_a_part_of_the_bytes_is_on_the_wire(tmp_path: Path) -> None:
    taken, printed = benched("convert", tmp_path, rounds=1)
    assert "all outputs are the disk, byte for byte" in printed
    scratch = {row["name"]: row["runs"][0]["scratch"] for row in taken["section"]["rows"] if row["runs"]}
    assert scratch["curl, then qemu-img, HTTP"] > scratch["thresher, HTTP"], "two steps leave the VMDK, too"
