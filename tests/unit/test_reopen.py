"""Broken connections to a real web server, and where reading goes on."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.transfers import MemoryBytes
from rig.webserver import Faults, WebServer, serve
from thresher.model.errors import SourceError, SourceNotFound, Stopped, StreamCut
from thresher.ports import ByteStream
from thresher.sources.bytes import HttpAccess, HttpFile
from thresher.transfer import reopen
from thresher.transfer.reopen import ATTEMPTS, ReopeningStream

CONTENT = bytes(range(256)) * 3000


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopen, "FIRST_DELAY_S", 0.001)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    (tmp_path / "d.bin").write_bytes(CONTENT)
    with serve(tmp_path) as server:
        yield server


def remote(web: WebServer) -> HttpFile:
    return HttpFile(f"{web.url}d.bin", HttpAccess(timeout_s=5))


def rest(stream: ByteStream) -> bytes:
    buffer, out = memoryview(bytearray(50_000)), bytearray()
    try:
        while count := stream.readinto(buffer):
            out += buffer[:count]
    finally:
        stream.close()
    return bytes(out)


@pytest.mark.parametrize("cuts", [1, 3, 7])
def test_cut_off_it_goes_on_by_range(web: WebServer, cuts: int) -> None:
    web.faults = Faults(cut_after=60_000, cuts=cuts)
    assert rest(ReopeningStream(remote(web), 0, threading.Event())) == CONTENT
    ranges = [seen.headers.get("range", "") for seen in web.requests]
    assert ranges[-cuts:] == [f"bytes={60_000 * number}-" for number in range(1, cuts + 1)]
    for _ in range(100):  # the server counts a piece after it has sent it
        if web.sent == len(CONTENT):
            break
        time.sleep(0.05)
    assert web.sent == len(CONTENT)


def test_from_the_middle_on(web: WebServer) -> None:
    web.faults = Faults(cut_after=60_000, cuts=2)
    assert rest(ReopeningStream(remote(web), 100_000, threading.Event())) == CONTENT[100_000:]


def test_without_a_byte_between_them_four_failures_are_enough(web: WebServer) -> None:
    web.faults = Faults(stop_at=100_000)
    stream = ReopeningStream(remote(web), 0, threading.Event())
    with pytest.raises(SourceError) as caught:
        rest(stream)
    assert caught.value.retryable
    assert web.requests[-1].headers["range"] == "bytes=100000-"
    assert len([seen for seen in web.requests if seen.headers["range"] == "bytes=100000-"]) == ATTEMPTS - 1


def test_what_another_try_cannot_mend_is_raised_at_once(web: WebServer, tmp_path: Path) -> None:
    web.faults = Faults(cut_after=60_000)
    stream = ReopeningStream(remote(web), 0, threading.Event())
    stream.readinto(memoryview(bytearray(10)))
    (tmp_path / "d.bin").unlink()
    with pytest.raises(SourceNotFound):
        rest(stream)


def test_a_file_that_was_replaced_is_not_gone_on_with(web: WebServer, tmp_path: Path) -> None:
    web.faults = Faults(cut_after=60_000)
    stream = ReopeningStream(remote(web), 0, threading.Event())
    stream.readinto(memoryview(bytearray(10)))
    (tmp_path / "d.bin").write_bytes(CONTENT[::-1] + b"x")
    with pytest.raises(SourceError, match="changed"):
        rest(stream)


def test_what_cannot_be_opened_in_the_middle_passes_its_failure_on() -> None:
    source = MemoryBytes(CONTENT, seekable=False, cuts=[70_000])
    with pytest.raises(StreamCut, match="70000"):
        rest(ReopeningStream(source, 0, threading.Event()))
    assert source.opened == [0]


def test_stopped_while_it_waits() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        rest(ReopeningStream(MemoryBytes(CONTENT, cuts=[5]), 0, stop))
