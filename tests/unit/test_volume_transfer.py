"""Disks written in place, to a file of fixed size as the rig has volumes, and to real block devices where there are."""

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rig import loops
from rig.disks import noise
from rig.transfers import MemoryBytes, disk_stream, transfer
from thresher.formats.vmdk import write_stream
from thresher.model.errors import SourceError, Stopped, TargetError, TargetFull, VerificationError
from thresher.model.extent import Extent
from thresher.model.units import KIB, MIB, Bytes
from thresher.model.vm import DiskFormat
from thresher.ports import Checksum
from thresher.transfer import buffers, pipeline, reopen
from thresher.transfer import volume as module
from thresher.transfer.disk import Options

SIZE, ROOM = 12 * MIB, 16 * MIB
"""Of the disk, and of the volume, which may be larger."""
ONE = noise(4 * MIB, 1) + bytes(4 * MIB) + noise(4 * MIB, 2)
OTHER = bytes(4 * MIB) + noise(MIB, 3) + bytes(7 * MIB)
"""Holes where the other one has data."""
STREAM, PLAIN = DiskFormat.VMDK_STREAM, DiskFormat.RAW

pytestmark = pytest.mark.timeout(60)
original = pipeline.Pace


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush after every buffer, of which a short disk has several; do not wait before a try."""
    monkeypatch.setattr(buffers, "BUFFER_BYTES", MIB)
    monkeypatch.setattr(pipeline, "Pace", lambda: original(1, 0.0))
    monkeypatch.setattr(reopen, "FIRST_DELAY_S", 0.0)


@contextmanager
def fixed_file(path: Path) -> Iterator[Path]:
    with path.open("wb") as file:
        file.truncate(ROOM)
    yield path


@pytest.fixture(params=["file", *(["device"] if loops.are_to_be_had() else [])])
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    made = fixed_file(tmp_path / "volume") if request.param == "file" else loops.block_device(tmp_path / "loop", ROOM)
    with made as path:
        yield path


@pytest.fixture
def options(tmp_path: Path) -> Options:
    (tmp_path / "ledgers").mkdir()
    return Options(ledgers=tmp_path / "ledgers")


def vmdk(raw: bytes) -> bytes:
    return b"".join(write_stream([Extent(Bytes(0), Bytes(SIZE), raw)], Bytes(SIZE), level=1))


def holds(volume: Path, raw: bytes) -> bool:
    """Whether the volume has these bytes, then zeros, and its size."""
    with volume.open("rb") as file:
        return file.read() == raw + bytes(ROOM - SIZE)


def ledger_of(volume: Path, options: Options) -> Path:
    assert options.ledgers is not None
    return options.ledgers / f"{volume.name}.ledger"


def broken_off(volume: Path, options: Options, data: bytes, at: int, form: DiskFormat = STREAM) -> MemoryBytes:
    """A transfer that loses its source at ``at``, for good, after something was made durable."""
    source = MemoryBytes(data)

    def gone(place: int) -> None:
        tick = threading.Event()
        while place >= at:
            if ledger_of(volume, options).stat().st_size:
                raise SourceError("the source is gone")
            tick.wait(0.01)

    source.on_read = gone
    with pytest.raises(SourceError, match="gone"):
        transfer(disk_stream(source, form, capacity=SIZE), volume, options=options)
    return source


@pytest.mark.parametrize("form", [STREAM, PLAIN])
def test_a_disk_is_written_to_its_place_and_the_ledger_elsewhere(
    volume: Path, options: Options, form: DiskFormat
) -> None:
    data = ONE if form is PLAIN else vmdk(ONE)
    result = transfer(disk_stream(MemoryBytes(data), form, capacity=SIZE), volume, options=options)
    assert holds(volume, ONE)
    assert (result.capacity, result.data) == (SIZE, 8 * MIB)
    assert options.ledgers is not None
    assert [path.name for path in options.ledgers.iterdir()] == [f"{volume.name}.ledger"]


def test_a_new_volume_is_not_zeroed(volume: Path, options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it is all zeros")

    monkeypatch.setattr(module, "_zero", never)
    transfer(disk_stream(MemoryBytes(vmdk(OTHER)), STREAM), volume, options=options)
    assert holds(volume, OTHER)


def test_what_was_flushed_is_gone_on_with(volume: Path, options: Options) -> None:
    data = vmdk(ONE)
    broken_off(volume, options, data, 6 * MIB)
    again = MemoryBytes(data)
    transfer(disk_stream(again, STREAM, capacity=SIZE), volume, options=options)
    assert holds(volume, ONE)
    assert again.opened[0] > 0, "it did not begin anew"


def test_other_bytes_begin_anew_on_zeros(volume: Path, options: Options) -> None:
    broken_off(volume, options, vmdk(ONE), 6 * MIB)
    transfer(disk_stream(MemoryBytes(vmdk(OTHER), version="v2"), STREAM), volume, options=options)
    assert holds(volume, OTHER)


@pytest.mark.parametrize("version", ["v1", "v2"], ids=["same", "other"])
def test_a_finished_volume_is_never_written_to_again(volume: Path, options: Options, version: str) -> None:
    """The import may count on it already."""
    transfer(disk_stream(MemoryBytes(vmdk(ONE), known=False), STREAM), volume, options=options)
    again = MemoryBytes(vmdk(OTHER), known=False, version=version)
    transfer(disk_stream(again, STREAM, capacity=SIZE), volume, options=options)
    assert again.opened == []
    assert holds(volume, ONE)


@pytest.mark.parametrize("how", ["size", "checksum", "content"])
def test_a_source_that_changed_since_one_of_its_volumes_was_whole_is_refused(
    volume: Path, options: Options, how: str
) -> None:
    """Else the new VM would have one disk of the old content and another of the new."""
    for number, raw in enumerate((ONE, OTHER)):
        data = vmdk(raw)
        stated = Checksum("sha256", hashlib.sha256(data).hexdigest()) if how == "checksum" else None
        source = MemoryBytes(data, known=how == "size", version=f"v{number}")
        stream = disk_stream(source, STREAM, capacity=SIZE, checksum=stated)
        stream = replace(stream, content=f"c0ffee{number}" if how == "content" else "")
        if raw is ONE:
            transfer(stream, volume, options=options)
        else:
            with pytest.raises(VerificationError, match="changed while it was imported"):
                transfer(stream, volume, options=options)
    assert holds(volume, ONE)


def test_a_finished_volume_of_a_disk_that_has_another_size_now_is_refused(volume: Path, options: Options) -> None:
    transfer(disk_stream(MemoryBytes(vmdk(ONE)), STREAM), volume, options=options)
    with pytest.raises(VerificationError):
        transfer(disk_stream(MemoryBytes(vmdk(ONE)), STREAM, capacity=SIZE + MIB), volume, options=options)
    assert holds(volume, ONE)


def test_a_disk_that_failed_for_good_leaves_a_volume_that_is_known_to_be_dirty(volume: Path, options: Options) -> None:
    wrong = Checksum("sha256", "0" * 64)
    with pytest.raises(VerificationError):
        transfer(disk_stream(MemoryBytes(vmdk(ONE)), STREAM, checksum=wrong), volume, options=options)
    transfer(disk_stream(MemoryBytes(vmdk(OTHER)), STREAM), volume, options=options)
    assert holds(volume, OTHER)


def test_it_is_dirty_from_before_the_first_write(volume: Path, options: Options) -> None:
    source, seen = MemoryBytes(vmdk(ONE)), []
    source.on_read = lambda _: seen.append(ledger_of(volume, options).exists())
    transfer(disk_stream(source, STREAM), volume, options=options)
    assert seen
    assert all(seen)


def test_a_ledger_that_cannot_be_read_is_one_of_a_dirty_volume(volume: Path, options: Options) -> None:
    broken_off(volume, options, vmdk(ONE), 6 * MIB)
    ledger_of(volume, options).write_text("{")
    transfer(disk_stream(MemoryBytes(vmdk(OTHER)), STREAM), volume, options=options)
    assert holds(volume, OTHER)


@pytest.mark.parametrize("refused", [1, 2], ids=["no-holes", "no-zeroing"])
def test_what_the_device_cannot_zero_is_written(
    volume: Path, options: Options, refused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = module._fallocate, []

    def refuse(descriptor: int, mode: int, begin: int, length: int) -> None:
        calls.append(mode)
        if len(calls) <= refused:
            raise OSError(95, "Operation not supported")
        real(descriptor, mode, begin, length)

    monkeypatch.setattr(module, "_fallocate", refuse)
    broken_off(volume, options, vmdk(ONE), 6 * MIB)
    transfer(disk_stream(MemoryBytes(vmdk(OTHER), version="v2"), STREAM), volume, options=options)
    assert holds(volume, OTHER)
    assert len(calls) == 2


def test_the_checksum_is_that_of_the_disk_and_not_of_the_larger_volume(volume: Path, options: Options) -> None:
    hashed = Options(ledgers=options.ledgers, image_checksum="sha512")
    for _ in range(2):  # at the end of the transfer, then of the disk that is there
        result = transfer(disk_stream(MemoryBytes(vmdk(ONE)), STREAM), volume, options=hashed)
        assert result.checksum == Checksum("sha512", hashlib.sha512(ONE).hexdigest())


def test_a_disk_that_is_adopted_is_hashed_where_that_is_asked_for_later(volume: Path, options: Options) -> None:
    transfer(disk_stream(MemoryBytes(vmdk(ONE)), STREAM), volume, options=options)
    hashed = Options(ledgers=options.ledgers, image_checksum="sha512")
    result = transfer(disk_stream(MemoryBytes(vmdk(ONE)), STREAM), volume, options=hashed)
    assert result.checksum == Checksum("sha512", hashlib.sha512(ONE).hexdigest())


def test_a_disk_that_is_larger_than_its_volume_is_refused(volume: Path, options: Options) -> None:
    large = bytes(ROOM + 64 * KIB)
    with pytest.raises(TargetError, match="larger than its description says"):
        transfer(disk_stream(MemoryBytes(large), PLAIN), volume, options=options)


@pytest.mark.parametrize("call", ["pwritev", "fdatasync"])
def test_storage_without_room_is_no_full_scratch_volume(
    volume: Path, options: Options, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room on scratch is waited for; of the storage behind a volume nobody can see from here that it came."""

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(TargetError, match="has no room left") as caught:
        transfer(disk_stream(MemoryBytes(vmdk(ONE)), STREAM), volume, options=options)
    assert not isinstance(caught.value, TargetFull)


def test_blanking_can_be_stopped(volume: Path, options: Options) -> None:
    broken_off(volume, options, vmdk(ONE), 6 * MIB)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        module.VolumeFile(volume, dirty=True, stop=stop).open(keep=False)


def test_a_blank_disk_is_a_volume_of_zeros(volume: Path, options: Options) -> None:
    result = transfer(disk_stream(None, DiskFormat.BLANK, capacity=SIZE), volume, options=options)
    assert (result.capacity, result.data) == (SIZE, 0)
    assert holds(volume, bytes(SIZE))


def test_an_image_that_qemu_img_reads(volume: Path, options: Options, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(ONE)
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(tmp_path / "raw"), str(tmp_path / "qcow2")]
    subprocess.run(command, check=True)  # noqa: S603 - our own words
    broken_off(volume, options, vmdk(OTHER), MIB)
    for seekable in (True, False):
        source = MemoryBytes((tmp_path / "qcow2").read_bytes(), seekable=seekable)
        stream = disk_stream(source, DiskFormat.QCOW2, capacity=SIZE)
        assert transfer(stream, volume, options=options).capacity == SIZE
        assert holds(volume, ONE)
        ledger_of(volume, options).write_text("")


def test_a_volume_that_is_not_there_is_named(options: Options, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="gone"):
        transfer(disk_stream(MemoryBytes(ONE), PLAIN), tmp_path / "gone", options=options)
    assert not (tmp_path / "gone").exists(), "nothing is made in its place"
