"""Stopping and starting servers of OpenStack's real Nova."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from rig.openstack import OpenstackCloud
from rig.openstack_access import access_to, source_of
from thresher.model.errors import SourceError, SourceNotFound
from thresher.model.vm import PowerState, SourceVM
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.power import OpenstackPower


@pytest.fixture
def cloud(openstack: OpenstackCloud) -> Iterator[OpenstackCloud]:
    yield openstack
    openstack.wipe()


def found(cloud: OpenstackCloud, key: str) -> SourceVM:
    async def look() -> SourceVM:
        async with source_of(access_to(cloud)) as source:
            return await source.find(key)

    return asyncio.run(look())


def server(cloud: OpenstackCloud) -> SourceVM:
    return found(cloud, cloud.make.server("web", volumes=[cloud.make.volume()]))


def do(cloud: OpenstackCloud, *steps: Callable[[OpenstackPower], Awaitable[object]]) -> list[object]:
    async def work() -> list[object]:
        async with OpenstackConnection(access_to(cloud)) as connection:
            power = OpenstackPower(connection)
            return [await step(power) for step in steps]

    return asyncio.run(work())


def status(cloud: OpenstackCloud, vm: SourceVM) -> str:
    return str(cloud.user.compute.get_server(vm.id).status)


def test_off_and_on_again_twice(cloud: OpenstackCloud) -> None:
    vm = server(cloud)
    seen = do(
        cloud,
        lambda power: power.power_state(vm),
        lambda power: power.power_off(vm),
        lambda power: power.power_off(vm),
        lambda power: power.power_state(vm),
    )
    assert (seen[0], seen[3]) == (PowerState.ON, PowerState.OFF)
    assert status(cloud, vm) == "SHUTOFF"
    do(cloud, lambda power: power.power_on(vm), lambda power: power.power_on(vm))
    assert status(cloud, vm) == "ACTIVE"


def test_a_guest_that_is_asked_to_shut_down_ends_up_off(cloud: OpenstackCloud) -> None:
    vm = server(cloud)
    do(cloud, lambda power: power.shut_down_guest(vm), lambda power: power.shut_down_guest(vm))
    cloud.make.until("server", vm.id, "SHUTOFF")
    do(cloud, lambda power: power.shut_down_guest(vm))
    assert status(cloud, vm) == "SHUTOFF"


def test_what_is_under_way_is_waited_for(cloud: OpenstackCloud) -> None:
    vm = server(cloud)
    do(cloud, lambda power: power.shut_down_guest(vm), lambda power: power.power_off(vm))
    assert status(cloud, vm) == "SHUTOFF"
    do(cloud, lambda power: power.power_on(vm), lambda power: power.shut_down_guest(vm))
    do(cloud, lambda power: power.power_off(vm), lambda power: power.power_on(vm))
    assert status(cloud, vm) == "ACTIVE"


@pytest.mark.parametrize(("way", "state"), [("pause_server", "PAUSED"), ("suspend_server", "SUSPENDED")])
def test_a_paused_server_runs_again_before_it_is_stopped(cloud: OpenstackCloud, way: str, state: str) -> None:
    vm = server(cloud)
    getattr(cloud.user.compute, way)(vm.id)
    cloud.make.until("server", vm.id, state)
    assert found(cloud, vm.id).power is PowerState.SUSPENDED
    do(cloud, lambda power: power.power_off(vm))
    assert status(cloud, vm) == "SHUTOFF"


def test_a_locked_server_is_said_to_be_locked(cloud: OpenstackCloud) -> None:
    vm = server(cloud)
    cloud.admin.compute.lock_server(vm.id)
    for act in (OpenstackPower.power_off, OpenstackPower.shut_down_guest):
        with pytest.raises(SourceError, match="is locked") as refused:
            do(cloud, lambda power, act=act: act(power, vm))  # type: ignore[misc] # bound in the loop
        assert not refused.value.retryable


def test_a_state_that_nothing_leads_out_of_is_said(cloud: OpenstackCloud) -> None:
    vm = server(cloud)
    do(cloud, lambda power: power.power_off(vm))
    cloud.admin.compute.reset_server_state(vm.id, "error")
    with pytest.raises(SourceError, match="while Nova calls it error") as refused:
        do(cloud, lambda power: power.power_on(vm))
    assert not refused.value.retryable


def test_a_server_that_is_gone_is_said(cloud: OpenstackCloud) -> None:
    vm = server(cloud)
    cloud.user.compute.delete_server(vm.id)
    cloud.user.compute.wait_for_delete(cloud.user.compute.get_server(vm.id), interval=1)
    with pytest.raises(SourceNotFound, match="no longer has the server web"):
        do(cloud, lambda power: power.power_state(vm))
