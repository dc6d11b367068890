"""Sparse files as gzip: what any unpacker makes of it is the file, byte for byte."""

import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.model.units import GIB, MIB
from thresher.transfer.serving.crc import crc_of_zeros
from thresher.transfer.serving.gzip import BUFFER, gzipped

PAGE = 4096


def packed(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = gzipped(descriptor, path.stat().st_size, memoryview(bytearray(BUFFER)))
        return b"".join(bytes(buffer) for buffers in parts for buffer in buffers)
    finally:
        os.close(descriptor)


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 200)), max_size=6), st.integers(0, 1100), st.integers(0, 9)
)
@settings(deadline=None, max_examples=60)
def test_any_layout(
    tmp_path_factory: pytest.TempPathFactory, islands: list[tuple[int, int]], pages: int, odd: int
) -> None:
    path = tmp_path_factory.mktemp("layout") / "disk.raw"
    with path.open("wb") as file:
        for page, length in islands:
            file.seek(page * PAGE)
            file.write(os.urandom(length * PAGE))
        file.truncate(pages * PAGE + odd * 512)
    assert zlib.decompress(packed(path), wbits=31) == path.read_bytes()


@pytest.mark.parametrize("size", [0, 1, 512, 65535, 65536, BUFFER, BUFFER + 1, 3 * MIB + 512])
@pytest.mark.parametrize("sparse", [True, False], ids=["hole", "data"])
def test_sizes_at_the_edges(size: int, sparse: bool, tmp_path: Path) -> None:  # noqa: FBT001
    path = tmp_path / "disk.raw"
    path.write_bytes(b"" if sparse else os.urandom(size))
    os.truncate(path, size)
    assert zlib.decompress(packed(path), wbits=31) == path.read_bytes()


def test_a_hole_costs_a_thousandth(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.touch()
    os.truncate(path, GIB)
    assert len(packed(path)) < GIB // 900


def test_a_file_that_shrank_has_no_trailer(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(os.urandom(3 * MIB))
    descriptor = os.open(path, os.O_RDONLY)
    unpacker = zlib.decompressobj(wbits=31)
    with pytest.raises(OSError, match=r"ended|no longer"):  # noqa: PT012 - it may fail at any step
        for buffers in gzipped(descriptor, 3 * MIB, memoryview(bytearray(BUFFER))):
            unpacker.decompress(b"".join(bytes(buffer) for buffer in buffers))
            os.truncate(path, MIB)
    os.close(descriptor)
    assert not unpacker.eof


@given(st.integers(0, 5 * MIB), st.binary(max_size=30))
@settings(deadline=None, max_examples=50)
def test_crc_over_zeros_is_zlibs(length: int, before: bytes) -> None:
    assert crc_of_zeros(length, zlib.crc32(before)) == zlib.crc32(bytes(length), zlib.crc32(before))


def test_crc_over_a_long_hole_is_zlibs_combination() -> None:
    expected = zlib.crc32(b"begin")
    for _ in range(300):
        expected = zlib.crc32(bytes(MIB), expected)
    assert crc_of_zeros(300 * MIB, zlib.crc32(b"begin")) == expected
