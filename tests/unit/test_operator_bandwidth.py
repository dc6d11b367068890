"""Who is told which rate, and when; the clock is the test's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from thresher.model.bandwidth import Limit
from thresher.model.errors import TargetUnreachable
from thresher.model.units import MIB, Bytes
from thresher.operator.bandwidth import BLACKOUT, PAUSED, Bandwidth, source_key

MORNING = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
VC, OVA = source_key("VmwareSource", "prod", "vc"), source_key("OvaSource", "prod", "ova")


def source(kind: str = "VmwareSource", name: str = "vc", **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": "prod"}, "spec": spec}


@dataclass
class Workers:
    """Hears what is told, and is sometimes not there."""

    rates: dict[str, int | None] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    absent: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)

    async def tell(self, namespace: str, uid: str, rate: Bytes | None) -> bool:
        assert namespace == "prod"
        if uid in self.failing:
            raise TargetUnreachable("no answer")
        if uid in self.absent:
            return False
        self.order.append(uid)
        self.rates[uid] = rate
        return True


@dataclass
class Town:
    """An operator's bandwidth, its workers, whom it woke, and what time it is."""

    total: Limit = field(default_factory=Limit)
    now: datetime = MORNING
    woken: list[str] = field(default_factory=list)
    workers: Workers = field(default_factory=Workers)

    def __post_init__(self) -> None:
        self.bandwidth = Bandwidth(self.total, self.woken.append, lambda: self.now)

    def told(self) -> dict[str, int | None]:
        """Let it tell what there is to tell, and return what every worker was told last."""
        self.wait = asyncio.run(self.bandwidth._tell_all(self.workers.tell))
        return self.workers.rates


def test_a_source_s_transfers_share_and_a_changed_limit_is_told_while_they_run() -> None:
    town = Town()
    town.bandwidth.source(source(bandwidth="100Mi"))
    assert town.bandwidth.begins("a", "prod", VC) == 100 * MIB
    assert town.bandwidth.begins("b", "prod", VC) == 50 * MIB
    assert town.told() == {"a": 50 * MIB, "b": 50 * MIB}
    town.bandwidth.source(source(bandwidth="20Mi"))
    assert town.told() == {"a": 10 * MIB, "b": 10 * MIB}
    town.bandwidth.ends("b")
    assert town.told()["a"] == 20 * MIB
    town.bandwidth.source(source())
    assert town.told()["a"] is None
    assert town.bandwidth.standing("a") is None


def test_nothing_new_is_told_to_nobody() -> None:
    town = Town()
    town.bandwidth.source(source(bandwidth="100Mi"))
    town.bandwidth.begins("a", "prod", VC)
    town.told()
    town.workers.order.clear()
    town.bandwidth.begins("a", "prod", VC)
    town.told()
    assert town.workers.order == []


def test_who_gets_less_is_told_before_who_gets_more() -> None:
    town = Town(Limit(Bytes(100)))
    town.bandwidth.source(source("OvaSource", "ova", bandwidth="10"))
    town.bandwidth.source(source())
    for uid, key in (("a", VC), ("b", OVA)):
        town.bandwidth.begins(uid, "prod", key)
    assert town.told() == {"a": 90, "b": 10}
    town.workers.order.clear()
    town.bandwidth.source(source("OvaSource", "ova"))
    assert town.told() == {"a": 50, "b": 50}
    assert town.workers.order == ["a", "b"]


def test_nobody_gets_more_before_those_who_get_less_were_told() -> None:
    town = Town(Limit(Bytes(100)))
    town.bandwidth.source(source("OvaSource", "ova", bandwidth="10"))
    town.bandwidth.source(source())
    for uid, key in (("a", VC), ("b", OVA)):
        town.bandwidth.begins(uid, "prod", key)
    town.told()
    town.bandwidth.source(source("OvaSource", "ova"))
    town.workers.failing = {"a"}
    assert town.told() == {"a": 90, "b": 10}
    assert town.wait < 10, "it is tried again soon"
    town.workers.failing = set()
    assert town.told() == {"a": 50, "b": 50}


def test_a_worker_that_is_not_there_holds_up_nobody_and_is_told_when_it_is() -> None:
    town = Town(Limit(Bytes(100)))
    town.bandwidth.source(source())
    for uid in "ab":
        town.bandwidth.begins(uid, "prod", VC)
    town.told()
    town.bandwidth.begins("c", "prod", VC)
    town.workers.absent = {"c"}
    assert town.told() == {"a": 33, "b": 33}
    assert town.wait < 10
    town.bandwidth.ends("a")
    assert town.told()["b"] == 50
    town.workers.absent = set()
    assert town.told()["c"] == 50


def test_one_who_cannot_be_told_does_not_keep_others_from_getting_less() -> None:
    town = Town()
    town.bandwidth.source(source(bandwidth="100"))
    for uid in "ab":
        town.bandwidth.begins(uid, "prod", VC)
    town.told()
    town.bandwidth.source(source(bandwidth="10"))
    town.workers.failing = {"a"}
    assert town.told() == {"a": 50, "b": 5}


def test_what_a_pass_read_is_no_news_where_a_watch_has_told() -> None:
    town = Town()
    town.bandwidth.learn(source(bandwidth="10"))
    assert town.bandwidth.begins("a", "prod", VC) == 10
    town.bandwidth.source(source(bandwidth="20"))
    town.bandwidth.learn(source(bandwidth="10"))
    assert town.told() == {"a": 20}


def test_after_a_restart_nobody_is_told_anything_before_his_source_is_known() -> None:
    town = Town()
    town.bandwidth.begins("a", "prod", VC)
    assert town.told() == {}
    town.bandwidth.source(source(bandwidth="5Mi"))
    assert town.told() == {"a": 5 * MIB}


def test_a_blackout_pauses_says_until_when_and_ends_by_itself() -> None:
    town = Town()
    town.bandwidth.source(source(bandwidth="100Mi", blackout=["08:00-18:00"]))
    town.bandwidth.begins("a", "prod", VC)
    assert town.told() == {"a": 100 * MIB}
    assert town.wait <= 3600
    town.now = MORNING.replace(hour=8)
    assert town.told() == {"a": 0}
    standing = town.bandwidth.standing("a")
    assert standing is not None
    assert (standing.reason, standing.paused) == (BLACKOUT, True)
    assert standing.message == (
        "Paused by the blackout window 08:00-18:00 UTC of VmwareSource prod/vc until 2026-11-23 18:00 UTC."
    )
    town.now = MORNING.replace(hour=17, minute=59, second=50)
    town.told()
    assert town.wait == pytest.approx(10)
    town.now = MORNING.replace(hour=18)
    assert town.told() == {"a": 100 * MIB}


def test_what_a_paused_source_does_not_use_is_the_others() -> None:
    town = Town(Limit(Bytes(100)), now=MORNING.replace(hour=9))
    town.bandwidth.source(source("OvaSource", "ova", blackout=["08:00-18:00"]))
    town.bandwidth.source(source())
    for uid, key in (("a", VC), ("b", OVA)):
        town.bandwidth.begins(uid, "prod", key)
    assert town.told() == {"a": 100, "b": 0}


def test_an_import_that_is_held_is_woken_when_the_blackout_ends() -> None:
    town = Town(Limit.of(None, ["06:00-07:30"]))
    town.bandwidth.source(source())
    held = town.bandwidth.hold("a", VC)
    assert held is not None
    assert "until 2026-11-23 07:30 UTC" in held.message
    town.told()
    assert town.woken == []
    town.now += timedelta(minutes=30)
    town.told()
    assert town.woken == ["a"]
    assert town.bandwidth.hold("a", VC) is None


def test_a_limit_of_0_is_a_pause_without_an_end() -> None:
    town = Town()
    town.bandwidth.source(source(bandwidth="0"))
    town.bandwidth.begins("a", "prod", VC)
    assert town.told() == {"a": 0}
    standing = town.bandwidth.standing("a")
    assert standing is not None
    assert standing.reason == PAUSED


def test_the_limit_in_force_is_told_with_whose_it_is() -> None:
    town = Town(Limit(Bytes(40 * MIB)))
    town.bandwidth.source(source(bandwidth="100Mi"))
    town.bandwidth.begins("a", "prod", VC)
    town.bandwidth.begins("b", "prod", VC)
    standing = town.bandwidth.standing("a")
    assert standing is not None
    assert not standing.paused
    assert standing.message.startswith(
        "At most 20.0 MiB/s, its fair part of 100.0 MiB/s of VmwareSource prod/vc and 40.0"
    )


def test_a_limit_that_cannot_be_read_changes_nothing() -> None:
    town = Town()
    town.bandwidth.source(source(bandwidth="5Mi"))
    town.bandwidth.begins("a", "prod", VC)
    town.bandwidth.source(source(bandwidth="5Mi", blackout=["08:00-18:00 Mars/Olympus"]))
    assert town.told() == {"a": 5 * MIB}


def test_the_loop_tells_what_changes_until_it_is_cancelled() -> None:
    town = Town()

    async def until(look: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not look():  # noqa: ASYNC110 - what is looked at is no event
                await asyncio.sleep(0.01)

    async def run() -> None:
        loop = asyncio.create_task(town.bandwidth.run(town.workers.tell))
        town.bandwidth.source(source(bandwidth="5Mi"))
        town.bandwidth.begins("a", "prod", VC)
        await until(lambda: town.workers.rates == {"a": 5 * MIB})
        town.bandwidth.source(source(bandwidth="6Mi"))
        await until(lambda: town.workers.rates == {"a": 6 * MIB})
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)

    asyncio.run(run())
    assert "a" in town.woken, "its status has something new to say"
