"""Serves byte sources, read-only, to a program that reads disks at random places: qemu-img.

So qemu-img reads a disk inside an OVA, behind a login or behind a private CA in place, and never sees a credential or
a path of this machine. The server listens on a Unix socket in a folder that only this user may enter, lives as long as
the conversion, and names nothing but the sources. QEMU's driver for NBD is part of every build, the one for HTTP is
not, and stood still now and then (QEMU 7.2).

Source of the protocol: the NBD project's doc/proto.md: "Fixed newstyle negotiation", "Transmission", "Values".
"""

import contextlib
import errno
import shutil
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

from thresher.model.errors import SourceError, Stopped, TargetError
from thresher.model.units import KIB, MIB, SECTOR
from thresher.ports import ByteSource
from thresher.transfer.pool import StreamPool

MAX_PAYLOAD = 32 * MIB
"""The longest read: proto.md, "Block size constraints", the default maximum payload."""
MAX_OPTION = 64 * KIB
"""The longest option that is read; a name has at most 4096 bytes (proto.md, "Values", "Strings")."""
_JOIN_SECONDS = 2.0
"""How long leaving waits for a connection's thread; one that a source holds up closes its stream by itself."""

_NBDMAGIC = b"NBDMAGIC"
_IHAVEOPT = b"IHAVEOPT"
_REPLY_MAGIC = 0x3E889045565A9
_REQUEST_MAGIC = 0x25609513
_SIMPLE_REPLY_MAGIC = 0x67446698
_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_OPT_LIST, _OPT_GO = 3, 7
_REP_ACK, _REP_SERVER, _REP_INFO = 1, 2, 3
_REP_ERR_UNSUP, _REP_ERR_INVALID, _REP_ERR_UNKNOWN = 2**31 + 1, 2**31 + 3, 2**31 + 6
_INFO_EXPORT, _INFO_BLOCK_SIZE = 0, 3
_FLAGS = 1 << 0 | 1 << 1 | 1 << 8  # NBD_FLAG_HAS_FLAGS, READ_ONLY, CAN_MULTI_CONN
_BLOCK_SIZES = (1, 4 * KIB, MAX_PAYLOAD)  # minimum, preferred, maximum
_CMD_READ, _CMD_WRITE, _CMD_DISC = 0, 1, 2
_OPTION = struct.Struct(">8sII")
_OPTION_REPLY = struct.Struct(">QIII")
_REQUEST = struct.Struct(">IHHQQI")
_SIMPLE_REPLY = struct.Struct(">IIQ")


@dataclass(frozen=True, slots=True)
class Served:
    """What one export gives out.

    Attributes:
        source: of a known size.
        head: stands in place of the source's first bytes, as many as it has.
    """

    source: ByteSource
    head: bytes = b""


class _Export:
    """An export, in use: zeros fill its last sector, as QEMU does with a file.

    QEMU's block layer counts in sectors. Of a last sector that is not whole its driver for NBD asks for what is there,
    and then waits for all of it (seen with QEMU 7.2 and simple replies). A VHD has its footer there.
    """

    def __init__(self, served: Served, stop: threading.Event) -> None:
        self.name = served.source.name
        self.pool = StreamPool(served.source, stop)
        self._known = served.source.size or 0
        self.size = -(-self._known // SECTOR) * SECTOR
        self._head = served.head

    def read(self, offset: int, length: int) -> bytearray:
        data = bytearray(length)
        ours = self._head[offset : offset + length]
        data[: len(ours)] = ours
        wanted = memoryview(data)[len(ours) : max(0, self._known - offset)]
        if wanted:
            self.pool.read_into(offset + len(ours), wanted)
        return data


class NbdServer:
    """A read-only NBD server on a Unix socket. A context manager.

    Args:
        exports: what is served, by name.
        stop: set it, and no read waits for a source that is away.

    Attributes:
        path: the socket.
        failures: what sources raised while they were read, in order.
        asked: how many reads were asked for so far.
        busy: how many of them a source works on.
    """

    def __init__(self, exports: Mapping[str, Served], stop: threading.Event) -> None:
        self._exports = {name: _Export(served, stop) for name, served in exports.items()}
        self._connections: list[tuple[socket.socket, threading.Thread]] = []
        self._lock = threading.Lock()
        self.failures: list[SourceError] = []
        self.asked = 0
        self.busy = 0
        self.path = Path()

    def __enter__(self) -> Self:
        folder = Path(mkdtemp(prefix="thresher-"))  # mode 0700
        self.path = folder / "nbd"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(self.path))
            self._listener.listen()
        except OSError as error:
            self._listener.close()
            shutil.rmtree(folder)
            raise TargetError(f"cannot make the socket {self.path}: {error}; set TMPDIR to another folder") from error
        self._acceptor = threading.Thread(target=self._accept, name="nbd", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *exc: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._acceptor.join()
        self._listener.close()
        for connection, _ in self._connections:
            with contextlib.suppress(OSError):  # it was closed from the other side
                connection.shutdown(socket.SHUT_RDWR)
        for export in self._exports.values():
            export.pool.close()
        for _, thread in self._connections:
            thread.join(_JOIN_SECONDS)
        shutil.rmtree(self.path.parent, ignore_errors=True)

    @property
    def read(self) -> int:
        """Bytes read from the sources so far."""
        return sum(export.pool.read for export in self._exports.values())

    def export(self, name: bytes) -> _Export | None:
        """The export of that name."""
        return self._exports.get(name.decode(errors="replace"))

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Count a read while a source works on it."""
        with self._lock:
            self.asked += 1
            self.busy += 1
        try:
            yield
        finally:
            with self._lock:
                self.busy -= 1

    def failed(self, export: _Export, error: SourceError | OSError) -> None:
        """Remember what a source raised."""
        if not isinstance(error, SourceError):
            error = SourceError(f"cannot read {export.name}: {error.strerror}; mend that and try again")
        self.failures.append(error)

    @property
    def names(self) -> list[bytes]:
        """The names of all exports."""
        return [name.encode() for name in self._exports]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # it was shut down
                return
            thread = threading.Thread(target=self._serve, args=(connection,), name="nbd-client", daemon=True)
            thread.start()
            self._connections.append((connection, thread))

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, _Hangup):  # the reader may go away at any time
            _Connection(self, connection).run()


class _Hangup(Exception):
    """The connection is over: the client is gone, or broke the protocol and is dropped."""


class _Connection:
    def __init__(self, server: NbdServer, connection: socket.socket) -> None:
        self._server = server
        self._socket = connection

    def run(self) -> None:
        self._socket.sendall(_NBDMAGIC + _IHAVEOPT + struct.pack(">H", _FIXED_NEWSTYLE | _NO_ZEROES))
        (flags,) = struct.unpack(">I", self._receive(4))
        if not flags & _FIXED_NEWSTYLE or flags & ~(_FIXED_NEWSTYLE | _NO_ZEROES):
            raise _Hangup
        export = None
        while export is None:
            export = self._negotiate(zeroes=not flags & _NO_ZEROES)
        while True:
            self._request(export)

    def _receive(self, count: int) -> bytes:
        data = bytearray(count)
        view = memoryview(data)
        while view:
            step = self._socket.recv_into(view)
            if step == 0:
                raise _Hangup
            view = view[step:]
        return bytes(data)

    def _negotiate(self, *, zeroes: bool) -> _Export | None:
        """Answer one option; returns the export where transmission begins."""
        magic, option, length = _OPTION.unpack(self._receive(_OPTION.size))
        if magic != _IHAVEOPT or length > MAX_OPTION:
            raise _Hangup
        data = self._receive(length)
        match option:
            case 1:  # NBD_OPT_EXPORT_NAME
                return self._export_name(data, zeroes=zeroes)
            case 2:  # NBD_OPT_ABORT
                self._reply(option, _REP_ACK)
                raise _Hangup
            case 3:  # NBD_OPT_LIST
                self._list(data)
            case 6 | 7:  # NBD_OPT_INFO, NBD_OPT_GO
                export = self._info(option, data)
                return export if option == _OPT_GO else None
            case _:
                self._reply(option, _REP_ERR_UNSUP)
        return None

    def _reply(self, option: int, kind: int, data: bytes = b"") -> None:
        self._socket.sendall(_OPTION_REPLY.pack(_REPLY_MAGIC, option, kind, len(data)) + data)

    def _export_name(self, name: bytes, *, zeroes: bool) -> _Export:
        export = self._server.export(name)
        if export is None:
            raise _Hangup  # this option knows no error reply
        self._socket.sendall(struct.pack(">QH", export.size, _FLAGS) + bytes(124 if zeroes else 0))
        return export

    def _list(self, data: bytes) -> None:
        if data:
            self._reply(_OPT_LIST, _REP_ERR_INVALID)
            return
        for name in self._server.names:
            self._reply(_OPT_LIST, _REP_SERVER, struct.pack(">I", len(name)) + name)
        self._reply(_OPT_LIST, _REP_ACK)

    def _info(self, option: int, data: bytes) -> _Export | None:
        """Answer NBD_OPT_INFO or NBD_OPT_GO: a name by its length, and a list of informations wanted."""
        length = int.from_bytes(data[:4], "big")
        name, rest = data[4 : 4 + length], data[4 + length :]
        if len(rest) < 2 or len(rest) != 2 + 2 * int.from_bytes(rest[:2], "big"):  # noqa: PLR2004  a 16-bit count
            self._reply(option, _REP_ERR_INVALID)
            return None
        export = self._server.export(name)
        if export is None:
            self._reply(option, _REP_ERR_UNKNOWN)
            return None
        self._reply(option, _REP_INFO, struct.pack(">HQH", _INFO_EXPORT, export.size, _FLAGS))
        self._reply(option, _REP_INFO, struct.pack(">HIII", _INFO_BLOCK_SIZE, *_BLOCK_SIZES))
        self._reply(option, _REP_ACK)
        return export

    def _request(self, export: _Export) -> None:
        magic, _, command, cookie, offset, length = _REQUEST.unpack(self._receive(_REQUEST.size))
        if magic != _REQUEST_MAGIC or command in (_CMD_DISC, _CMD_WRITE):
            raise _Hangup  # a write, forbidden by our flags, may bring more than we would read over
        if command != _CMD_READ or length > MAX_PAYLOAD or offset + length > export.size:
            self._fail(cookie, errno.EINVAL)
            return
        try:
            with self._server.working():
                data = export.read(offset, length)
        except Stopped:  # who set the event raises it, too
            raise _Hangup from None
        except (SourceError, OSError) as error:
            self._server.failed(export, error)
            self._fail(cookie, errno.EIO)
            return
        self._socket.sendall(_SIMPLE_REPLY.pack(_SIMPLE_REPLY_MAGIC, 0, cookie))
        self._socket.sendall(data)

    def _fail(self, cookie: int, error: int) -> None:
        self._socket.sendall(_SIMPLE_REPLY.pack(_SIMPLE_REPLY_MAGIC, error, cookie))
