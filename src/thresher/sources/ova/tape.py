"""Members of an archive that passes as one stream, each asked for by name."""

import threading

from thresher.formats.ova import Member
from thresher.model.errors import SourceError, SourceNotFound
from thresher.model.units import Bytes
from thresher.ports import ByteSource, ByteStream
from thresher.sources.bytes.reading import cut, opened_past
from thresher.sources.ova.walk import StreamCursor, Walk


class Tape:
    """One stream over an archive, shared by all of its members; one of them is read at a time.

    A member ahead is wound forward to; one that has passed makes it start over.
    """

    def __init__(self, archive: ByteSource) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._cursor: StreamCursor | None = None
        self._walk: Walk | None = None
        self._passed: set[str] = set()
        self._turn = 0

    def open(self, name: str, shown: str) -> ByteStream:
        """Wind to a member; whoever read another one has lost his turn.

        Raises:
            SourceNotFound: the archive has no such member.
        """
        with self._lock:
            self._turn += 1
            if self._cursor is None or self._walk is None or name in self._passed:
                self._rewind()
            member = self._wind(name)
            if member is None or self._cursor is None:
                self._release()
                raise SourceNotFound(f"{shown} does not exist, though the OVF names it; export the VM again")
            return _TapeStream(self, self._cursor, self._turn, shown, member.size)

    def close(self) -> None:
        """Close the stream."""
        with self._lock:
            self._turn += 1
            self._release()

    def has_turn(self, turn: int) -> bool:
        """Whether nobody opened another member since."""
        return self._turn == turn

    def broken(self) -> None:
        """The stream failed: the next one starts over."""
        with self._lock:
            self._release()

    def _rewind(self) -> None:
        self._release()
        self._cursor = StreamCursor(self._archive.open())
        self._walk = Walk(self._cursor)

    def _wind(self, name: str) -> Member | None:
        try:
            while self._walk is not None:
                member = self._walk.advance()
                if member is None:
                    return None
                self._passed.add(member.name)
                if member.name == name:
                    return member
        except BaseException:
            self._release()
            raise
        return None

    def _release(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
        self._cursor = self._walk = None
        self._passed.clear()


class _TapeStream:
    """The data of the member that the tape stands at."""

    def __init__(self, tape: Tape, cursor: StreamCursor, turn: int, name: str, size: int) -> None:
        self._tape = tape
        self._cursor = cursor
        self._turn = turn
        self._name = name
        self._size = size
        self._done = 0

    def readinto(self, buffer: memoryview, /) -> int:
        wanted = min(len(buffer), self._size - self._done)
        if wanted <= 0:
            return 0
        if not self._tape.has_turn(self._turn):
            raise SourceError(f"{self._name} is no longer read: another file of the same stream was opened")
        try:
            count = self._cursor.readinto(buffer[:wanted])
        except BaseException:
            self._tape.broken()
            raise
        if not count:
            self._tape.broken()
            raise cut(self._name, self._done, self._size)
        self._done += count
        return count

    def close(self) -> None:
        """The stream goes on to the next member."""


class TapeFile:
    """A member of an archive that passes as one stream."""

    seekable = False

    def __init__(self, tape: Tape, member: str, name: str, size: Bytes | None) -> None:
        self._tape = tape
        self._member = member
        self._name = name
        self._size = size

    @property
    def name(self) -> str:
        """The member and its archive."""
        return self._name

    @property
    def size(self) -> Bytes | None:
        """Its size, where its header has been seen."""
        return self._size

    def open(self, offset: int = 0) -> ByteStream:
        """Wind to the member and past ``offset`` of its bytes."""
        return opened_past(self._tape.open(self._member, self._name), offset, self._name)
