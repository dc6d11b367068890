"""The records of a pax extended header: POSIX.1-2017, pax, "pax Extended Header"."""

import re
from collections.abc import Iterator

from thresher.formats.ova.header import MAX_SIZE
from thresher.model.errors import OvaError

_RECORD = re.compile(rb"([0-9]{1,8}) ([^=\n]+)=")
_DIGITS = re.compile(rb"[0-9]{1,20}")


def parse_pax(payload: bytes, offset: int) -> dict[str, bytes]:
    """Read records of the form ``length keyword=value``; of a repeated keyword the last counts (POSIX).

    Args:
        payload: the extended header's data, without its padding.
        offset: where it lies in the archive, for messages.

    Raises:
        OvaError: a record is malformed, or it describes a sparse file.
    """
    records = dict(_records(payload, offset))
    if any(keyword.startswith("GNU.sparse.") for keyword in records):
        raise OvaError(
            "the archive holds a sparse file, whose holes cannot be told from its data in a stream: "
            "pack the OVA again without --sparse",
            offset=offset,
        )
    return records


def pax_size(value: bytes, offset: int) -> int:
    """Read the value of the keyword ``size``: decimal, and without ustar's limit of 8 GiB.

    Raises:
        OvaError: it is no number, or one that no file can have.
    """
    if _DIGITS.fullmatch(value) and int(value) <= MAX_SIZE:
        return int(value)
    raise OvaError("an extended header states a size that is no number of bytes", offset=offset)


def _records(payload: bytes, offset: int) -> Iterator[tuple[str, bytes]]:
    at, end = 0, len(payload.rstrip(b"\0"))
    while at < end:
        record = _RECORD.match(payload, at)
        stop = at + int(record[1]) if record else 0
        if record is None or not record.end() < stop <= end or payload[stop - 1] != ord("\n"):
            raise OvaError("an extended header of the archive is malformed", offset=offset + at)
        yield record[2].decode(errors="replace"), payload[record.end() : stop - 1]
        at = stop
