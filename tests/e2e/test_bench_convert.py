"""The benchmark measures what it says: its two ways make the same bytes. Its times do not matter here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_both_ways_agree_and_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    out = tmp_path / "result.json"
    words = ["--data", "32MiB", "--disk", "128MiB", "--rounds", "2", "--json", str(out)]
    done = subprocess.run(  # noqa: S603 - our own benchmark
        [sys.executable, "-m", "benchmarks.convert", *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "of the time of the two steps" in done.stdout
    result = json.loads(out.read_text())
    assert "the outputs are the same, byte for byte" in done.stdout
    ways = result["ways"]
    assert result["ratio"] == pytest.approx(ways["thresher"]["wall"] / ways["two steps"]["wall"])
    assert all(len(way["runs"]) == 2 and way["wall"] > 0 for way in ways.values())
