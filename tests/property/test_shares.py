"""Max-min fairness, by its definition (Bertsekas and Gallager, Data Networks, 6.5.2)."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.model.units import GIB, MIB, Bytes
from thresher.operator.shares import fair_shares

RATES = st.none() | st.integers(0, 10 * GIB).map(Bytes)
SOURCES = st.sampled_from("abcd")
TRANSFERS = st.dictionaries(st.text("0123456789", min_size=1, max_size=3), SOURCES, max_size=12)
LIMITS = st.dictionaries(SOURCES, RATES)


def used(shares: dict[str, Bytes | None], transfers: dict[str, str]) -> Counter[str]:
    total: Counter[str] = Counter()
    for transfer, share in shares.items():
        total[transfers[transfer]] += share or 0
    return total


@given(TRANSFERS, LIMITS, RATES)
@settings(max_examples=200, deadline=None)
def test_no_limit_is_exceeded(transfers: dict[str, str], limits: dict[str, Bytes | None], total: Bytes | None) -> None:
    shares = fair_shares(transfers, limits, total)
    assert shares.keys() == transfers.keys()
    by_source = used(shares, transfers)
    for source, limit in limits.items():
        assert limit is None or by_source[source] <= limit
    assert total is None or by_source.total() <= total
    for transfer, share in shares.items():
        assert (share is None) == (total is None and limits.get(transfers[transfer]) is None)


@given(TRANSFERS, LIMITS, RATES)
@settings(max_examples=200, deadline=None)
def test_who_has_less_than_another_is_held_by_his_own_source(
    transfers: dict[str, str], limits: dict[str, Bytes | None], total: Bytes | None
) -> None:
    shares = fair_shares(transfers, limits, total)
    by_source, number = used(shares, transfers), len(transfers)
    for one, mine in shares.items():
        if mine is None:
            continue
        limit = limits.get(transfers[one])
        held_by_source = limit is not None and by_source[transfers[one]] >= limit - number  # whole bytes
        held_by_total = total is not None and by_source.total() >= total - number
        assert held_by_source or held_by_total, "bandwidth is left unused"
        more = any(theirs is None or theirs > mine + 1 for theirs in shares.values())
        assert held_by_source or not more, "another has more, and could give"


def test_what_a_slow_source_cannot_use_goes_to_the_others() -> None:
    shares = fair_shares({"1": "slow", "2": "fast", "3": "fast"}, {"slow": Bytes(10 * MIB)}, Bytes(100 * MIB))
    assert shares == {"1": 10 * MIB, "2": 45 * MIB, "3": 45 * MIB}


def test_a_source_s_limit_is_divided_evenly() -> None:
    assert fair_shares({"1": "a", "2": "a", "3": "b"}, {"a": Bytes(100)}, None) == {"1": 50, "2": 50, "3": None}
