"""What a request asks for: which bytes (RFC 9110, section 14) and in which coding (section 12.5.3)."""

import re
from dataclasses import dataclass
from enum import Enum

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})-(\d{0,19})", re.ASCII | re.IGNORECASE)
_NO_WEIGHT = re.compile(r"q\s*=\s*0(\.0{0,3})?", re.IGNORECASE)


class Extent(Enum):
    """What a Range header asks for, other than a span."""

    WHOLE = "everything"
    NOTHING = "nothing that is there"


@dataclass(frozen=True, slots=True)
class Span:
    """Some bytes of a file."""

    start: int
    length: int


def asked_span(header: str | None, size: int) -> Span | Extent:
    """The span that a Range header asks for.

    A header that is malformed, or that asks for several ranges, is passed over as if it were not there: a server may
    (RFC 9110, section 14.2).
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return Extent.WHOLE
    first, last = match.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return Extent.WHOLE
    return Span(start, end - start) if start < end else Extent.NOTHING


def accepts_gzip(header: str | None) -> bool:
    """Whether an Accept-Encoding header names gzip and does not refuse it."""
    for item in (header or "").split(","):
        coding, _, weight = item.partition(";")
        if coding.strip().lower() == "gzip":
            return _NO_WEIGHT.fullmatch(weight.strip()) is None
    return False
