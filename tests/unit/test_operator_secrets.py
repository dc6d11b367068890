import pytest

from thresher.operator.sessions import SHARED_WITH, shared_with, usable_from


@pytest.mark.parametrize("said", ["team-a", "team-b, team-a", "*"])
def test_a_secret_may_be_shared_with_a_namespace(said: str) -> None:
    assert shared_with({"metadata": {"annotations": {SHARED_WITH: said}}}, "team-a")


@pytest.mark.parametrize("said", ["", "team-b", "team", "team-a-2", "team-*"])
def test_defect_19_a_secret_is_for_nobody_else(said: str) -> None:
    assert not shared_with({"metadata": {"annotations": {SHARED_WITH: said}}}, "team-a")
    assert not shared_with({"metadata": {}}, "team-a")
    assert not shared_with(None, "team-a")


@pytest.mark.parametrize("across", [True, False])
def test_a_source_that_says_who_may_use_it_is_heard_whatever_the_operator_allows(*, across: bool) -> None:
    said = {"metadata": {"annotations": {SHARED_WITH: "team-a"}}}
    assert usable_from(said, "team-a", across=across)
    assert not usable_from(said, "team-b", across=across)
    assert not usable_from({"metadata": {"annotations": {SHARED_WITH: ""}}}, "team-a", across=across)
    assert usable_from({"metadata": {}}, "team-a", across=across) is across
    assert usable_from(None, "team-a", across=across) is across
