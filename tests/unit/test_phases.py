"""The table of phases is whole, and the docs show it as it is."""

from itertools import chain, combinations
from pathlib import Path

import pytest

from thresher.imports.phases import START, TABLE, Fact, Phase, StatusWord, document, route

DOCUMENT = Path(__file__).parents[2] / "docs" / "import-phases.md"


def test_the_words_are_those_of_the_api() -> None:
    assert {word.value for word in StatusWord} == {
        "",
        "virtualMachineImportValid",
        "virtualMachineImportInvalid",
        "sourceReady",
        "disksExported",
        "diskImageSubmitted",
        "diskImagesReady",
        "diskImageFailed",
        "virtualMachineCreated",
        "virtualMachineRunning",
        "VMMigrationFailed",
    }


def test_every_phase_has_a_row_and_every_word_is_used() -> None:
    assert set(TABLE) == set(Phase)
    assert {rule.word for rule in TABLE.values()} == {*StatusWord, None}


def test_every_phase_can_be_reached_and_only_the_last_ones_end() -> None:
    reached = {START} | {to for rule in TABLE.values() for _, to in rule.edges}
    assert reached == set(Phase)
    for rule in TABLE.values():
        assert rule.terminal == (not rule.edges)
        assert rule.terminal or not rule.succeeded


@pytest.mark.parametrize("phase", [p for p in Phase if not TABLE[p].terminal])
def test_an_import_can_give_up_in_every_phase_that_is_not_the_end(phase: Phase) -> None:
    assert (Fact.GAVE_UP, Phase.FAILED) in TABLE[phase].edges


def test_every_walk_ends_whatever_facts_hold() -> None:
    for facts in chain.from_iterable(combinations(Fact, size) for size in range(len(Fact) + 1)):
        walk = route(frozenset(facts))
        assert len(set(walk)) == len(walk)


def test_a_deletion_takes_effect_wherever_the_import_stands() -> None:
    assert route(frozenset(Fact))[-1] is Phase.DELETED


def test_an_image_that_failed_is_not_hidden_by_those_that_are_ready() -> None:
    facts = {
        Fact.CHECKS_PASSED,
        Fact.SOURCE_READY,
        Fact.DISKS_DONE,
        Fact.IMAGES_SUBMITTED,
        Fact.IMAGE_FAILED,
        Fact.IMAGES_READY,
    }
    assert route(facts)[-1] is Phase.IMAGE_FAILED


def test_the_diagram_in_the_docs_is_fresh() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "run `make diagrams`"
