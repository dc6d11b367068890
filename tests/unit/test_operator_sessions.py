"""A session at a source is shared, and outlives a change of the source for as long as somebody uses it."""

import asyncio
from dataclasses import replace
from typing import Self

import pytest

from thresher.api.ova import OvaSource as OvaSourceManifest
from thresher.operator.sessions import Sessions, SourceObjects
from thresher.sources.bytes import HttpAccess
from thresher.sources.ova import OvaSource
from thresher.wiring.sources import OpenSource, SourcePool


class Counted(OvaSource):
    """Tells whether it is open."""

    open = False

    async def __aenter__(self) -> Self:
        self.open = True
        return await super().__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        self.open = False
        await super().__aexit__(*exc)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Counted]:
    """The sources that were made, the newest last."""
    made: list[Counted] = []

    def get(_: SourcePool, __: object) -> OpenSource:
        made.append(Counted("http://127.0.0.1/vm.ova", HttpAccess()))
        return OpenSource(made[-1])

    monkeypatch.setattr(SourcePool, "get", get)
    return made


def objects() -> SourceObjects:
    source = {
        "apiVersion": "migration.harvesterhci.io/v1beta1",
        "kind": "OvaSource",
        "metadata": {"name": "appliance", "namespace": "default", "uid": "u1"},
        "spec": {"url": "http://127.0.0.1/vm.ova"},
    }
    return SourceObjects(source, None, OvaSourceManifest.model_validate(source), "1")


def test_two_users_share_one_session(made: list[Counted]) -> None:
    async def use() -> None:
        sessions = Sessions()
        async with sessions.use(objects()) as one, sessions.use(objects()) as other:
            assert one is other
        await sessions.close()

    asyncio.run(use())
    assert [source.open for source in made] == [False]


def test_a_changed_source_does_not_close_the_session_in_use(made: list[Counted]) -> None:
    async def use() -> None:
        sessions = Sessions()
        async with sessions.use(objects()):
            async with sessions.use(replace(objects(), version="2")):
                assert [source.open for source in made] == [True, True]
            assert [source.open for source in made] == [True, True]
        assert [source.open for source in made] == [False, True]
        await sessions.close()

    asyncio.run(use())
    assert [source.open for source in made] == [False, False]


def test_a_changed_source_closes_the_session_that_nobody_uses(made: list[Counted]) -> None:
    async def use() -> None:
        sessions = Sessions()
        async with sessions.use(objects()):
            pass
        async with sessions.use(replace(objects(), version="2")):
            assert [source.open for source in made] == [False, True]
        await sessions.close()

    asyncio.run(use())
