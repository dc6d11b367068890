"""The disk server, spoken to over raw sockets: what it answers, what it refuses, and whom it cuts off."""

import contextlib
import os
import socket
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from thresher.model.errors import TargetError
from thresher.model.units import MIB, TIB
from thresher.transfer.serving import DiskServer, Limits

TOKEN = "a-token-that-nobody-guesses"
DISK = f"/{TOKEN}/disk-0.raw"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def answer_to(port: int, request: str) -> Answer:
    """Send a request and read until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request.encode())
        raw = b""
        while piece := connection.recv(MIB):
            raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return Answer(int(lines[0].split()[1]), headers, body)


def ask(port: int, method: str = "GET", path: str = DISK, **headers: str) -> Answer:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return answer_to(port, "\r\n".join([*lines, "", ""]))


def unchunked(body: bytes) -> bytes:
    """RFC 9112, section 7.1; fails where the last chunk is missing."""
    whole = b""
    while True:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert rest == b"\r\n"
            return whole
        assert rest[length : length + 2] == b"\r\n"
        whole, body = whole + rest[:length], rest[length + 2 :]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two islands of data in a hole, not aligned to anything but sectors."""
    path = tmp_path_factory.mktemp("scratch") / "on-scratch.raw"
    with path.open("wb") as file:
        file.truncate(5 * MIB + 512)
        file.seek(4096 * 3)
        file.write(os.urandom(200_000))
        file.seek(3 * MIB)
        file.write(os.urandom(70_000))
    return path


@pytest.fixture(scope="module")
def port(disk: Path) -> Iterator[int]:
    with DiskServer("127.0.0.1", 0, TOKEN) as server:
        assert server.publish("disk-0.raw", disk) == DISK
        yield server.port


def test_get_and_head(port: int, disk: Path) -> None:
    head, get = ask(port, "HEAD"), ask(port)
    assert (head.status, get.status) == (200, 200)
    assert head.headers["content-length"] == get.headers["content-length"] == str(disk.stat().st_size)
    assert head.body == b""
    assert get.body == disk.read_bytes()
    assert get.headers["accept-ranges"] == "bytes"
    assert head.headers["etag"] == get.headers["etag"]


def test_head_states_the_plain_length_whatever_is_accepted(port: int, disk: Path) -> None:
    head = ask(port, "HEAD", Accept_Encoding="gzip")
    assert head.headers["content-length"] == str(disk.stat().st_size)
    assert "content-encoding" not in head.headers


def test_gzip_for_who_asks(port: int, disk: Path) -> None:
    plain, coded = ask(port), ask(port, Accept_Encoding="deflate, gzip;q=1.0")
    assert coded.headers["content-encoding"] == "gzip"
    assert "content-length" not in coded.headers
    assert coded.headers["etag"] != plain.headers["etag"]
    assert zlib.decompress(unchunked(coded.body), wbits=31) == disk.read_bytes()
    assert len(coded.body) < 300_000


@pytest.mark.parametrize("value", ["", "identity", "gzip;q=0", "gzip; q=0.000", "br", "gzipped"])
def test_plain_for_everybody_else(value: str, port: int, disk: Path) -> None:
    got = ask(port, Accept_Encoding=value)
    assert "content-encoding" not in got.headers
    assert got.body == disk.read_bytes()


def test_no_gzip_for_http_1_0_which_could_not_tell_that_it_was_cut(port: int, disk: Path) -> None:
    got = answer_to(port, f"GET {DISK} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
    assert got.body == disk.read_bytes()


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-127", 0, 128), ("bytes=4194304-", 4 * MIB, None), ("bytes=-512", -512, None), ("bytes=7-9", 7, 10)],
)
def test_range(asked: str, start: int, end: int | None, port: int, disk: Path) -> None:
    got = ask(port, Range=asked, Accept_Encoding="gzip")
    whole = disk.read_bytes()
    wanted = whole[start:end]
    first = start if start >= 0 else len(whole) + start
    assert got.status == 206
    assert got.body == wanted
    assert got.headers["content-length"] == str(len(wanted))
    assert got.headers["content-range"] == f"bytes {first}-{first + len(wanted) - 1}/{len(whole)}"
    assert "content-encoding" not in got.headers


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=5243392-", "bytes=-0"])
def test_range_beyond_the_end(asked: str, port: int, disk: Path) -> None:
    got = ask(port, Range=asked)
    assert got.status == 416
    assert got.headers["content-range"] == f"bytes */{disk.stat().st_size}"
    assert got.body == b""


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=a-b", "bytes=-", "items=0-1", "bytes=0-1,4-5", "bytes=" + "9" * 5000]
)
def test_range_that_is_none_is_passed_over(asked: str, port: int, disk: Path) -> None:
    got = ask(port, Range=asked)
    assert (got.status, got.body) == (200, disk.read_bytes())


def test_if_range(port: int, disk: Path) -> None:
    etag = ask(port, "HEAD").headers["etag"]
    assert etag.startswith('"'), "a weak ETag may not be used with If-Range (RFC 9110, section 13.1.5)"
    assert ask(port, Range="bytes=0-1", If_Range=etag).status == 206
    other = ask(port, Range="bytes=0-1", If_Range='"other"')
    assert (other.status, other.body) == (200, disk.read_bytes())


def test_range_has_no_meaning_in_a_head(port: int, disk: Path) -> None:
    got = ask(port, "HEAD", Range="bytes=0-1")
    assert (got.status, got.headers["content-length"]) == (200, str(disk.stat().st_size))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        f"/{TOKEN}",
        f"/{TOKEN}/",
        f"/{TOKEN}/disk-1.raw",
        f"/{TOKEN}/on-scratch.raw",
        f"/{TOKEN}/../on-scratch.raw",
        f"/{TOKEN}/%2e%2e/on-scratch.raw",
        f"/{TOKEN}//etc/passwd",
        f"/{TOKEN}/disk-0.raw/",
        "/disk-0.raw",
        "/x/disk-0.raw",
        f"/{TOKEN}x/disk-0.raw",
        f"/{TOKEN[:-1]}/disk-0.raw",
        f"{TOKEN}/disk-0.raw",
        "//disk-0.raw",
        "/\xe9/disk-0.raw",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_defect_18_nothing_is_listed_and_nothing_else_exists(method: str, path: str, port: int) -> None:
    got = ask(port, method, path)
    assert (got.status, got.body) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_other_methods_are_not_allowed(method: str, port: int) -> None:
    got = ask(port, method)
    assert got.status == 405
    assert got.headers["allow"] == "GET, HEAD"


def test_files_appear_when_published_and_go_when_withdrawn(disk: Path) -> None:
    with DiskServer("127.0.0.1", 0, TOKEN) as server:
        assert ask(server.port).status == 404
        server.publish("disk-0.raw", disk)
        assert ask(server.port, "HEAD").status == 200
        server.withdraw("disk-0.raw")
        assert ask(server.port).status == 404
        server.publish("disk-0.raw", disk.with_name("not there"))
        assert ask(server.port).status == 404


def test_connection_is_kept_for_the_next_request(port: int, disk: Path) -> None:
    """Go sends its GET over the connection of its HEAD."""
    request = f"HEAD {DISK} HTTP/1.1\r\nHost: x\r\n\r\nGET {DISK} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert answer_to(port, request).body.endswith(disk.read_bytes())


def test_a_request_cannot_be_smuggled_in_a_body(port: int) -> None:
    hidden = f"GET {DISK} HTTP/1.1\r\nHost: x\r\n\r\n"
    request = f"GET {DISK} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\nContent-Length: {len(hidden)}\r\n\r\n{hidden}"
    with contextlib.suppress(ConnectionResetError):  # closing with the body unread
        assert len(answer_to(port, request).body) == 1


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_file_that_cannot_be_read_to_its_end_cuts_the_connection(coding: str, tmp_path: Path) -> None:
    """Longhorn takes what it got for the whole: an answer that is not whole must not look like one."""
    with DiskServer("127.0.0.1", 0, TOKEN) as server:
        disk = tmp_path / "disk.raw"
        disk.write_bytes(os.urandom(64 * MIB))
        server.publish("disk-0.raw", disk)
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(f"GET {DISK} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
            raw = connection.recv(1000)
            os.truncate(disk, MIB)
            while piece := connection.recv(MIB):
                raw += piece
    assert raw.startswith(b"HTTP/1.1 200")
    assert not raw.endswith(b"\r\n0\r\n\r\n")
    assert len(raw) < 64 * MIB


def test_sparse_terabyte_begins_at_once_as_gzip(tmp_path: Path) -> None:
    """Holes are neither read nor hashed byte by byte; 1 TiB of either would take minutes."""
    disk = tmp_path / "huge.raw"
    with disk.open("wb") as file:
        file.truncate(TIB)
    unpacker, got = zlib.decompressobj(wbits=31), 0
    with DiskServer("127.0.0.1", 0, TOKEN) as server:
        server.publish("disk-0.raw", disk)
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(f"GET {DISK} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n".encode())
            reader = connection.makefile("rb")
            while reader.readline() != b"\r\n":
                pass
            while got < MIB:
                piece = reader.read(int(reader.readline(), 16))
                assert reader.readline() == b"\r\n"
                unpacked = unpacker.decompress(piece)
                assert not any(unpacked)
                got += len(unpacked)


# -- clients that dawdle ---------------------------------------------------------------------------------


@contextlib.contextmanager
def impatient(disk: Path, *, connections: int = 4) -> Iterator[int]:
    with DiskServer("127.0.0.1", 0, TOKEN, limits=Limits(connections=connections, idle_s=0.5)) as server:
        server.publish("disk-0.raw", disk)
        yield server.port


def ended(connection: socket.socket) -> bool:
    """Whether the server ended the connection; waits for it, and fails after 20 seconds."""
    connection.settimeout(20)
    try:
        while connection.recv(MIB):
            pass
    except ConnectionError:
        return True
    return True


def test_silent_client_is_cut_off(disk: Path) -> None:
    with impatient(disk) as port, socket.create_connection(("127.0.0.1", port)) as silent:
        assert ended(silent)


def test_head_that_drops_in_is_cut_off(disk: Path) -> None:
    """Slowloris: a byte now and then is no progress."""
    with impatient(disk) as port, socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(0.1)
        slow.sendall(f"GET {DISK} HTTP/1.1\r\n".encode())
        for _ in range(200):
            try:
                slow.sendall(b"X")
                if slow.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
        pytest.fail("the server listened for 20 seconds")


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_client_that_takes_nothing_is_cut_off(coding: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(os.urandom(32 * MIB))
    with impatient(disk, connections=1) as port, socket.create_connection(("127.0.0.1", port)) as lazy:
        lazy.sendall(f"GET {DISK} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
        for _ in range(200):  # its place is free again, though it never read or closed
            if _turned_away(port) is False:
                break
        else:
            pytest.fail("its place was never free")
        received = 0
        lazy.settimeout(20)
        with contextlib.suppress(ConnectionError):
            while piece := lazy.recv(MIB):
                received += len(piece)
        assert received < 32 * MIB


def _turned_away(port: int) -> bool:
    try:
        if ask(port, "HEAD").status != 503:
            return False
    except (ConnectionError, IndexError):
        pass
    threading.Event().wait(0.1)
    return True


def test_too_many_connections_are_turned_away(disk: Path) -> None:
    with DiskServer("127.0.0.1", 0, TOKEN, limits=Limits(connections=2)) as server:
        server.publish("disk-0.raw", disk)
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                kept = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
                kept.sendall(f"HEAD {DISK} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert kept.recv(1000).startswith(b"HTTP/1.1 200")
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as third:
                assert third.recv(1000).startswith(b"HTTP/1.1 503")
        for _ in range(200):
            if _turned_away(server.port) is False:
                return
        pytest.fail("the places were never free again")


def test_silent_connections_do_not_lock_out_who_has_the_token(disk: Path) -> None:
    with DiskServer("127.0.0.1", 0, TOKEN, limits=Limits(connections=3)) as server, contextlib.ExitStack() as stack:
        server.publish("disk-0.raw", disk)
        kept = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        kept.sendall(f"HEAD {DISK} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert kept.recv(1000).startswith(b"HTTP/1.1 200")
        for _ in range(20):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            assert ask(server.port).body == disk.read_bytes()
        kept.sendall(f"HEAD {DISK} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert kept.recv(1000).startswith(b"HTTP/1.1 200"), "one that has shown the token is pushed out"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (f"GET /{'a' * 70_000} HTTP/1.1\r\n\r\n", 414),
        (f"GET {DISK} HTTP/1.1\r\nX: {'a' * 70_000}\r\n\r\n", 431),
        (f"GET {DISK} HTTP/1.1\r\n" + "X: a\r\n" * 200 + "\r\n", 431),
        (f"GET {DISK} HTTP/9.9\r\n\r\n", 505),
        (f"GET {DISK} HTTP/x\r\n\r\n", 400),
        (f"GET {DISK} a b c HTTP/1.1\r\n\r\n", 400),
    ],
    ids=["long-target", "long-header", "many-headers", "version", "no-version", "words"],
)
def test_a_head_beyond_all_measure_is_refused(request_head: str, status: int, port: int, disk: Path) -> None:
    got = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(request_head.encode())
        while piece := connection.recv(MIB):
            got += piece
    assert not got or got.startswith(f"HTTP/1.1 {status} ".encode())  # closing with much unread resets it
    assert TOKEN.encode() not in got, "a refusal repeats the token"
    assert disk.read_bytes()[:4096] not in got
    assert ask(port, "HEAD").status == 200, "the server goes on"


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_client_that_sips_is_cut_off(coding: str, tmp_path: Path) -> None:
    """A few bytes now and then are no progress, either: the kernel's window does not open for them."""
    disk = tmp_path / "disk.raw"
    disk.write_bytes(os.urandom(32 * MIB))
    with impatient(disk, connections=1) as port, socket.create_connection(("127.0.0.1", port)) as sipping:
        sipping.sendall(f"GET {DISK} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
        for _ in range(200):
            sipping.recv(16)
            if _turned_away(port) is False:
                return
        pytest.fail("it keeps its place")


def test_many_at_once(disk: Path) -> None:
    whole = disk.read_bytes()
    wrong: list[str] = []

    def fetch(coding: str) -> None:
        got = ask(server.port, Accept_Encoding=coding)
        body = zlib.decompress(unchunked(got.body), wbits=31) if coding == "gzip" else got.body
        if body != whole:
            wrong.append(coding)

    with DiskServer("127.0.0.1", 0, TOKEN) as server:
        server.publish("disk-0.raw", disk)
        threads = [threading.Thread(target=fetch, args=(coding,)) for coding in ("gzip", "identity") * 8]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_leaving_cuts_connections(disk: Path) -> None:
    with DiskServer("127.0.0.1", 0, TOKEN) as server:
        server.publish("disk-0.raw", disk)
        waiting = socket.create_connection(("127.0.0.1", server.port))
    with waiting:
        assert ended(waiting)


def test_a_port_that_is_taken(port: int) -> None:
    with pytest.raises(TargetError, match=f"port {port}"):
        DiskServer("127.0.0.1", port, TOKEN)
