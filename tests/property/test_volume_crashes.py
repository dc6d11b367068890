"""The power goes while volumes are written in place: in the end they are right to the last byte, holes included."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.disks import noise
from rig.powercut import Machine, PowerCut
from rig.transfers import MemoryBytes, disk_stream
from thresher.formats.vmdk import write_stream
from thresher.model.extent import Extent
from thresher.model.units import KIB, MIB, Bytes
from thresher.model.vm import DiskFormat
from thresher.ports import DiskStream
from thresher.transfer import buffers, pipeline
from thresher.transfer.disk import DiskTransfer, Options
from thresher.transfer.ledger import Ledger

SIZE, ROOM = MIB, MIB + 256 * KIB
"""Of the disk, and of its volume."""
CONTENTS = {
    "v1": noise(384 * KIB, 1) + bytes(256 * KIB) + noise(384 * KIB, 2),
    "v2": bytes(384 * KIB) + noise(256 * KIB, 3) + bytes(384 * KIB),
}
"""Each has holes where the other has data."""
ALL = 1 << 30
original = pipeline.Pace

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True, scope="module")
def _small_steps() -> Iterator[None]:
    """Buffers of 64 KiB and a checkpoint after each: many moments in a small disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffers, "BUFFER_BYTES", 64 * KIB)
        patch.setattr(pipeline, "Pace", lambda: original(1, 0.0))
        yield


def stream_of(version: str, form: DiskFormat) -> DiskStream:
    raw = CONTENTS[version]
    extents = [Extent(Bytes(0), Bytes(SIZE), raw)]
    data = raw if form is DiskFormat.RAW else b"".join(write_stream(extents, Bytes(SIZE), level=1))
    known = form is DiskFormat.RAW  # a VMDK that is made while it is sent does not tell how long it will be
    return disk_stream(MemoryBytes(data, version=version, known=known), form, capacity=SIZE)


def attempt(stream: DiskStream, volume: Path, machine: Machine) -> bool:
    """Write the volume until it is whole, or the power goes; whether it is whole."""
    options = Options(ledgers=volume.parent)
    with machine.running(), ThreadPoolExecutor(2) as workers:
        transfer = DiskTransfer(stream, volume, workers, options=options, progress=lambda _: None, stop=Event())
        try:
            transfer.run()
        except PowerCut:
            return False
    return True


def said_to_be(volume: Path) -> str:
    """Which content the ledger says is on the volume; "" while it does not say that it is whole."""
    ledger = Ledger.load(volume.with_name(f"{volume.name}.ledger"))
    return ledger.identity.version if ledger is not None and ledger.result is not None else ""


def new_volume(folder: Path) -> Path:
    volume = folder / "volume"
    volume.write_bytes(bytes(ROOM))
    return volume


def holds(volume: Path, version: str) -> bool:
    return volume.read_bytes() == CONTENTS[version] + bytes(ROOM - SIZE)


@pytest.mark.parametrize("form", [DiskFormat.VMDK_STREAM, DiskFormat.RAW])
def test_the_power_goes_at_every_moment_and_the_source_is_another_one_then(form: DiskFormat, tmp_path: Path) -> None:
    machine = Machine(ALL, 0)
    (tmp_path / "whole").mkdir()
    assert attempt(stream_of("v1", form), new_volume(tmp_path / "whole"), machine)
    for limit in range(len(machine.events) + 1):
        (tmp_path / str(limit)).mkdir()
        volume = new_volume(tmp_path / str(limit))
        attempt(stream_of("v1", form), volume, Machine(limit, limit))
        whole = said_to_be(volume)
        assert attempt(stream_of("v2", form), volume, Machine(ALL, 0))
        assert holds(volume, whole or "v2")


@given(
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 1000), st.sampled_from(["v1", "v2"])), max_size=6),
    st.sampled_from([DiskFormat.VMDK_STREAM, DiskFormat.RAW]),
)
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_again_and_again(cuts: list[tuple[int, int, str]], form: DiskFormat) -> None:
    with TemporaryDirectory() as folder:
        volume, whole = new_volume(Path(folder)), ""
        for limit, seed, version in cuts:
            attempt(stream_of(version, form), volume, Machine(limit, seed))
            whole = whole or said_to_be(volume)
            assert not whole or holds(volume, whole)
        assert attempt(stream_of("v1", form), volume, Machine(ALL, 0))
        assert holds(volume, whole or "v1")
