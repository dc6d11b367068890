"""The NBD server as a raw client sees it. Numbers are those of the NBD project's doc/proto.md."""

import errno
import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig.blocks import MemorySource
from thresher.model.errors import SourceError, SourceUnreachable, TargetError
from thresher.ports import ByteStream
from thresher.transfer import reopen
from thresher.transfer.nbd import NbdServer, Served

DATA = bytes(range(256)) * 8 + b"odd"
SIZE = 5 * 512  # in whole sectors, as QEMU counts
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_STRUCTURED_REPLY, OPT_GO = 1, 2, 3, 8, 7
REP_ACK, REP_SERVER, REP_INFO = 1, 2, 3
REP_ERR_UNSUP, REP_ERR_INVALID, REP_ERR_UNKNOWN = 0x80000001, 0x80000003, 0x80000006
CMD_READ, CMD_WRITE, CMD_DISC, CMD_TRIM = 0, 1, 2, 4


CLIENTS: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _hang_up() -> Iterator[None]:
    yield
    while CLIENTS:
        CLIENTS.pop().close()


class Client:
    def __init__(self, path: Path, flags: int = 3) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        CLIENTS.append(self.socket)
        self.socket.settimeout(20)
        self.socket.connect(str(path))
        assert self.take(18) == b"NBDMAGICIHAVEOPT\x00\x03"
        self.socket.sendall(struct.pack(">I", flags))

    def take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            step = self.socket.recv(count - len(data))
            if not step:
                raise EOFError
            data += step
        return data

    def send_option(self, option: int, data: bytes = b"") -> None:
        self.socket.sendall(b"IHAVEOPT" + struct.pack(">II", option, len(data)) + data)

    def reply(self, option: int) -> tuple[int, bytes]:
        magic, echoed, kind, length = struct.unpack(">QIII", self.take(20))
        assert (magic, echoed) == (0x3E889045565A9, option)
        return kind, self.take(length)

    def go(self, name: bytes) -> list[tuple[int, bytes]]:
        self.send_option(OPT_GO, struct.pack(">I", len(name)) + name + struct.pack(">HH", 1, 3))
        replies = [self.reply(OPT_GO)]
        while replies[-1][0] == REP_INFO:
            replies.append(self.reply(OPT_GO))
        return replies

    def request(self, command: int, offset: int, length: int, cookie: int = 7) -> None:
        self.socket.sendall(struct.pack(">IHHQQI", 0x25609513, 0, command, cookie, offset, length))

    def read(self, offset: int, length: int, cookie: int = 7) -> tuple[int, bytes]:
        self.request(CMD_READ, offset, length, cookie)
        magic, error, echoed = struct.unpack(">IIQ", self.take(16))
        assert (magic, echoed) == (0x67446698, cookie)
        return error, b"" if error else self.take(length)


@contextmanager
def serving(**sources: Served) -> Iterator[NbdServer]:
    with NbdServer(sources, threading.Event()) as server:
        yield server


@pytest.fixture
def server() -> Iterator[NbdServer]:
    with serving(disk=Served(MemorySource(DATA)), other=Served(MemorySource(b"x"))) as server:
        yield server


def opened(server: NbdServer, name: bytes = b"disk") -> Client:
    client = Client(server.path)
    assert client.go(name)[-1] == (REP_ACK, b"")
    return client


def test_go_tells_the_size_in_sectors_that_it_is_read_only_and_the_block_sizes(server: NbdServer) -> None:
    replies = Client(server.path).go(b"disk")
    assert replies[0] == (REP_INFO, struct.pack(">HQH", 0, SIZE, 0b1_0000_0011))
    assert replies[1] == (REP_INFO, struct.pack(">HIII", 3, 1, 4096, 32 << 20))
    assert replies[2:] == [(REP_ACK, b"")]


@pytest.mark.parametrize(("flags", "zeroes"), [(3, 0), (1, 124)])
def test_export_name_enters_transmission(server: NbdServer, flags: int, zeroes: int) -> None:
    client = Client(server.path, flags)
    client.send_option(OPT_EXPORT_NAME, b"other")
    assert client.take(10 + zeroes) == struct.pack(">QH", 512, 0b1_0000_0011) + bytes(zeroes)
    assert client.read(0, 1) == (0, b"x")


def test_reads_anywhere_and_fills_the_last_sector_with_zeros(server: NbdServer) -> None:
    client = opened(server)
    for offset, length in [
        (0, 512),
        (1000, 1),
        (5, 2000),
        (len(DATA) - 3, 3),
        (0, SIZE),
        (SIZE, 0),
        (SIZE - 5, 5),
        (2040, 100),
    ]:
        assert client.read(offset, length, cookie=offset) == (0, DATA.ljust(SIZE, b"\0")[offset : offset + length])


def test_requests_that_wait_in_a_row_are_all_answered(server: NbdServer) -> None:
    client = opened(server)
    for cookie in range(16):
        client.request(CMD_READ, cookie * 10, 10, cookie)
    for cookie in range(16):
        assert client.take(26) == struct.pack(">IIQ", 0x67446698, 0, cookie) + DATA[cookie * 10 : cookie * 10 + 10]


def test_an_unknown_option_is_refused_and_the_next_one_heard(server: NbdServer) -> None:
    client = Client(server.path)
    for option in (OPT_STRUCTURED_REPLY, 5, 12345):
        client.send_option(option, b"some data")
        assert client.reply(option) == (REP_ERR_UNSUP, b"")
    assert client.go(b"disk")[-1] == (REP_ACK, b"")
    assert client.read(0, 4) == (0, DATA[:4])


def test_an_unknown_name_is_refused_and_the_next_one_heard(server: NbdServer) -> None:
    client = Client(server.path)
    assert client.go(b"../../etc/passwd") == [(REP_ERR_UNKNOWN, b"")]
    assert client.go(b"\xff\xfe") == [(REP_ERR_UNKNOWN, b"")]
    assert client.go(b"other")[-1] == (REP_ACK, b"")


def test_list_names_the_exports(server: NbdServer) -> None:
    client = Client(server.path)
    client.send_option(OPT_LIST)
    assert [client.reply(OPT_LIST) for _ in range(3)] == [
        (REP_SERVER, b"\0\0\0\4disk"),
        (REP_SERVER, b"\0\0\0\5other"),
        (REP_ACK, b""),
    ]
    client.send_option(OPT_LIST, b"x")
    assert client.reply(OPT_LIST) == (REP_ERR_INVALID, b"")


@pytest.mark.parametrize("data", [b"", b"\0\0\0\4di", b"\xff\xff\xff\xffdisk\0\0", b"\0\0\0\4disk\0\2\0\3"])
def test_a_go_that_contradicts_itself_is_invalid(server: NbdServer, data: bytes) -> None:
    client = Client(server.path)
    client.send_option(OPT_GO, data)
    assert client.reply(OPT_GO) == (REP_ERR_INVALID, b"")


def test_abort_is_acknowledged_and_ends_the_connection(server: NbdServer) -> None:
    client = Client(server.path)
    client.send_option(OPT_ABORT)
    assert client.reply(OPT_ABORT) == (REP_ACK, b"")
    with pytest.raises(EOFError):
        client.take(1)


@pytest.mark.parametrize(
    ("offset", "length"),
    [(SIZE, 1), (0, SIZE + 1), (2**64 - 1, 1), (2**64 - 1, 2**32 - 1), (0, (32 << 20) + 1)],
)
def test_a_read_out_of_range_is_invalid_and_the_next_one_served(server: NbdServer, offset: int, length: int) -> None:
    client = opened(server)
    assert client.read(offset, length) == (errno.EINVAL, b"")
    assert client.read(0, 1) == (0, DATA[:1])


def test_a_read_longer_than_the_maximum_payload_is_invalid_even_within_the_export() -> None:
    with serving(disk=Served(MemorySource(bytes(33 << 20)))) as server:
        client = opened(server)
        assert client.read(0, (32 << 20) + 1) == (errno.EINVAL, b"")
        assert client.read(0, 32 << 20) == (0, bytes(32 << 20))


def test_other_commands_are_invalid_and_disconnect_disconnects(server: NbdServer) -> None:
    client = opened(server)
    client.request(CMD_TRIM, 0, 1)
    assert client.take(16) == struct.pack(">IIQ", 0x67446698, errno.EINVAL, 7)
    client.request(CMD_DISC, 0, 0)
    with pytest.raises(EOFError):
        client.take(1)


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"IHAVEOPT" + b"\xff" * 8, b"\0"])
def test_noise_ends_its_own_connection_only(server: NbdServer, noise: bytes) -> None:
    client = Client(server.path)
    client.socket.sendall(noise)
    client.socket.shutdown(socket.SHUT_WR)
    with pytest.raises((EOFError, ConnectionError)):
        client.take(1)
    assert opened(server).read(0, 1) == (0, DATA[:1])


def test_a_source_that_fails_in_the_middle_is_an_io_error_and_remembered() -> None:
    with serving(disk=Served(MemorySource(DATA, fails_at=1024))) as server:
        client = opened(server)
        assert client.read(0, 1024) == (0, DATA[:1024])
        assert client.read(1000, 100) == (errno.EIO, b"")
        assert client.read(10, 10) == (0, DATA[10:20])
        assert [str(error) for error in server.failures] == ["memory broke at byte 1024"]
        assert isinstance(server.failures[0], SourceError)


def test_a_source_shorter_than_it_said_is_an_io_error() -> None:
    with serving(disk=Served(MemorySource(DATA, stated=len(DATA) + 5))) as server:
        assert opened(server).read(0, len(DATA) + 5) == (errno.EIO, b"")
        assert f"ended at byte {len(DATA)}" in str(server.failures[0])


def test_a_head_stands_in_place_of_the_first_bytes() -> None:
    with serving(disk=Served(MemorySource(DATA), b"HEAD")) as server:
        client = opened(server)
        assert client.read(0, 10) == (0, b"HEAD" + DATA[4:10])
        assert client.read(2, 1) == (0, b"A")
        assert client.read(3, 2) == (0, b"D" + DATA[4:5])
        assert client.read(4, 8) == (0, DATA[4:12])


def test_reading_on_opens_nothing_anew() -> None:
    source = MemorySource(DATA)
    with serving(disk=Served(source)) as server:
        client = opened(server)
        for offset in range(0, 2000, 100):
            client.read(offset, 50)
        assert source.opened == [0]
    assert source.open_streams == 0


def test_a_stream_that_was_cut_while_it_waited_is_opened_anew() -> None:
    source = MemorySource(DATA, cuts_after=100)
    with serving(disk=Served(source)) as server:
        client = opened(server)
        for offset in range(0, 500, 50):
            assert client.read(offset, 50) == (0, DATA[offset : offset + 50])
        assert server.failures == []
    assert source.open_streams == 0


@dataclass
class Away:
    """A source that refuses so many connections."""

    source: MemorySource
    away: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def open(self, offset: int = 0) -> ByteStream:
        if self.away:
            self.away -= 1
            raise SourceUnreachable("it starts again")
        return self.source.open(offset)


def test_a_server_that_starts_again_costs_nothing_but_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopen, "FIRST_DELAY_S", 0.001)
    source = Away(MemorySource(DATA, cuts_after=100))
    with serving(disk=Served(source)) as server:
        client = opened(server)
        for offset in range(0, 500, 50):
            source.away = reopen.ATTEMPTS - 2  # after the one that is cut, and before the last
            assert client.read(offset, 50) == (0, DATA[offset : offset + 50])
        assert server.failures == []
        source.away = 100
        assert client.read(1500, 50) == (errno.EIO, b"")
        assert "starts again" in str(server.failures[0])


def test_a_stop_is_heeded_while_a_source_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopen, "FIRST_DELAY_S", 1000)
    source, stop = Away(MemorySource(DATA), 100), threading.Event()
    with NbdServer({"disk": Served(source)}, stop) as server:
        threading.Timer(0.1, stop.set).start()
        with pytest.raises(EOFError):
            opened(server).read(0, 50)
        assert server.failures == []


def test_connections_read_side_by_side(server: NbdServer) -> None:
    clients = [opened(server) for _ in range(4)]
    results: list[bool] = []

    def work(client: Client) -> None:
        results.append(all(client.read(offset, 7) == (0, DATA[offset : offset + 7]) for offset in range(0, 2000, 13)))

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_leaving_ends_every_connection_and_leaves_nothing() -> None:
    source = MemorySource(DATA)
    before = threading.active_count()
    with serving(disk=Served(source)) as server:
        folder = server.path.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        idle, fresh = opened(server), Client(server.path)
        idle.read(0, 10)
    for client in (idle, fresh):
        with pytest.raises((EOFError, ConnectionError)):
            client.take(1)
    assert not folder.exists()
    assert source.open_streams == 0
    assert threading.active_count() == before


def test_a_folder_too_deep_for_a_socket_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 110)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", os.fspath(deep))
    with pytest.raises(TargetError, match="TMPDIR"), NbdServer({}, threading.Event()):
        pass
    assert list(deep.iterdir()) == []
