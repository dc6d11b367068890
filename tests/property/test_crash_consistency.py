"""The power goes at any moment, any number of times: in the end the disk is right, or it was never called finished."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rig.disks import noise
from rig.powercut import Machine, PowerCut
from rig.transfers import DURABLE, MemoryBytes, disk_stream
from thresher.formats.vmdk import write_stream
from thresher.model.extent import Extent
from thresher.model.units import KIB, MIB, Bytes
from thresher.model.vm import DiskFormat
from thresher.ports import Checksum, DiskResult, DiskStream
from thresher.transfer import buffers, pipeline
from thresher.transfer.disk import DiskTransfer
from thresher.transfer.ledger import Ledger

SIZE = 3 * MIB
RAW = noise(MIB + 100, 1) + bytes(MIB - 100) + noise(MIB, 2)
OTHER = noise(SIZE, 3)
ALL = 1 << 30
original = pipeline.Pace

pytestmark = pytest.mark.timeout(120)


def as_vmdk(raw: bytes) -> bytes:
    return b"".join(write_stream([Extent(Bytes(0), Bytes(SIZE), raw)], Bytes(SIZE), level=1))


def stream_of(raw: bytes, form: DiskFormat, version: str, algorithm: str | None) -> DiskStream:
    data = raw if form is DiskFormat.RAW else as_vmdk(raw)
    stated = Checksum(algorithm, hashlib.new(algorithm, data).hexdigest()) if algorithm else None
    return disk_stream(MemoryBytes(data, version=version), form, capacity=SIZE, checksum=stated)


@pytest.fixture(autouse=True, scope="module")
def _small_steps() -> object:
    """Buffers of 64 KiB and a checkpoint after each: many moments in a small disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffers, "BUFFER_BYTES", 64 * KIB)
        patch.setattr(pipeline, "Pace", lambda: original(1, 0.0))
        yield


def attempt(stream: DiskStream, path: Path, machine: Machine) -> DiskResult | None:
    """Transfer the disk until it is finished or the power goes."""
    with machine.running(), ThreadPoolExecutor(2) as workers:
        transfer = DiskTransfer(stream, path, workers, options=DURABLE, progress=lambda _: None, stop=Event())
        try:
            return transfer.run()
        except PowerCut:
            return None


def called_finished(path: Path) -> bool:
    ledger = Ledger.load(path.with_name(path.name + ".ledger"))
    return path.exists() and ledger is not None and ledger.result is not None


def length_of_a_run(make: Callable[[], DiskStream]) -> int:
    with TemporaryDirectory() as folder:
        machine = Machine(ALL, 0)
        assert attempt(make(), Path(folder, "d"), machine) is not None
        return len(machine.events)


@pytest.mark.parametrize("form", [DiskFormat.VMDK_STREAM, DiskFormat.RAW])
def test_the_power_goes_at_every_third_moment(form: DiskFormat, tmp_path: Path) -> None:
    stream = stream_of(RAW, form, "v1", "sha256")
    for limit in range(0, length_of_a_run(lambda: stream) + 1, 3):
        path = tmp_path / f"d{limit}"
        if attempt(stream, path, Machine(limit, limit)) is None and called_finished(path):
            assert path.read_bytes() == RAW
        assert attempt(stream, path, Machine(ALL, 0)) is not None
        assert path.read_bytes() == RAW


@given(
    st.lists(st.tuples(st.integers(0, 130), st.integers(0, 1000), st.booleans()), max_size=6),
    st.sampled_from([DiskFormat.VMDK_STREAM, DiskFormat.RAW]),
    st.sampled_from([None, "sha1", "md5"]),
)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_again_and_again_and_the_source_may_be_replaced_and_put_back(
    cuts: list[tuple[int, int, bool]], form: DiskFormat, algorithm: str | None
) -> None:
    streams = {old: stream_of(OTHER if old else RAW, form, f"v{old}", algorithm) for old in (True, False)}
    with TemporaryDirectory() as folder:
        path = Path(folder, "d")
        for limit, seed, old in cuts:
            attempt(streams[old], path, Machine(limit, seed))
            if called_finished(path):
                assert path.read_bytes() in (RAW, OTHER)
        assert attempt(streams[False], path, Machine(ALL, 0)) is not None
        assert path.read_bytes() == RAW


@pytest.mark.parametrize("before_the_end", range(1, 4))
def test_a_new_disk_in_an_old_ones_place(before_the_end: int, tmp_path: Path) -> None:
    """The old disk still has the name that the new one is about to get."""
    old, new = (stream_of(raw, DiskFormat.RAW, raw[:4].hex(), None) for raw in (OTHER, RAW))
    path = tmp_path / "d"
    assert attempt(old, path, Machine(ALL, 0)) is not None
    attempt(new, path, Machine(length_of_a_run(lambda: new) - before_the_end, 0))
    assert attempt(new, path, Machine(ALL, 0)) is not None
    assert path.read_bytes() == RAW


def test_the_rig_really_loses_what_was_not_flushed(tmp_path: Path) -> None:
    machine = Machine(ALL, 0)
    sink = machine.sparse_file(tmp_path / "d")
    sink.open(keep=False)
    sink.write(0, [b"safe"])
    sink.flush()
    for at in range(4, 4000, 4):
        sink.write(at, [b"lost"])
    machine.off = True
    sink.close()
    content = sink.part.read_bytes()
    assert content.startswith(b"safe")
    assert content.count(b"lost") < 900
