"""Removing copies from a cloud that refuses, or never comes to an end."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from thresher.model.errors import SourceBusy
from thresher.sources.openstack import cloud
from thresher.sources.openstack.cloud import Copy, Kind
from thresher.sources.openstack.connection import OpenstackConnection
from thresher.sources.openstack.names import ROOT, copy_name
from thresher.sources.openstack.patience import CopyPolicy
from thresher.sources.openstack.sweep import removed

NAME = copy_name("owner", ROOT, "req-1")


class Cloud:
    """Its one snapshot is busy: each removal begins, and the snapshot is available again, as Cinder has it."""

    def __init__(self) -> None:
        self.looks = 0

    async def call(self, work: Callable[[Any], Any]) -> Any:
        """As the connection does, with itself in place of openstacksdk's."""
        return work(self)

    def copies_of(self, _: Any, owner: str) -> tuple[Copy, ...]:
        """Stands for :func:`cloud.copies_of`."""
        assert owner == "owner"
        self.looks += 1
        assert self.looks < 1000, "it goes on for ever"
        return (Copy(Kind.SNAPSHOT, "s", NAME, ("available", "deleting")[self.looks % 2]),)


def test_a_sweep_ends_though_what_it_removes_comes_back_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Cloud()
    monkeypatch.setattr(cloud, "copies_of", made.copies_of)
    monkeypatch.setattr(cloud, "remove", lambda *_, **__: None)
    with pytest.raises(SourceBusy, match="could not be removed within") as failure:
        asyncio.run(removed(cast("OpenstackConnection", made), "owner", CopyPolicy(looks=5, every_s=0.001)))
    assert NAME in str(failure.value)
