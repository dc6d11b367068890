"""How fast bytes may come, and when: a rate, and windows of the day in which nothing comes at all. Time is an argument.

A rate is in whole bytes a second. None is no limit, and 0 is a pause.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from thresher.model.quantity import bytes_of_quantity
from thresher.model.units import Bytes

WINDOW_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)( [A-Za-z0-9_+/-]{1,64})?$"
"""A window as it is written, in RE2, too; whether the zone exists is not in it."""
_WINDOW = re.compile(WINDOW_PATTERN)
_DAYS = range(-1, 3)
"""Where a window that is open at a time, or opens next after it, can have begun: some places have skipped a date."""
_FOR_EVER = timedelta(days=7)
"""Windows repeat every day; what stays closed for a week stays closed."""
NO_RATE = Bytes(0)


def rate_of(text: str) -> Bytes:
    """Convert a rate such as ``200Mi``, ``1.5G`` or ``1048576`` to bytes a second.

    Raises:
        ValueError: it is no quantity.
    """
    try:
        return bytes_of_quantity(text)
    except ValueError:
        raise ValueError("must be bytes a second as a quantity, such as 100Mi or 1.5G") from None


@dataclass(frozen=True, slots=True)
class Window:
    """A time of each day, by the clock on the wall of some place.

    On the days on which clocks are set, it is rather longer than shorter: it begins at the first and ends at the
    last moment that its time of the day can mean.

    Attributes:
        begin: in minutes after midnight.
        end: likewise, up to 1440; not after ``begin``: on the next day.
        zone: a name of the IANA time zone database.
    """

    begin: int
    end: int
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``08:00-18:00``, or ``22:00-06:00 Europe/Berlin``.

        Raises:
            ValueError: it is no window, or there is no such zone.
        """
        if not _WINDOW.fullmatch(text):
            raise ValueError("must be a window of the day such as 08:00-18:00 or 22:00-06:00 Europe/Berlin")
        times, _, zone = text.partition(" ")
        begin, end = (60 * int(clock[:2]) + int(clock[3:]) for clock in times.split("-"))
        if begin == end:
            raise ValueError("must begin and end at different times; the whole day is 00:00-24:00")
        try:
            ZoneInfo(zone or "UTC")
        except (OSError, ValueError, LookupError):  # zoneinfo tells a name that is none by any of these
            raise ValueError(
                f"names no time zone that is known here: {zone}; write one such as Europe/Berlin"
            ) from None
        return cls(begin, end, zone or "UTC")

    def __str__(self) -> str:
        return f"{_clock(self.begin)}-{_clock(self.end)} {self.zone}"

    def around(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """When it begins and ends in the days around ``now``, in UTC."""
        today = now.astimezone(ZoneInfo(self.zone)).date()
        length = self.end - self.begin + (0 if self.end > self.begin else 24 * 60)
        for days in _DAYS:
            day = today + timedelta(days=days)
            yield self._moment(day, self.begin, min), self._moment(day, self.begin + length, max)

    def _moment(self, day: date, minutes: int, choose: Callable[[Iterable[datetime]], datetime]) -> datetime:
        """A time of the day in UTC; one that comes twice or never has two readings (PEP 495)."""
        wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
        zone = ZoneInfo(self.zone)
        return choose(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True, slots=True)
class InForce:
    """What a limit says at a time.

    Attributes:
        rate: bytes a second; None for no limit.
        until: when that changes next, in UTC; None: never by itself.
        window: the blackout that is the reason, where one is.
    """

    rate: Bytes | None = None
    until: datetime | None = None
    window: Window | None = None

    @property
    def ends(self) -> str:
        """When it changes, in words that follow "until"."""
        return f"{self.until:%Y-%m-%d %H:%M} UTC" if self.until is not None else "it is changed"


@dataclass(frozen=True, slots=True)
class Limit:
    """How fast bytes may come.

    Attributes:
        rate: outside of blackouts.
        blackout: when nothing may come.
    """

    rate: Bytes | None = None
    blackout: tuple[Window, ...] = ()

    @classmethod
    def of(cls, bandwidth: str | None, blackout: Sequence[str] = ()) -> Self:
        """Read a limit as it is written. Raises ValueError."""
        return cls(rate_of(bandwidth) if bandwidth else None, tuple(Window.parse(text) for text in blackout))

    def __bool__(self) -> bool:
        return self.rate is not None or bool(self.blackout)

    def at(self, now: datetime) -> InForce:
        """What is in force at ``now``, which has its time zone."""
        window = next((window for window in self.blackout if _is_open(window, now)), None)
        if window is not None:
            return InForce(NO_RATE, self._end(now), window)
        begins = (begin for window in self.blackout for begin, _ in window.around(now) if begin > now)
        return InForce(self.rate, min(begins, default=None))

    def _end(self, now: datetime) -> datetime | None:
        """When the windows that are open, and those that follow without a gap, are over; None for never."""
        end = now
        while end - now < _FOR_EVER:
            spans = (span for window in self.blackout for span in window.around(end))
            later = max((last for first, last in spans if first <= end < last), default=end)
            if later == end:
                return end
            end = later
        return None


NO_LIMIT = Limit()


def _is_open(window: Window, now: datetime) -> bool:
    return any(begin <= now < end for begin, end in window.around(now))
