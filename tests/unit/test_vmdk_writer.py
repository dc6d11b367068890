"""The writer of stream-optimized VMDKs, read by QEMU and by hand."""

import struct
import subprocess
from pathlib import Path

import pytest

from rig.disks import noise, require, text
from rig.streams import whole
from thresher.formats.vmdk import write_stream
from thresher.formats.vmdk.writer import grains
from thresher.model.extent import Extent
from thresher.model.units import KIB, MIB, SECTOR, Bytes

GRAIN = 64 * KIB


def extent(offset: int, data: bytes) -> Extent:
    return Extent(Bytes(offset), Bytes(len(data)), data)


def zeros(offset: int, length: int) -> Extent:
    return Extent(Bytes(offset), Bytes(length), None)


def raw_of(extents: list[Extent], capacity: int) -> bytes:
    raw = bytearray(capacity)
    for one in extents:
        if one.data is not None:
            raw[one.offset : one.end] = one.data
    return bytes(raw)


DISKS = {
    "one sector": ([extent(0, noise(SECTOR, 1))], SECTOR),
    "nothing": ([], 3 * MIB),
    "zeros alone": ([zeros(0, MIB), extent(MIB, bytes(MIB))], 3 * MIB),
    "over a grain's edge": ([extent(GRAIN - 100, noise(300, 2))], MIB),
    "two in one grain": ([extent(10, b"a"), zeros(11, 50), extent(100, b"b")], MIB),
    "short last grain": ([extent(MIB, noise(SECTOR, 3))], MIB + SECTOR),
    "three tables, one empty": ([extent(0, text(GRAIN, 4)), extent(70 * MIB, text(GRAIN, 5))], 71 * MIB),
    "second table alone": ([extent(33 * MIB, text(GRAIN, 6))], 34 * MIB),
}


@pytest.mark.parametrize(("extents", "capacity"), DISKS.values(), ids=DISKS)
def test_qemu_reads_the_same_disk(extents: list[Extent], capacity: int, tmp_path: Path) -> None:
    require("qemu-img")
    (tmp_path / "d.vmdk").write_bytes(b"".join(write_stream(extents, Bytes(capacity))))
    command = ["qemu-img", "convert", "-f", "vmdk", "-O", "raw", str(tmp_path / "d.vmdk"), str(tmp_path / "d.raw")]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  fixed arguments
    assert (tmp_path / "d.raw").read_bytes() == raw_of(extents, capacity)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_the_parser_reads_the_same_disk(level: int) -> None:
    for extents, capacity in DISKS.values():
        read = whole(write_stream(extents, Bytes(capacity), level=level))
        assert read.ended
        assert read.disk(capacity) == raw_of(extents, capacity)


def test_grains_of_zeros_are_left_out() -> None:
    extents, capacity = DISKS["zeros alone"]
    assert whole(write_stream(extents, Bytes(capacity))).grains == {}


def test_the_header_sends_readers_to_the_footer_and_the_footer_to_the_directory() -> None:
    data = b"".join(write_stream([extent(33 * MIB, text(GRAIN, 7))], Bytes(34 * MIB)))
    assert struct.unpack_from("<Q", data, 56) == (0xFFFFFFFFFFFFFFFF,)
    footer = len(data) - 2 * SECTOR
    assert data[footer : footer + 4] == b"KDMV"
    (directory,) = struct.unpack_from("<Q", data, footer + 56)
    entries = struct.unpack_from("<2I", data, directory * SECTOR)
    assert entries[0] == 0
    (place,) = struct.unpack_from("<I", data, entries[1] * SECTOR + 16 * 4)  # 33 MiB is grain 16 of the second table
    assert struct.unpack_from("<Q", data, place * SECTOR) == (33 * MIB // SECTOR,)
    assert data[-SECTOR:] == bytes(SECTOR)


BAD = {
    "back": [extent(GRAIN, b"x"), extent(0, b"x")],
    "overlap": [extent(0, b"xx"), extent(1, b"x")],
    "beyond": [extent(MIB - 1, b"xx")],
    "zeros beyond": [zeros(MIB, 1)],
}


@pytest.mark.parametrize("extents", BAD.values(), ids=BAD)
def test_extents_that_cannot_be(extents: list[Extent]) -> None:
    with pytest.raises(ValueError, match="extent"):
        list(grains(extents, Bytes(MIB)))


def test_a_capacity_in_whole_sectors() -> None:
    with pytest.raises(ValueError, match="512"):
        list(write_stream([], Bytes(1000)))
