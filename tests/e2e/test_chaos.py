"""A short run of ``make chaos``: one fault of each kind and some more, with a seed that is always the same."""

from pathlib import Path

import pytest

from rig.chaos.plan import Kind
from rig.chaos.run import PATIENCE_S, run

FAULTS, IMPORTS, SEED = 20, 4, 6


@pytest.mark.timeout(PATIENCE_S + 600)
def test_twenty_faults_and_every_disk_is_whole_and_nothing_is_left(tmp_path: Path) -> None:
    told: list[str] = []
    report = run(SEED, FAULTS, tmp_path, told.append, imports=IMPORTS)
    assert not report.findings, "\n".join([*told, report.table()])
    assert sum(report.faults.values()) == FAULTS
    assert len(report.faults) > len(Kind) / 2
    assert sum(report.imports.values()) >= IMPORTS
    assert report.worker_starts > report.imports.get("succeeded", 0), "no worker was hit"
