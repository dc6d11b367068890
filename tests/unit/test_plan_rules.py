"""Each rule finds what it is about, and nothing on the twin without it; each has words in every language."""

import ast
from pathlib import Path

import pytest

from rig import rule_cases, rule_sources
from thresher.plan.catalogue import CATALOGUE, Language
from thresher.plan.rules.guests import Support, support
from thresher.plan.rules.registry import RULES, Finder, document
from thresher.plan.values import Level

ROOT = Path(__file__).parents[2]
CASES = {**rule_cases.CASES, **rule_sources.CASES}
ELSEWHERE = {"FileSizeDiffers", "CapacityDiffers"} | {
    rule.id for rule in RULES.values() if rule.finder is Finder.CLUSTER
}
"""What takes an archive or a cluster to see is tested with those."""


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in ELSEWHERE])
def test_a_rule_fires_on_a_vm_made_for_it_and_not_on_its_twin(rule: str) -> None:
    case = CASES[rule]
    levels = {level for found, level in case.made() if found == rule}
    assert levels
    assert levels <= RULES[rule].levels
    assert rule not in {found for found, _ in case.twin()}


def test_cases_are_of_rules_that_there_are() -> None:
    assert CASES.keys() <= RULES.keys()
    assert not CASES.keys() & ELSEWHERE


def test_nothing_is_found_of_a_vm_that_nothing_is_special_about() -> None:
    assert rule_cases.planned(rule_cases.PLAIN)() == set()
    assert rule_sources.row()() == set()
    assert rule_sources.package()() == set()


def raised_in(room: str) -> set[str]:
    """The rules that the modules of a room name where they make a loss."""
    found = set()
    for path in (ROOT / "src" / "thresher" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            rule = node.args[0]
            named = isinstance(rule, ast.Constant) and isinstance(rule.value, str) and rule.value[:1].isupper()
            if named and node.func.id in {"Loss", "_blocker"}:
                found.add(ast.literal_eval(rule))
    return found


@pytest.mark.parametrize(
    "room",
    ["formats/ovf", "sources/vcenter", "sources/ova", "targets/manifests", "targets/harvester", "operator", "plan"],
)
def test_every_rule_that_is_found_somewhere_is_in_the_catalogue(room: str) -> None:
    found = raised_in(room)
    assert found
    assert found - RULES.keys() == set()


def test_the_catalogue_is_whole_in_every_language() -> None:
    english, korean = CATALOGUE[Language.ENGLISH], CATALOGUE[Language.KOREAN]
    assert list(english) == list(korean)
    assert all(part.endswith(".") for text in (*english.values(), *korean.values()) for part in text)
    assert all(any("가" <= letter <= "힣" for letter in part) for text in korean.values() for part in text)


def test_the_document_of_the_rules_is_fresh() -> None:
    assert (ROOT / "docs" / "rules.md").read_text(encoding="utf-8") == document(), "make rules"


def test_notes_change_no_verdict() -> None:
    assert {rule.id for rule in RULES.values() if Level.NOTE in rule.levels} == {
        "NicNames", "ToolsStay", "ChangeTrackingOff",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("guest", "known"),
    [
        ("rhel4Guest", Support.UPDATES),
        ("rhel5_64Guest", Support.UPDATES),
        ("centos64Guest", Support.UPDATES),
        ("centos7_64Guest", Support.FULL),
        ("rhel6_64Guest", Support.FULL),
        ("sles10Guest", Support.NONE),
        ("slesGuest", Support.NONE),
        ("sles11_64Guest", Support.NO_SCSI),
        ("sles15_64Guest", Support.FULL),
        ("debian4Guest", Support.NONE),
        ("debian6_64Guest", Support.NO_SCSI),
        ("debian12_64Guest", Support.FULL),
        ("winXPProGuest", Support.OLD_DRIVERS),
        ("win2000ServGuest", Support.NONE),
        ("windows7Server64Guest", Support.OLD_DRIVERS),
        ("windows9Server64Guest", Support.FULL),
        ("windows2019srv_64Guest", Support.FULL),
        ("", Support.FULL),
    ],
)
def test_which_guests_know_virtio(guest: str, known: Support) -> None:
    assert support(guest) is known
