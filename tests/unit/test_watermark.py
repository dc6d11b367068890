from collections.abc import Callable
from itertools import permutations

import pytest

from thresher.transfer.watermark import Watermark


def noting(said: list[str], word: str) -> Callable[[], None]:
    return lambda: said.append(word)


def test_with_nothing_open_a_mark_acts_at_once() -> None:
    said: list[str] = []
    watermark = Watermark()
    watermark.mark(noting(said, "first"))
    watermark.end(watermark.begin())
    watermark.mark(noting(said, "second"))
    assert said == ["first", "second"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_mark_waits_for_all_before_it_in_whichever_order(order: tuple[int, ...]) -> None:
    said: list[str] = []
    watermark = Watermark()
    jobs = [watermark.begin() for _ in range(3)]
    watermark.mark(noting(said, "mark"))
    for number in order:
        assert not said
        watermark.end(jobs[number])
    assert said == ["mark"]


def test_jobs_behind_a_mark_do_not_hold_it_and_each_acts_once() -> None:
    said: list[str] = []
    watermark = Watermark()
    one = watermark.begin()
    watermark.mark(noting(said, "one"))
    two = watermark.begin()
    watermark.mark(noting(said, "two"))
    three = watermark.begin()
    watermark.end(three)
    assert said == []
    watermark.end(one)
    assert said == ["one"]
    watermark.end(two)
    assert said == ["one", "two"]
