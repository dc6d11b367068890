"""Extent lines of VMDK descriptors: VMware, Virtual Disk Format 5.0, "The Extent Descriptions"."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.formats.vmdk import DescriptorExtent, parse_extents
from thresher.model.errors import VmdkError
from thresher.model.units import Sectors


@pytest.mark.parametrize(
    ("line", "extent"),
    [
        ('RW 4192256 SPARSE "test-s001.vmdk"', DescriptorExtent(Sectors(4192256), "SPARSE", "test-s001.vmdk")),
        ('RW 1048576 FLAT "test-f001.vmdk" 0', DescriptorExtent(Sectors(1048576), "FLAT", "test-f001.vmdk")),
        ('RDONLY 63 FLAT "a b.vmdk" 1024', DescriptorExtent(Sectors(63), "FLAT", "a b.vmdk", 1024)),
        ('RW 16777216 VMFS "vm-flat.vmdk"', DescriptorExtent(Sectors(16777216), "VMFS", "vm-flat.vmdk")),
        ('RW 8 VMFSSPARSE "vm-delta.vmdk"', DescriptorExtent(Sectors(8), "VMFSSPARSE", "vm-delta.vmdk")),
        ("RW 10 ZERO", DescriptorExtent(Sectors(10), "ZERO")),
        ('  rw\t10  flat\t"x"  0 \r', DescriptorExtent(Sectors(10), "FLAT", "x")),
    ],
)
def test_an_extent_line(line: str, extent: DescriptorExtent) -> None:
    text = f'# Disk DescriptorFile\nversion=1\n# RW 5 ZERO\n{line}\nddb.adapterType = "ide"\n'
    assert parse_extents(text) == (extent,)


def test_the_order_is_the_disks() -> None:
    text = 'RW 2 SPARSE "b"\nRDONLY 3 ZERO\nRW 1 FLAT "a" 7\n'
    assert [extent.sectors for extent in parse_extents(text)] == [2, 3, 1]


@pytest.mark.parametrize(
    "line",
    [
        'NOACCESS 10 FLAT "x" 0',
        'RW ten FLAT "x" 0',
        'RW -1 FLAT "x" 0',
        "RW 10 FLAT",
        'RW 10 FLAT "x" 0 y',
        'RW 10 FLAT "" 0',
        'RW 10 ZERO "x"',
        'RW 10 VMFSRDM "x"',
        'RW 10 SESPARSE "x"',
        "RW",
        'RW 1000000000000000000 FLAT "x" 0',
    ],
)
def test_a_line_that_cannot_be_carried_out_is_refused(line: str) -> None:
    with pytest.raises(VmdkError):
        parse_extents(line)


@given(st.text(alphabet='RWDONLYSPAEZF 0123456789"\n\r\t.x') | st.text())
def test_any_text_ends_in_extents_or_in_the_formats_error(text: str) -> None:
    with contextlib.suppress(VmdkError):
        for extent in parse_extents(text):
            assert extent.sectors >= 0
            assert (extent.type == "ZERO") == (not extent.name)
