"""Grain tables in front of the data, as QEMU writes them: what they name has to come."""

import struct

import pytest

from rig import vmdk
from thresher.formats.vmdk import SparseHeader
from thresher.formats.vmdk.tables import FrontTables
from thresher.model.units import SECTOR, Sectors

TABLE_SECTORS = 4
DIRECTORY = 21


def front(tables: list[list[int]], directory: list[int] | None = None) -> tuple[SparseHeader, bytes]:
    """A header, and the bytes from its end to the data: descriptor, directory, tables, padding."""
    first = DIRECTORY + 1
    places = [first + TABLE_SECTORS * number for number in range(len(tables))] if directory is None else directory
    body = b"".join(struct.pack("<512I", *entries) for entries in tables)
    behind = vmdk.padded(struct.pack(f"<{len(places)}I", *places)) + body
    data = bytes((DIRECTORY - 1) * SECTOR) + behind + bytes(5 * SECTOR)
    capacity = Sectors(len(tables) * 512 * 128)
    return SparseHeader(3, capacity, Sectors(128), Sectors(1 + len(data) // SECTOR), Sectors(DIRECTORY)), data


def promised(header: SparseHeader, data: bytes, step: int) -> int | None:
    tables = FrontTables(header)
    for at in range(0, len(data), step):
        tables.receive(memoryview(data)[at : at + step])
    return tables.promised


@pytest.mark.parametrize("step", [1, 3, 511, 512, 513, 1 << 20])
def test_places_count_and_holes_and_zero_grains_do_not(step: int) -> None:
    header, data = front([[0, 1, 200, 201] + [0] * 508, [0] * 512, [0] * 511 + [0xFFFFFFFF]])
    assert promised(header, data, step) == 3


def test_an_empty_disk_promises_nothing_at_all() -> None:
    header, data = front([[0] * 512])
    assert promised(header, data, 4096) == 0


def test_a_front_that_did_not_wholly_come_promises_nothing_known() -> None:
    header, data = front([[200] * 512])
    assert promised(header, data[: (DIRECTORY + 3) * SECTOR], 512) is None


@pytest.mark.parametrize("directory", [[0, 0], [26, 22], [22, 27], [23, 27]])
def test_tables_elsewhere_are_not_counted(directory: list[int]) -> None:
    header, data = front([[200] * 512, [201] * 512], directory)
    assert promised(header, data, 512) is None


def test_tables_that_do_not_fit_in_front_are_not_counted() -> None:
    header, data = front([[200] * 512])
    short = SparseHeader(3, header.capacity, header.grain, Sectors(DIRECTORY + 3), header.directory)
    assert promised(short, data, 512) is None


def test_without_a_directory_in_front_nothing_is_known() -> None:
    header = SparseHeader.parse(vmdk.Header(128 * 512).pack())
    assert promised(header, bytes(127 * SECTOR), 512) is None


def test_a_disk_of_no_sectors_has_no_tables() -> None:
    header = SparseHeader(3, Sectors(0), Sectors(128), Sectors(128), Sectors(DIRECTORY))
    assert promised(header, bytes(127 * SECTOR), 512) is None
