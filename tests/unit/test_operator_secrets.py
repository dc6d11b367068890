import pytest

from thresher.operator.sessions import SHARED_WITH, shared_with


@pytest.mark.parametrize("said", ["team-a", "team-b, team-a", "*"])
def test_a_secret_may_be_shared_with_a_namespace(said: str) -> None:
    assert shared_with({"metadata": {"annotations": {SHARED_WITH: said}}}, "team-a")


@pytest.mark.parametrize("said", ["", "team-b", "team", "team-a-2", "team-*"])
def test_defect_19_a_secret_is_for_nobody_else(said: str) -> None:
    assert not shared_with({"metadata": {"annotations": {SHARED_WITH: said}}}, "team-a")
    assert not shared_with({"metadata": {}}, "team-a")
    assert not shared_with(None, "team-a")
