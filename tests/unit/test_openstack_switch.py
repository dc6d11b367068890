"""A server that Nova takes its time to switch: one call waits for less than an operator gives it."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from rig.openstack_exports import machine
from rig.openstack_rows import SERVER, server
from thresher.model.errors import SourceBusy
from thresher.operator.sessions import LIMIT_S
from thresher.sources.openstack import power, reading
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.power import OpenstackPower

STOPPING = server(**{"OS-EXT-STS:task_state": "powering-off"})


class Nova:
    """Has one server, which is being stopped for a long time."""

    async def call(self, work: Callable[[Any], Any]) -> Any:
        """As the connection does."""
        return work(self)


def test_a_call_waits_for_less_than_an_operator_gives_it() -> None:
    assert power._WAIT_S + 2 * power._LOOK_S < LIMIT_S


def test_a_server_that_is_long_in_stopping_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "server", lambda _, key: STOPPING if key == SERVER else None)
    switch = OpenstackPower(cast("OpenstackConnection", Nova()), wait_s=0.1)
    with pytest.raises(SourceBusy, match=r"is not off yet.*task powering-off; it is asked again") as failure:
        asyncio.run(asyncio.wait_for(switch.power_off(machine(SERVER)), LIMIT_S / 10))
    assert failure.value.retryable
