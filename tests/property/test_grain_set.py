"""The set that tells a second grain for one place, against Python's own."""

from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.formats.vmdk.grains import GrainSet

PAGE = 1 << 15
RUNS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 40), st.integers(PAGE - 20, PAGE + 20), st.integers(0, 4 * PAGE)),
        st.one_of(st.integers(1, 30), st.sampled_from([PAGE, PAGE + 1, 2 * PAGE])),
    ),
    max_size=6,
)


@given(RUNS)
@settings(deadline=None, max_examples=60)
def test_it_knows_what_was_added(runs: list[tuple[int, int]]) -> None:
    known: set[int] = set()
    grains = GrainSet()
    for first, count in runs:
        for index in range(first, first + count):
            assert grains.add(index) == (index not in known)
            known.add(index)


@given(st.integers(0, 2 * PAGE), RUNS)
@settings(deadline=None, max_examples=30)
def test_it_may_begin_in_the_middle(begin: int, runs: list[tuple[int, int]]) -> None:
    known: set[int] = set()
    grains = GrainSet(begin)
    for first, count in runs:
        for index in range(begin + first, begin + first + count):
            assert grains.add(index) == (index not in known)
            known.add(index)
