import zlib
from itertools import pairwise

import pytest

from thresher.model.units import GIB, MIB, Bytes
from thresher.samples.disk import sample_disk


def test_its_extents_ascend_without_overlap_inside_the_disk() -> None:
    capacity = Bytes(GIB)
    extents = list(sample_disk(capacity, 1, marker="m", data=Bytes(12 * MIB)))
    assert [e.offset for e in extents] == sorted(e.offset for e in extents)
    assert all(a.end <= b.offset for a, b in pairwise(extents))
    assert extents[-1].end <= capacity
    assert sum(e.length for e in extents) == 512 + 12 * MIB
    assert extents[-1].offset > capacity * 3 // 4  # spread, not heaped up at the start


def test_a_seed_gives_the_same_disk_and_another_seed_another() -> None:
    def disk(seed: int) -> list[tuple[int, bytes]]:
        return [(e.offset, bytes(e.data or b"")) for e in sample_disk(Bytes(8 * MIB), seed, data=Bytes(2 * MIB))]

    assert disk(1) == disk(1)
    assert disk(1) != disk(2)


def test_some_of_it_compresses_and_some_does_not() -> None:
    ratios = [
        len(zlib.compress(e.data or b"", 1)) / e.length for e in sample_disk(Bytes(8 * MIB), 1, data=Bytes(4 * MIB))
    ]
    assert min(ratios) < 0.2
    assert max(ratios) > 0.99


@pytest.mark.parametrize(("capacity", "data"), [(8 * MIB, 8 * MIB), (8 * MIB + 1, MIB), (512, 0)])
def test_what_does_not_fit_is_refused(capacity: int, data: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        list(sample_disk(Bytes(capacity), 1, data=Bytes(data)))
