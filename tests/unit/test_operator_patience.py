"""The operator's patience, by the clock of its own decisions: what a real week brings is survived."""

from datetime import UTC, datetime, timedelta

from rig.source_vms import SPEC
from thresher.imports.actions import GiveUp, Wait
from thresher.imports.decide import decide
from thresher.imports.observed import Observed, Recorded, Step
from thresher.model.errors import SourceUnreachable
from thresher.model.failure import Failure
from thresher.operator.settings import POLICY

MONDAY = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
DOWN = Failure.of(SourceUnreachable("vcenter.example.com refuses the connection"))


def outage(recorded: Recorded, begins: datetime, lasts: timedelta) -> tuple[Recorded, bool]:
    """An import that cannot reach its source for so long; and whether it is still there afterwards."""
    now = begins
    while now < begins + lasts:
        action = decide(SPEC, Observed(recorded=recorded), now, POLICY)
        if isinstance(action, GiveUp):
            return recorded, False
        if isinstance(action, Wait):
            assert action.until is not None
            now = action.until
        else:
            recorded = recorded.failed(Step.CHECK, DOWN, now)
    return recorded, True


def test_a_vcenter_may_be_away_for_25_minutes() -> None:
    assert outage(Recorded(), MONDAY, timedelta(minutes=25))[1]


def test_and_again_each_night_of_a_week() -> None:
    recorded = Recorded()
    for night in range(7):
        recorded, going_on = outage(recorded, MONDAY + timedelta(days=night), timedelta(minutes=25))
        assert going_on, f"night {night}"
        recorded = recorded.succeeded(Step.CHECK)
    assert recorded.failures > POLICY.budget // 2, "the budget is what this is about"


def test_a_source_that_is_away_for_good_is_given_up_some_time() -> None:
    assert not outage(Recorded(), MONDAY, timedelta(days=1))[1]


def test_switching_the_source_on_again_is_tried_longer_than_anything_else() -> None:
    assert POLICY.restore_attempts > POLICY.attempts * 2
