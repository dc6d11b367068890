"""What ports.ByteSource promises, asked of every byte source."""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from rig.webserver import Faults, Length, serve
from thresher.model.errors import StreamCut
from thresher.ports import ByteSource, Checksum
from thresher.sources.bytes import Concatenated, Gunzip, HttpAccess, HttpFile, LocalFile, Verified

CONTENT = Random(1).randbytes(300_001)  # noqa: S311 - bytes that do not repeat, no secret
ACCESS = HttpAccess(timeout_s=5)

Make = Callable[[Path], AbstractContextManager[ByteSource]]


def put(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / "file.bin"
    path.write_bytes(content)
    return path


@contextmanager
def local(folder: Path) -> Iterator[ByteSource]:
    yield LocalFile(put(folder))


@contextmanager
def local_region(folder: Path) -> Iterator[ByteSource]:
    whole = LocalFile(put(folder, b"before" + CONTENT + b"after"))
    yield whole.region(6, len(CONTENT), "region")


def http(faults: Faults, *, tls: bool = False) -> Make:
    @contextmanager
    def make(folder: Path) -> Iterator[ByteSource]:
        put(folder)
        with serve(folder, faults=faults, tls=tls) as web:
            yield HttpFile(f"{web.url}file.bin", HttpAccess(timeout_s=5, ca_pem=web.ca_pem))

    return make


def http_region(faults: Faults) -> Make:
    @contextmanager
    def make(folder: Path) -> Iterator[ByteSource]:
        put(folder, b"before" + CONTENT + b"after")
        with serve(folder, faults=faults) as web:
            yield HttpFile(f"{web.url}file.bin", ACCESS).region(6, len(CONTENT), "region")

    return make


@contextmanager
def concatenated(folder: Path) -> Iterator[ByteSource]:
    path = put(folder)
    edges = [0, 100_000, 100_000, 250_000, len(CONTENT)]
    parts = [LocalFile(path, a, b - a) for a, b in pairwise(edges)]
    yield Concatenated(parts, "whole")


@contextmanager
def concatenated_unknown(folder: Path) -> Iterator[ByteSource]:
    for name, part in (("a", CONTENT[:1000]), ("b", CONTENT[1000:])):
        (folder / name).write_bytes(gzip.compress(part))
    yield Concatenated([Gunzip(LocalFile(folder / "a")), Gunzip(LocalFile(folder / "b"))], "whole")


@contextmanager
def gunzip(folder: Path) -> Iterator[ByteSource]:
    members = gzip.compress(CONTENT[:123_456]) + gzip.compress(b"") + gzip.compress(CONTENT[123_456:])
    yield Gunzip(LocalFile(put(folder, members + bytes(512))))


@contextmanager
def verified(folder: Path) -> Iterator[ByteSource]:
    yield Verified(LocalFile(put(folder)), Checksum("sha256", hashlib.sha256(CONTENT).hexdigest()))


SOURCES: dict[str, Make] = {
    "file": local,
    "region of a file": local_region,
    "http": http(Faults()),
    "https": http(Faults(), tls=True),
    "http without Range": http(Faults(ranges=False)),
    "http chunked": http(Faults(ranges=False, length=Length.CHUNKED)),
    "http until closed": http(Faults(ranges=False, length=Length.CLOSED)),
    "http without validators": http(Faults(validators=False)),
    "region over http": http_region(Faults()),
    "region over http without Range": http_region(Faults(ranges=False)),
    "parts": concatenated,
    "parts of unknown size": concatenated_unknown,
    "gzip": gunzip,
    "checked": verified,
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ByteSource]:
    with SOURCES[request.param](tmp_path) as made:
        yield made


def read(source: ByteSource, offset: int = 0, piece: int = 1 << 20) -> bytes:
    stream = source.open(offset)
    buffer, out = memoryview(bytearray(piece)), bytearray()
    try:
        while count := stream.readinto(buffer):
            assert count <= piece
            out += buffer[:count]
        assert stream.readinto(buffer) == 0, "the end stays the end"
    finally:
        stream.close()
        stream.close()
    return bytes(out)


@pytest.mark.parametrize("offset", [0, 1, 999, 1000, 100_000, 250_001, len(CONTENT) - 1])
def test_the_bytes_from_an_offset_on_are_those_of_the_file(source: ByteSource, offset: int) -> None:
    assert read(source, offset) == CONTENT[offset:]


def test_opened_at_its_end_it_has_no_bytes(source: ByteSource) -> None:
    assert read(source, len(CONTENT)) == b""


@pytest.mark.parametrize("piece", [777, 65_536])
def test_buffers_of_any_size_are_filled(source: ByteSource, piece: int) -> None:
    assert read(source, 0, piece) == CONTENT


def test_it_opens_more_than_once(source: ByteSource) -> None:
    first = source.open()
    assert first.readinto(memoryview(bytearray(10))) > 0
    assert read(source, 5) == CONTENT[5:]
    first.close()


def test_its_size_is_the_files_or_unknown(source: ByteSource) -> None:
    assert source.size in {len(CONTENT), None}


def test_what_says_its_size_and_is_cut_says_so(tmp_path: Path) -> None:
    path = put(tmp_path)
    for cut in (LocalFile(path, 0, len(CONTENT) + 1), LocalFile(path, 1).region(0, len(CONTENT), "part")):
        with pytest.raises(StreamCut, match=str(len(CONTENT))):
            read(cut)


def test_its_name_is_told(source: ByteSource) -> None:
    assert source.name
