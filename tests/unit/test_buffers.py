"""How a buffer is filled."""

import time

import pytest

from thresher.model.units import KIB, MIB
from thresher.transfer.buffers import MOST_STEP, PATIENCE_S, Filler


class Link:
    """A stream of so many bytes a second by its own clock, which returns only what was asked for, whole."""

    def __init__(self, rate: float, size: int = 1 << 40) -> None:
        self.now, self.rate, self.left = 0.0, rate, size
        self.asked: list[int] = []

    def readinto(self, buffer: memoryview, /) -> int:
        count = min(len(buffer), self.left)
        self.asked.append(len(buffer))
        self.now += count / self.rate
        self.left -= count
        return count

    def close(self) -> None:
        """Nothing to give back."""


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Link:
    made = Link(request.param)
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    return made


@pytest.mark.parametrize("link", [256 * KIB, MIB, 10 * MIB], indirect=True)
def test_on_a_slow_link_what_came_is_handed_on_soon(link: Link) -> None:
    filler, before = Filler(link), 0.0
    for _ in range(50):
        assert filler.fill(bytearray(4 * MIB)) > 0
        assert link.now - before <= 2 * PATIENCE_S
        before = link.now


@pytest.mark.parametrize("link", [1000 * MIB], indirect=True)
def test_on_a_fast_one_buffers_are_filled_by_large_reads(link: Link) -> None:
    filler = Filler(link)
    assert [filler.fill(bytearray(4 * MIB)) for _ in range(3)] == [4 * MIB] * 3
    assert link.asked[-4:] == [MOST_STEP] * 4


@pytest.mark.parametrize("link", [1000 * MIB], indirect=True)
def test_after_a_lull_large_reads_come_back(link: Link) -> None:
    filler = Filler(link)
    filler.fill(bytearray(4 * MIB))
    link.rate = 512 * KIB
    filler.fill(bytearray(4 * MIB))
    link.rate = 1000 * MIB
    filler.fill(bytearray(4 * MIB))
    assert filler.fill(bytearray(4 * MIB)) == 4 * MIB
    assert link.asked[-1] == MOST_STEP


@pytest.mark.parametrize("link", [KIB], indirect=True)
def test_without_haste_a_buffer_is_filled_whatever_it_takes(link: Link) -> None:
    link.left = 3 * MIB
    assert Filler(link, float("inf")).fill(bytearray(4 * MIB)) == 3 * MIB
