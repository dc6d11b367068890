"""What a seed decides, and what is done with a run's figures."""

import json
from dataclasses import replace
from itertools import islice

from rig.chaos import audit
from rig.chaos.plan import MOST_PAUSE_S, WEIGHTS, Kind, faults
from rig.chaos.report import Report

GOOD = Report(
    seed=7,
    faults={"worker killed": 2, "etcd killed": 1},
    missed={},
    imports={"succeeded": 3},
    failures={},
    told={"StreamCut": 4},
    worker_starts=5,
    broken_downloads=0,
    operator_restarts=0,
    full_told=0,
    bytes_needed=100 << 20,
    bytes_read=125 << 20,
    seconds=(60, 30),
    findings=(),
)


def test_a_seed_gives_the_same_plan_each_time_and_another_seed_another() -> None:
    plan = list(islice(faults(1), 300))
    assert list(islice(faults(1), 300)) == plan
    assert list(islice(faults(2), 300)) != plan


def test_the_first_faults_are_one_of_each_kind() -> None:
    assert {fault.kind for fault in islice(faults(5), len(Kind))} == set(Kind) == set(WEIGHTS)


def test_pauses_are_bounded_and_choices_are_shares() -> None:
    plan = list(islice(faults(3), 1000))
    assert all(0 <= fault.pause_s <= MOST_PAUSE_S for fault in plan)
    assert all(0 <= fault.size < 1 and 0 <= fault.choice < 1 for fault in plan)


def test_the_table_says_what_was_read_again_and_that_all_is_well() -> None:
    table = GOOD.table()
    assert "faults (seed 7)" in table
    assert "25 (25 %)" in table
    assert table.endswith("nothing is left")


def test_a_finding_is_told_and_nothing_is_called_well() -> None:
    table = replace(GOOD, findings=("Job x is left",), failures={"vm-1": "no room"}).table()
    assert "WRONG: Job x is left" in table
    assert "vm-1 failed: no room" in table
    assert "byte-identical" not in table


def test_json_has_every_figure() -> None:
    assert json.loads(GOOD.json())["faults"] == {"worker killed": 2, "etcd killed": 1}


def test_an_import_that_goes_on_for_ever_or_fails_without_a_word_is_a_finding() -> None:
    said = {"type": "Ready", "status": "False", "reason": "TargetFull", "message": "There is no room."}
    ended: audit.Ended = {
        "good": {"importStatus": "virtualMachineCreated"},
        "honest": {"importStatus": "VMMigrationFailed", "conditions": [said]},
        "silent": {"importStatus": "VMMigrationFailed", "conditions": [said | {"message": ""}]},
    }
    assert list(audit.ends(["slow"], ended)) == [
        "import slow has not ended",
        "import silent failed and does not say why",
    ]
