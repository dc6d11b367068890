"""Switching VMs off and on through vCenter, as the state machine asks for it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from rig.vcenter import POWERED_ON, SUSPENDED, Fault, Inventory, Shutdown, VCenter, Vm, vcenter
from rig.vcenter_source import connection, inventory, source
from thresher.model.errors import SourceBusy, SourceDenied, SourceError, SourceNotFound
from thresher.model.vm import PowerState, SourceVM
from thresher.sources.vcenter.limits import ExportLimits
from thresher.sources.vcenter.power import VCenterPower


@pytest.fixture(scope="module")
def shared() -> Iterator[VCenter]:
    vms = (
        Vm("on", power=POWERED_ON),
        Vm("off"),
        Vm("stubborn", power=POWERED_ON, shutdown=Shutdown(never=True)),
        Vm("slow", power=POWERED_ON, shutdown=Shutdown(seconds=0.3)),
        Vm("toolless", power=POWERED_ON, tools="toolsNotInstalled"),
        Vm("asleep", power=POWERED_ON, tools="toolsNotRunning"),
        Vm("paused", power=SUSPENDED),
        Vm("switched", power=POWERED_ON),
        Vm("expired", power=POWERED_ON),
        Vm("busy", power=POWERED_ON),
    )
    with vcenter(Inventory(vms=vms)) as vc:
        yield vc


@pytest.fixture
def vc(shared: VCenter) -> Iterator[VCenter]:
    shared.faults()
    shared.reset_log()
    yield shared
    shared.faults()
    assert not shared.sessions()


def with_power(vc: VCenter, name: str, act: Callable[[VCenterPower, SourceVM], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with connection(vc) as entered:
            vm = (await inventory(source(entered, ExportLimits())))[name]
            return await act(VCenterPower(entered), vm)

    return asyncio.run(run())


async def until_off(power: VCenterPower, vm: SourceVM) -> None:
    while await power.power_state(vm) is not PowerState.OFF:  # noqa: ASYNC110 - only asking tells
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("name", "state"), [("on", PowerState.ON), ("off", PowerState.OFF), ("paused", PowerState.SUSPENDED)]
)
def test_the_state_is_what_vcenter_says(vc: VCenter, name: str, state: PowerState) -> None:
    assert with_power(vc, name, VCenterPower.power_state) is state
    assert vc.log().power == ()


def test_off_and_on_again_and_each_but_once(vc: VCenter) -> None:
    async def twice(power: VCenterPower, vm: SourceVM) -> None:
        await power.power_off(vm)
        await power.power_off(vm)
        assert await power.power_state(vm) is PowerState.OFF
        await power.power_on(vm)
        await power.power_on(vm)

    with_power(vc, "switched", twice)
    assert [change.power for change in vc.log().power] == ["poweredOff", "poweredOn"]


def test_several_at_once_are_none_the_worse(vc: VCenter) -> None:
    async def at_once(power: VCenterPower, vm: SourceVM) -> None:
        await asyncio.gather(*(power.power_off(vm) for _ in range(4)))
        await asyncio.gather(*(power.power_on(vm) for _ in range(4)))

    with_power(vc, "switched", at_once)
    assert [change.power for change in vc.log().power] == ["poweredOff", "poweredOn"]


def test_a_guest_that_obeys_shuts_down_in_its_own_time(vc: VCenter) -> None:
    async def ask(power: VCenterPower, vm: SourceVM) -> None:
        await power.shut_down_guest(vm)
        assert await power.power_state(vm) is PowerState.ON, "it returns at once"
        await until_off(power, vm)
        await power.shut_down_guest(vm)  # off already: nothing to do

    with_power(vc, "slow", ask)
    assert [change.power for change in vc.log().power] == ["poweredOff"]


def test_a_guest_that_never_obeys_can_be_switched_off(vc: VCenter) -> None:
    async def ask(power: VCenterPower, vm: SourceVM) -> None:
        await power.shut_down_guest(vm)
        await asyncio.sleep(0.3)
        assert await power.power_state(vm) is PowerState.ON
        await power.power_off(vm)

    with_power(vc, "stubborn", ask)
    assert vc.power("stubborn") == "poweredOff"


@pytest.mark.parametrize("name", ["toolless", "asleep"])
def test_without_vmware_tools_the_error_says_what_helps(vc: VCenter, name: str) -> None:
    with pytest.raises(SourceError, match=rf"VMware Tools do not run in {name}.*forcePowerOff") as caught:
        with_power(vc, name, VCenterPower.shut_down_guest)
    assert not caught.value.retryable, "asking again does not install them"
    with_power(vc, name, VCenterPower.power_off)
    assert vc.power(name) == "poweredOff"


def test_a_suspended_vm_cannot_be_asked(vc: VCenter) -> None:
    with pytest.raises(SourceBusy):
        with_power(vc, "paused", VCenterPower.shut_down_guest)


def test_a_session_that_expires_in_the_middle_is_no_obstacle(vc: VCenter) -> None:
    async def act(power: VCenterPower, vm: SourceVM) -> None:
        vc.faults(expire_after_calls=3)
        await power.power_off(vm)
        vc.expire_sessions()
        await power.power_on(vm)

    with_power(vc, "expired", act)
    assert vc.power("expired") == POWERED_ON


def test_a_vcenter_that_is_busy_once_is_worth_a_retry(vc: VCenter) -> None:
    async def act(power: VCenterPower, vm: SourceVM) -> None:
        vc.faults(methods={"PowerOffVM_Task": Fault("TaskInProgress", times=1)})
        with pytest.raises(SourceBusy):
            await power.power_off(vm)
        await power.power_off(vm)

    with_power(vc, "busy", act)
    assert vc.power("busy") == "poweredOff"


def test_a_missing_privilege_is_named(vc: VCenter) -> None:
    vc.faults(methods={"PowerOffVM_Task": Fault("NoPermission")})
    with pytest.raises(SourceDenied, match="privilege"):
        with_power(vc, "on", VCenterPower.power_off)
    assert vc.power("on") == POWERED_ON


def test_a_vm_that_is_gone_is_not_found(vc: VCenter) -> None:
    async def act(power: VCenterPower, vm: SourceVM) -> None:
        await power.power_off(replace(vm, id="vm-4711"))

    with pytest.raises(SourceNotFound):
        with_power(vc, "off", act)
