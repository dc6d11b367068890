"""A simulated queue is never faster than its limits allow, nobody runs twice, and more of a thing never hurts."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.plan.simulate import Job, Limits, Span, makespan, simulate

SLACK = 1e-6
bandwidths = st.integers(1, 1000)
limits = st.builds(
    Limits,
    bandwidth=bandwidths,
    imports=st.integers(1, 5),
    disks_per_source=st.integers(1, 6),
    disks_per_host=st.integers(1, 4),
    disk_bandwidth=st.none() | bandwidths,
)
seconds = st.integers(0, 50)
shapes = st.tuples(
    st.sampled_from(["", "esx-1", "esx-2"]), st.lists(st.integers(0, 5000), max_size=4).map(tuple), seconds, seconds
)
queues = st.lists(shapes, max_size=8).map(
    lambda rows: tuple(Job(f"vm-{number}", *row) for number, row in enumerate(rows))
)


def most_at_once(spans: tuple[Span, ...]) -> int:
    """How many imports run together; one that ends makes room for one that begins in the same moment."""
    changes = sorted([(span.begins, 1) for span in spans if span.ends > span.begins] + [
        (span.ends, -1) for span in spans if span.ends > span.begins
    ])  # fmt: skip
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


@settings(deadline=None, max_examples=60)
@given(queues, limits)
def test_never_below_the_lower_bounds(queue: tuple[Job, ...], limit: Limits) -> None:
    spans = simulate(queue, limit)
    total = makespan(spans)
    assert [span.key for span in spans] == [job.key for job in queue]
    one_disk = min(limit.bandwidth, limit.disk_bandwidth or limit.bandwidth)
    slack = SLACK * (1 + total)
    for job, span in zip(queue, spans, strict=True):
        alone = max(
            sum(job.disks) / min(limit.bandwidth, one_disk * min(limit.disks_per_host, limit.disks_per_source)),
            max(job.disks, default=0) / one_disk,
        )
        assert 0 <= span.begins <= span.copies <= span.copied <= span.ends
        assert span.ends - span.begins >= job.before_s + alone + job.after_s - slack
    assert total >= sum(sum(job.disks) for job in queue) / limit.bandwidth - slack
    fixed = sum(job.before_s + job.after_s for job in queue) / limit.imports
    assert total >= fixed - slack
    for host in {job.host for job in queue}:
        from_host = sum(sum(job.disks) for job in queue if job.host == host)
        assert total >= from_host / (one_disk * limit.disks_per_host) - slack
    assert most_at_once(spans) <= limit.imports


@settings(deadline=None, max_examples=40)
@given(queues, limits)
def test_turns_come_in_the_order_of_the_queue(queue: tuple[Job, ...], limit: Limits) -> None:
    begins = [span.begins for span in simulate(queue, limit)]
    assert begins == sorted(begins)


@settings(deadline=None, max_examples=40)
@given(queues, limits)
def test_everything_at_half_the_speed_takes_twice_as_long(queue: tuple[Job, ...], limit: Limits) -> None:
    slow = Limits(
        limit.bandwidth / 2, limit.imports, limit.disks_per_source, limit.disks_per_host,
        None if limit.disk_bandwidth is None else limit.disk_bandwidth / 2,
    )  # fmt: skip
    twice = tuple(Job(job.key, job.host, job.disks, job.before_s * 2, job.after_s * 2) for job in queue)
    expected = 2 * makespan(simulate(queue, limit))
    assert abs(makespan(simulate(twice, slow)) - expected) <= SLACK * (1 + expected)


alone = st.lists(st.tuples(st.integers(0, 5000), seconds, seconds), max_size=8).map(
    lambda rows: tuple(Job(f"vm-{n}", "", (size,), before, after) for n, (size, before, after) in enumerate(rows))
)


@settings(deadline=None, max_examples=60)
@given(alone, bandwidths, st.integers(1, 5), st.integers(1, 4))
def test_one_import_at_a_time_is_monotone(queue: tuple[Job, ...], rate: int, more: int, copies: int) -> None:
    """Each import has its own bandwidth then: the sum of all of them, which nothing more can make longer."""
    one = Limits(rate, imports=1)
    total = makespan(simulate(queue, one))
    expected = sum(job.before_s + sum(job.disks) / rate + job.after_s for job in queue)
    assert abs(total - expected) <= SLACK * (1 + expected)
    assert makespan(simulate(queue, Limits(rate + more, imports=1))) <= total + SLACK
    assert makespan(simulate(queue, Limits(rate, imports=1 + more))) <= total + SLACK * (1 + total)
    longer = (*queue, *(Job(f"more-{n}", "", (100,), 1, 1) for n in range(copies)))
    assert makespan(simulate(longer, one)) > total


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5000), seconds), max_size=8), st.integers(1, 6), st.integers(1, 500))
def test_without_sharing_more_places_and_more_speed_never_hurt(
    rows: list[tuple[int, int]], places: int, rate: int
) -> None:
    """Independent jobs on like machines in a fixed order: Graham's anomalies need dependencies or shared things."""

    def took(places: int, rate: int) -> float:
        queue = tuple(Job(f"vm-{n}", f"esx-{n}", (size,), before, 0) for n, (size, before) in enumerate(rows))
        return makespan(simulate(queue, Limits(rate * 100, places, 100, 100, rate)))

    total = took(places, rate)
    assert took(places + 1, rate) <= total + SLACK * (1 + total)
    assert took(places, rate * 2) <= total + SLACK * (1 + total)


@settings(deadline=None, max_examples=40)
@given(queues, limits)
def test_twice_the_bandwidth_never_takes_longer_by_more_than_list_scheduling_can(
    queue: tuple[Job, ...], limit: Limits
) -> None:
    """A shared queue is no monotone thing in general; Graham's bound for lists is 2."""
    fast = Limits(
        limit.bandwidth * 2, limit.imports, limit.disks_per_source, limit.disks_per_host, limit.disk_bandwidth
    )
    total = makespan(simulate(queue, limit))
    assert makespan(simulate(queue, fast)) <= 2 * total + SLACK


def test_places_of_a_host_are_kept_and_others_pass_by() -> None:
    queue = (Job("a", "esx-1", (100, 100)), Job("b", "esx-2", (100,)))
    spans = simulate(queue, Limits(1000, imports=2, disks_per_source=8, disks_per_host=1, disk_bandwidth=10))
    assert [(span.copied) for span in spans] == [20.0, 10.0]


def test_an_import_that_waits_for_its_turn_is_not_down_yet() -> None:
    queue = tuple(Job(f"vm-{n}", "", (1000,), 5, 5) for n in range(3))
    spans = simulate(queue, Limits(100, imports=1))
    assert [(span.begins, span.ends) for span in spans] == [(0, 20), (20, 40), (40, 60)]


def test_imports_at_once_share_the_bandwidth() -> None:
    queue = tuple(Job(f"vm-{n}", "", (1000,)) for n in range(2))
    assert Counter(span.ends for span in simulate(queue, Limits(100))) == {20.0: 2}
