"""Windows of the day mean what the clock on the wall says, and a limit tells truly when it changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thresher.model.bandwidth import InForce, Limit, Window, rate_of
from thresher.model.units import KIB, MIB, Bytes

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Seoul", "Australia/Lord_Howe"])
NOW = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - its zone is UTC
RATE = Bytes(100 * MIB)


@st.composite
def windows(draw: st.DrawFn, zones: st.SearchStrategy[str] = ZONES) -> Window:
    begin = draw(st.integers(0, 1439))
    return Window(begin, draw(st.integers(0, 1440).filter(lambda end: end != begin)), draw(zones))


def on_the_wall(window: Window, now: datetime) -> bool:
    wall = now.astimezone(ZoneInfo(window.zone))
    minute = wall.hour * 60 + wall.minute
    if window.begin < window.end:
        return window.begin <= minute < window.end
    return minute >= window.begin or minute < window.end


def clocks_are_set(zone: str, now: datetime) -> bool:
    days = (now.astimezone(ZoneInfo(zone)) + timedelta(days=d) for d in (-2, 2))
    return len({day.astimezone(ZoneInfo(zone)).utcoffset() for day in days}) > 1


@given(windows(), NOW)
@example(Window(60, 180, "Europe/Berlin"), datetime(2026, 3, 29, 1, 0, tzinfo=UTC))  # 03:00, just set from 02:00
@example(Window(150, 180, "Europe/Berlin"), datetime(2026, 10, 25, 1, 45, tzinfo=UTC))  # 02:45 for the second time
@settings(max_examples=100, deadline=None)
def test_nothing_may_come_while_the_clock_is_in_a_window(window: Window, now: datetime) -> None:
    said = Limit(RATE, (window,)).at(now)
    if on_the_wall(window, now):
        assert (said.rate, said.window) == (0, window)
    elif not clocks_are_set(window.zone, now):
        assert (said.rate, said.window) == (RATE, None)


@given(st.lists(windows(), min_size=1, max_size=3), NOW)
@settings(max_examples=30, deadline=None)
def test_until_is_when_it_changes_and_not_before(several: list[Window], now: datetime) -> None:
    limit = Limit(RATE, tuple(several))
    said = limit.at(now)
    if said.until is None:
        assert all(limit.at(now + timedelta(hours=hours)).rate == 0 for hours in (0, 9, 100))
        return
    assert said.until > now
    assert limit.at(said.until).rate != said.rate
    for part in range(1, 6):
        assert limit.at(now + (said.until - now) * part / 6).rate == said.rate


@given(st.integers(1, 1439), NOW)
@settings(max_examples=50, deadline=None)
def test_windows_that_fill_the_day_never_end(middle: int, now: datetime) -> None:
    said = Limit(RATE, (Window(0, middle), Window(middle, 1440))).at(now)
    assert (said.rate, said.until) == (0, None)


@given(windows())
@settings(max_examples=50, deadline=None)
def test_a_window_reads_what_it_writes(window: Window) -> None:
    assert Window.parse(str(window)) == window


def test_the_day_of_an_office_in_berlin() -> None:
    limit = Limit.of("100Mi", ["08:00-18:00 Europe/Berlin"])
    summer, winter = datetime(2026, 7, 1, 6, tzinfo=UTC), datetime(2026, 12, 1, 6, tzinfo=UTC)
    assert limit.at(summer) == InForce(Bytes(0), summer.replace(hour=16), limit.blackout[0])
    assert limit.at(winter) == InForce(RATE, winter.replace(hour=7))
    assert limit.at(winter.replace(hour=7)).until == winter.replace(hour=17)


def test_windows_that_follow_each_other_end_with_the_last() -> None:
    limit = Limit.of(None, ["08:00-12:00", "22:00-02:00", "11:00-13:00"])
    day = datetime(2026, 11, 23, 9, tzinfo=UTC)
    assert limit.at(day).until == day.replace(hour=13)
    assert limit.at(day.replace(hour=23)).until == datetime(2026, 11, 24, 2, tzinfo=UTC)
    assert limit.at(day.replace(hour=13)) == InForce(None, day.replace(hour=22))


def test_without_windows_nothing_changes_by_itself() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert Limit.of("1Mi").at(now) == InForce(Bytes(MIB))
    assert Limit.of(None).at(now) == InForce()
    assert not Limit.of(None)
    assert Limit.of("0")


@pytest.mark.parametrize(
    ("text", "rate"),
    [("200Mi", 200 * MIB), ("1.5Gi", 1536 * MIB), ("1048576", MIB), ("100M", 10**8), ("0", 0), ("0.5Ki", KIB // 2)],
)
def test_a_rate_is_a_quantity_of_kubernetes(text: str, rate: int) -> None:
    assert rate_of(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "-1", "100Mi/s", "100 Mi", "1e6", "100m"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 100Mi"):
        rate_of(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("8-18", "such as 08:00-18:00"),
        ("08:00-25:00", "such as 08:00-18:00"),
        ("24:00-08:00", "such as 08:00-18:00"),
        ("08:00-18:00\n", "such as 08:00-18:00"),
        ("08:00-08:00", "different times"),
        ("08:00-18:00 Mars/Olympus", "Mars/Olympus"),
        ("08:00-18:00 ../../etc/passwd", "such as 08:00-18:00"),
        ("08:00-18:00 /etc/passwd", "no time zone"),
        ("08:00-18:00 Europe", "no time zone"),
    ],
)
def test_what_is_no_window_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Window.parse(text)
