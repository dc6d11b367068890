"""The bytes of one disk of an export lease, as an ESXi host serves them over HTTPS (NFC).

They are a stream-optimized VMDK of unknown length, made while it is read: there are no Range requests.
"""

from dataclasses import dataclass
from typing import Protocol

from thresher.model.errors import (
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnreachable,
    SourceUntrusted,
)
from thresher.model.units import Bytes
from thresher.ports import ByteStream
from thresher.sources.bytes import HttpFile
from thresher.sources.bytes.reading import opened_past
from thresher.sources.vcenter.limits import Places
from thresher.sources.vcenter.served import Served


class Alive(Protocol):
    """What the bytes hang on."""

    def check(self) -> None:
        """Raises SourceError if it is over."""
        ...


class Meter:
    """How far an export is, from below: compressed bytes are set against the disks' capacities.

    Each disk is counted by one thread at a time and read by another, which sees it a moment late at most.
    """

    def __init__(self) -> None:
        self._capacity: dict[str, int] = {}
        self._done: dict[str, int] = {}

    def expect(self, key: str, capacity: int) -> None:
        """A disk will be read."""
        self._capacity[key] = capacity

    def reached(self, key: str, count: int) -> None:
        """So many bytes of its stream were read."""
        self._done[key] = min(count, self._capacity[key])

    def ended(self, key: str) -> None:
        """It was read to its end."""
        self._done[key] = self._capacity[key]

    def percent(self) -> int:
        """From 0 to 100."""
        total = sum(self._capacity.values())
        return 100 * sum(self._done.values()) // total if total else 0


@dataclass(frozen=True, slots=True)
class NfcDisk:
    """One disk of a lease. Implements :class:`thresher.ports.ByteSource`.

    Attributes:
        name: what to call it in messages; its URL holds the ticket that opens it, and is never shown.
        at: where it is served.
        version: what changes with the disk's content; "" where nothing tells.
        key: of the disk.
        lease: what the bytes hang on.
        places: of the export.
        meter: told how far it is.
    """

    name: str
    at: Served
    version: str
    key: str
    lease: Alive
    places: Places
    meter: Meter

    @property
    def size(self) -> Bytes | None:
        """Unknown before its end: the host compresses while it sends."""
        return None

    @property
    def seekable(self) -> bool:
        """Never: there are no Range requests."""
        return False

    def open(self, offset: int = 0) -> ByteStream:
        """Wait for a place, and read from the start past ``offset`` bytes. Raises SourceError."""
        self.lease.check()
        self.places.take()
        try:
            stream = HttpFile(self.at.url, self.at.access, name=self.name, ranges=False).open()
        except BaseException as error:
            self.places.give_back()
            self.lease.check()
            raise self._explained(error) from error
        return opened_past(_NfcStream(self, stream), offset, self.name)

    def _explained(self, error: BaseException) -> BaseException:
        """In terms of leases and tickets, of which a web server knows nothing."""
        if isinstance(error, SourceUntrusted):
            return SourceUntrusted(
                f"{error}. That is what vCenter knows of the ESXi host which serves {self.name}; if the host's "
                "certificate was renewed, refresh it in vCenter"
            )
        if isinstance(error, SourceDenied):
            return SourceDenied(
                f"{self.at.host} refuses the ticket that vCenter gave for {self.name} ({error}); see whether a proxy "
                "stands between, and whether the clocks of the host and of vCenter agree"
            )
        if isinstance(error, SourceNotFound):
            return SourceUnreachable(f"{self.at.host} no longer knows the export of {self.name}; it is exported again")
        return error


class _NfcStream:
    """Counts what passes, and gives its place back once."""

    def __init__(self, disk: NfcDisk, stream: ByteStream) -> None:
        self._disk = disk
        self._stream: ByteStream | None = stream
        self._count = 0

    def readinto(self, buffer: memoryview, /) -> int:
        if self._stream is None or not len(buffer):
            return 0
        self._disk.lease.check()
        try:
            count = self._stream.readinto(buffer)
        except SourceError:
            self._disk.lease.check()  # the better reason
            raise
        self._count += count
        if count:
            self._disk.meter.reached(self._disk.key, self._count)
        else:
            self._disk.meter.ended(self._disk.key)
        return count

    def close(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            try:
                stream.close()
            finally:
                self._disk.places.give_back()
