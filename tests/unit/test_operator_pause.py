from datetime import UTC, datetime, timedelta

import pytest

from thresher.imports.actions import Wait
from thresher.model.vm import PowerState
from thresher.operator.imports.passes import IDLE_S, pause

NOW = datetime(2026, 1, 2, tzinfo=UTC)
POLL = 5.0


@pytest.mark.parametrize("power", [PowerState.ON, PowerState.SUSPENDED])
def test_no_watch_tells_of_the_source_vms_power_so_it_is_looked_at_often(power: PowerState) -> None:
    shutdown = Wait("the guest to shut down", NOW + timedelta(seconds=120))
    assert pause(shutdown, power, NOW, POLL) == POLL
    assert pause(shutdown, power, NOW + timedelta(seconds=118), POLL) == 2
    assert pause(shutdown, power, NOW + timedelta(seconds=121), POLL) == 0


@pytest.mark.parametrize("power", [None, PowerState.OFF])
def test_what_a_watch_tells_of_is_not_asked_for(power: PowerState | None) -> None:
    assert pause(Wait("the new VM to run", NOW + timedelta(minutes=15)), power, NOW, POLL) == IDLE_S
    assert pause(Wait("another attempt", NOW + timedelta(seconds=7)), power, NOW, POLL) == 7
