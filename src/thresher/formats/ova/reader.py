"""The reader: bytes of an archive in, events out."""

from collections.abc import Iterator
from enum import Enum, auto

from thresher.formats.names import fault_of_name, normal_name
from thresher.formats.ova.events import EndOfArchive, Event, Member, MemberData, MemberEnd
from thresher.formats.ova.header import (
    BLOCK,
    LONG_LINK,
    LONG_NAME,
    PAX,
    PAX_GLOBAL,
    REGULAR,
    Header,
    parse_header,
)
from thresher.formats.ova.pax import parse_pax, pax_size
from thresher.model.errors import OvaError
from thresher.model.units import KIB, MIB, Bytes

MAX_EXTENDED = MIB
"""Extended headers are held in memory. Real ones have a few hundred bytes."""
MAX_MEMBERS = 10_000
"""Names are held in memory. vSphere's largest disk, 62 TiB, in chunks of 7 GiB has about 9,000."""
MAX_NAME = 4 * KIB
"""PATH_MAX of Linux."""


class _State(Enum):
    HEADER = auto()
    EXTENDED = auto()
    DATA = auto()
    PADDING = auto()
    END = auto()


class OvaReader:
    """Reads an OVA in one pass, or header by header from a source that can seek.

    Feed :meth:`receive` with what comes and iterate over what it returns to the end; then feed the next
    bytes. When no bytes are left, call :meth:`receive_eof`. To jump over a member's data, call
    :meth:`skip_member` after its :class:`Member` event and go on with the bytes from the offset it returns.

    An archive ends with its first block of zeros. POSIX writes two, but GNU tar stops reading at the first
    (it warns if that stands alone), and so does this reader: the first block already proves that the writer
    came to its end. Without any, an archive cut between two members would look whole, so that is an error.
    What follows the end is ignored, as tar ignores it.
    """

    def __init__(self) -> None:
        self._state = _State.HEADER
        self._offset = 0  # of the next byte that is expected, in the archive
        self._block = bytearray()  # a header or extended header, as far as it has come
        self._wanted = BLOCK  # its length
        self._left = 0  # bytes to come of the data or the padding
        self._padded_end = 0  # where the header after the current member lies
        self._name = ""
        self._names: set[str] = set()
        self._headers = 0
        self._skips = 0
        self._extension: Header | None = None  # whose payload is being gathered
        self._long_name: bytes | None = None
        self._pax: dict[str, bytes] = {}
        self._pax_global: dict[str, bytes] = {}

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """Take the next bytes of the archive; iterate to the end before the next call.

        Raises:
            OvaError: while iterating, where the archive is malformed or names what it may not name; the
                reader is of no further use then.
        """
        rest = memoryview(data)
        skips = self._skips
        while self._state is not _State.END and skips == self._skips:
            if self._state is _State.DATA and not self._left:
                yield self._end_member()
                continue
            if not rest:
                return
            if self._state in (_State.DATA, _State.PADDING):
                taken = rest[: self._left]
                self._left -= len(taken)
            else:
                taken = rest[: self._wanted - len(self._block)]
                self._block += taken
            self._offset += len(taken)
            rest = rest[len(taken) :]
            event = self._after(taken)
            if event is not None:
                yield event

    def receive_eof(self) -> None:
        """Say that no bytes follow.

        Raises:
            OvaError: the archive is cut short.
        """
        if self._state is not _State.END:
            where = f"inside {self._name!r}" if self._state is _State.DATA else "before its end mark"
            raise OvaError(f"the archive is cut short {where}: fetch the OVA again", offset=self._offset)

    def skip_member(self) -> int:
        """Leave out what has not come yet of the current member's data; it gets no :class:`MemberEnd`.

        Whatever is left of the bytes given to :meth:`receive` is dropped.

        Returns:
            The offset in the archive of the next byte that is expected: the next header.

        Raises:
            ValueError: no member is being read.
        """
        if self._state is not _State.DATA:
            raise ValueError("skip_member needs a member whose data is being read")
        self._skips += 1
        self._offset = self._padded_end
        self._expect_header()
        return self._offset

    def _after(self, taken: memoryview) -> Event | None:
        """Act on bytes that have just been counted."""
        if self._state is _State.DATA:
            return MemberData(taken)
        if self._state is _State.PADDING:
            if not self._left:
                self._expect_header()
            return None
        if len(self._block) < self._wanted:
            return None
        block = bytes(self._block)
        self._block.clear()
        if self._extension is not None:
            self._extend(self._extension, block)
            return None
        return self._begin(parse_header(block, self._offset - BLOCK))

    def _expect_header(self) -> None:
        self._state = _State.HEADER
        self._extension = None
        self._wanted = BLOCK

    def _end_member(self) -> MemberEnd:
        self._left = self._padded_end - self._offset
        self._state = _State.PADDING
        if not self._left:
            self._expect_header()
        return MemberEnd(self._name)

    def _begin(self, header: Header | None) -> Event | None:
        """Act on a header."""
        at = self._offset - BLOCK
        if header is None:
            if self._pax or self._long_name is not None:
                raise OvaError("the archive ends after an extended header, without its member", offset=at)
            self._state = _State.END
            return EndOfArchive(Bytes(at))
        self._headers += 1
        if self._headers > MAX_MEMBERS:
            raise OvaError(f"the archive has more than {MAX_MEMBERS} members", offset=at)
        if header.type in PAX or header.type in (PAX_GLOBAL, LONG_NAME, LONG_LINK):
            self._begin_extension(header, at)
            return None
        return self._begin_member(header, at)

    def _begin_extension(self, header: Header, at: int) -> None:
        if not 0 < header.size <= MAX_EXTENDED:
            raise OvaError(f"an extended header of {header.size} bytes is outside 1 to {MAX_EXTENDED}", offset=at)
        self._extension = header
        self._state = _State.EXTENDED
        self._wanted = _padded(header.size)

    def _extend(self, header: Header, block: bytes) -> None:
        """Keep what an extended header says of the members that follow."""
        payload = block[: header.size]
        at = self._offset - len(block)
        if header.type == LONG_NAME:
            self._long_name = payload.partition(b"\0")[0]
        elif header.type == PAX_GLOBAL:
            self._pax_global |= parse_pax(payload, at)
        elif header.type in PAX:
            self._pax = parse_pax(payload, at)
        # A long link target (K) says nothing: whatever it belongs to is refused.
        self._expect_header()

    def _begin_member(self, header: Header, at: int) -> Member | None:
        """Act on the header of what the archive contains, with what extended headers said of it."""
        pax = self._pax_global | self._pax
        raw = pax.get("path", header.name if self._long_name is None else self._long_name)
        size = pax_size(pax["size"], at) if "size" in pax else header.size
        self._pax, self._long_name = {}, None
        shown = raw[:MAX_NAME].decode(errors="replace")
        if header.is_directory:
            # POSIX lets a directory state a size that no data follows; tars disagree on whether to skip it.
            if size:
                raise OvaError(f"the directory {shown!r} in the archive claims {size} bytes", offset=at)
            return None
        if header.type not in REGULAR:
            raise OvaError(
                f"{shown!r} in the archive is {header.kind}; an OVA holds plain files only: pack it again",
                offset=at,
            )
        self._name = self._claim(raw, at)
        self._state = _State.DATA
        self._left = size
        self._padded_end = self._offset + _padded(size)
        return Member(self._name, Bytes(size), Bytes(self._offset))

    def _claim(self, raw: bytes, at: int) -> str:
        """Check a member's name and take note of it."""
        if len(raw) > MAX_NAME:
            raise OvaError(f"a member's name is longer than {MAX_NAME} bytes", offset=at)
        try:
            stated = raw.decode()
        except UnicodeDecodeError:
            raise OvaError(
                f"the name {raw.decode(errors='replace')!r} in the archive is not UTF-8: pack the OVA again",
                offset=at,
            ) from None
        fault = fault_of_name(stated)
        if fault is not None:
            raise OvaError(f"the name {stated!r} in the archive {fault}", offset=at)
        name = normal_name(stated)
        if name in self._names:
            raise OvaError(f"the archive holds {name!r} twice; which one counts is not said", offset=at)
        self._names.add(name)
        return name


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
