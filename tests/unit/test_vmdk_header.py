"""The sparse extent header; places and values by VMware's "Virtual Disk Format 5.0", "Hosted Sparse Extent Header"."""

import struct

import pytest

from rig import vmdk
from thresher.formats.vmdk import MAX_CAPACITY, SparseHeader
from thresher.formats.vmdk.header import GD_AT_END, pack_header
from thresher.model.errors import VmdkError
from thresher.model.units import GIB, SECTOR, TIB, Sectors

GOOD = vmdk.Header(16 * GIB // SECTOR).pack()
VERSION, FLAGS, CAPACITY, GRAIN, GTES, DIRECTORY, OVERHEAD, NEWLINES, ALGORITHM = 4, 8, 12, 20, 44, 56, 64, 73, 77


def changed(place: int, form: str, value: int) -> bytes:
    data = bytearray(GOOD)
    struct.pack_into(form, data, place, value)
    return bytes(data)


def test_the_fields_of_a_header() -> None:
    header = SparseHeader.parse(GOOD)
    assert header == SparseHeader(3, Sectors(33554432), Sectors(128), Sectors(128), Sectors(0), footer=True)
    assert header.capacity_bytes == 16 * GIB
    assert header.grain_bytes == 65536


def test_a_directory_in_front_needs_no_footer() -> None:
    header = SparseHeader.parse(changed(DIRECTORY, "<Q", 26))
    assert (header.directory, header.footer) == (26, False)


@pytest.mark.parametrize(
    ("capacity", "sectors"),
    [(0, 0), (1, 4 + 1), (128 * 512, 4 + 1), (128 * 512 + 1, 2 * 4 + 1), (128 * 512 * 129, 129 * 4 + 2)],
)
def test_a_table_is_four_sectors_and_a_directory_four_bytes_for_each(capacity: int, sectors: int) -> None:
    assert SparseHeader.parse(vmdk.Header(capacity).pack()).metadata_sectors == sectors


@pytest.mark.parametrize("version", [1, 2, 3])
def test_known_versions(version: int) -> None:
    assert SparseHeader.parse(changed(VERSION, "<I", version)).version == version


@pytest.mark.parametrize("grain", [8, 16, 128, 4096])
def test_grains_are_powers_of_two(grain: int) -> None:
    assert SparseHeader.parse(changed(GRAIN, "<Q", grain)).grain == grain


def test_an_overhead_of_zero_still_has_the_header_in_front() -> None:
    assert SparseHeader.parse(changed(OVERHEAD, "<Q", 0)).overhead == 1


def test_the_newline_test_counts_only_where_it_is_announced() -> None:
    data = bytearray(changed(FLAGS, "<I", 0x30000))
    data[NEWLINES : NEWLINES + 4] = b"\n \n\n"
    assert SparseHeader.parse(bytes(data)).capacity == 33554432


def test_the_largest_disk() -> None:
    assert SparseHeader.parse(changed(CAPACITY, "<Q", 64 * TIB // SECTOR)).capacity_bytes == MAX_CAPACITY


BAD = {
    "magic": (b"COWD" + GOOD[4:], "KDMV"),
    "version 0": (changed(VERSION, "<I", 0), "version 0"),
    "version 4": (changed(VERSION, "<I", 4), "version 4"),
    "not compressed": (changed(FLAGS, "<I", 0x20001), "stream-optimized"),
    "without markers": (changed(FLAGS, "<I", 0x10001), "stream-optimized"),
    "copied as text": (changed(NEWLINES + 2, "<B", ord("\n")), "text mode"),
    "unknown compression": (changed(ALGORITHM, "<H", 2), "compression 2"),
    "no compression": (changed(ALGORITHM, "<H", 0), "compression 0"),
    "grain 0": (changed(GRAIN, "<Q", 0), "grains of 0"),
    "grain 4": (changed(GRAIN, "<Q", 4), "grains of 4"),
    "grain 100": (changed(GRAIN, "<Q", 100), "grains of 100"),
    "grain 8192": (changed(GRAIN, "<Q", 8192), "grains of 8192"),
    "grain 2^63": (changed(GRAIN, "<Q", 1 << 63), "grains of"),
    "one sector too large": (changed(CAPACITY, "<Q", 64 * TIB // SECTOR + 1), "64.0 TiB"),
    "capacity 2^64 - 1": (changed(CAPACITY, "<Q", (1 << 64) - 1), "64.0 TiB"),
    "too many tiny grains": (
        vmdk.Header(16 * TIB // SECTOR, grain_size=16).pack(),
        "too many",
    ),
    "table of 511": (changed(GTES, "<I", 511), "511 entries"),
    "table of 0": (changed(GTES, "<I", 0), "0 entries"),
    "overhead of 2^62": (changed(OVERHEAD, "<Q", 1 << 62), "begins at sector"),
}


@pytest.mark.parametrize(("data", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_is_refused_with_its_place(data: bytes, words: str) -> None:
    with pytest.raises(VmdkError, match=words) as caught:
        SparseHeader.parse(data, offset=4096)
    assert caught.value.offset == 4096


def test_packed_is_what_the_specification_lays_out() -> None:
    packed = pack_header(
        capacity=Sectors(33554432), grain=Sectors(128), descriptor=(1, 20), gd_offset=GD_AT_END, overhead=Sectors(128)
    )
    assert packed == GOOD
