import hashlib
import threading
from pathlib import Path

import pytest

from rig.disks import noise
from thresher.model.errors import Stopped
from thresher.model.units import KIB, MIB, Bytes
from thresher.ports import Checksum
from thresher.transfer.image_hash import hash_image

SHAPES: dict[str, tuple[int, dict[int, bytes]]] = {
    "empty": (0, {}),
    "one byte": (1, {0: b"a"}),
    "a hole alone": (5 * MIB + 3, {}),
    "data alone": (3 * MIB + 5, {0: noise(3 * MIB + 5, 1)}),
    "a hole at the end": (9 * MIB + 1, {64 * KIB: noise(100, 2)}),
    "data at the end": (9 * MIB + 1, {9 * MIB: b"x"}),
    "islands": (20 * MIB, {at * MIB: noise(70 * KIB, at) for at in range(0, 20, 3)}),
}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize(("size", "pieces"), SHAPES.values(), ids=SHAPES)
def test_holes_count_as_zeros(algorithm: str, size: int, pieces: dict[int, bytes], tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(size)
        for at, data in pieces.items():
            file.seek(at)
            file.write(data)
    expected = Checksum(algorithm, hashlib.new(algorithm, path.read_bytes()).hexdigest())
    assert hash_image(path, algorithm, threading.Event(), Bytes(size)) == expected


def test_it_can_be_stopped(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").write_bytes(b"x")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        hash_image(tmp_path / "disk.raw", "sha256", stop, Bytes(1))
