"""What the reader of an OVA tells."""

from dataclasses import dataclass

from thresher.model.units import Bytes


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive begins.

    Attributes:
        name: its path in the archive, relative and free of ``.`` and ``..``; unique in the archive.
        size: how many bytes it has.
        offset: where its first byte lies, in bytes from the start of the archive.
    """

    name: str
    size: Bytes
    offset: Bytes


@dataclass(frozen=True, slots=True)
class MemberData:
    """The next bytes of the member that began last: a view of what was received, not a copy."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class MemberEnd:
    """All bytes of a member have come."""

    name: str


@dataclass(frozen=True, slots=True)
class EndOfArchive:
    """No member follows.

    Attributes:
        offset: where the mark of the end lies, in bytes from the start of the archive.
    """

    offset: Bytes


Event = Member | MemberData | MemberEnd | EndOfArchive
