"""One disk, from its source to its final name."""

import asyncio
import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from rig import vmdk
from rig.disks import noise
from rig.transfers import DURABLE, MemoryBytes, disk_stream, transfer
from thresher.formats.vmdk import write_stream
from thresher.model.errors import (
    ImageError,
    SourceError,
    Stopped,
    StreamCut,
    TargetError,
    ThresherError,
    VerificationError,
    VmdkError,
)
from thresher.model.extent import Extent
from thresher.model.units import KIB, MIB, SECTOR, Bytes
from thresher.model.vm import Disk, DiskFormat
from thresher.ports import Checksum, DiskStream, Export, Progress
from thresher.transfer import disk as module
from thresher.transfer import pipeline, reopen
from thresher.transfer.disk import Options
from thresher.transfer.disks import ThreadTransfer
from thresher.transfer.ledger import Ledger

SIZE = 24 * MIB + SECTOR
RAW = noise(9 * MIB, 1) + bytes(8 * MIB) + noise(7 * MIB + SECTOR, 2)
VMDK = b"".join(write_stream([Extent(Bytes(0), Bytes(SIZE), RAW)], Bytes(SIZE), level=1))
BROKEN = VMDK[: 10 * MIB] + bytes([VMDK[10 * MIB] ^ 1]) + VMDK[10 * MIB + 1 :]
STREAM, PLAIN = DiskFormat.VMDK_STREAM, DiskFormat.RAW

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flush after every buffer; do not wait before a try."""
    monkeypatch.setattr(pipeline, "Pace", lambda: original(1, 0.0))
    monkeypatch.setattr(reopen, "FIRST_DELAY_S", 0.0)


original = pipeline.Pace


def checksum(data: bytes, algorithm: str = "sha256") -> Checksum:
    return Checksum(algorithm, hashlib.new(algorithm, data).hexdigest())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupted(stream: DiskStream, path: Path, at: int = 12 * MIB) -> None:
    """A transfer that loses its source at ``at``, for good, with a ledger of what was safe by then."""
    source = stream.bytes
    assert isinstance(source, MemoryBytes)

    def gone(place: int) -> None:
        if place >= at:
            wait_for(path.with_name(path.name + ".ledger"))
            raise SourceError("the source is gone")

    source.on_read = gone
    with pytest.raises(SourceError, match="gone"):
        transfer(stream, path)
    source.on_read = lambda _: None
    source.opened.clear()
    source.served = 0


def wait_for(path: Path) -> None:
    """Flushing goes on at its own speed beside the reader."""
    tick = threading.Event()
    for _ in range(1000):
        if path.exists():
            return
        tick.wait(0.01)


def test_a_blank_disk(tmp_path: Path) -> None:
    result = transfer(disk_stream(None, DiskFormat.BLANK, capacity=5 * MIB), tmp_path / "d")
    assert (result.capacity, result.data, result.read) == (5 * MIB, 0, 0)
    assert (tmp_path / "d").read_bytes() == bytes(5 * MIB)
    assert (tmp_path / "d").stat().st_blocks == 0


def test_a_blank_disk_without_a_capacity(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no capacity"):
        transfer(disk_stream(None, DiskFormat.BLANK), tmp_path / "d")
    assert names(tmp_path) == []


def test_a_blank_disk_that_is_to_be_larger_now(tmp_path: Path) -> None:
    for capacity in (MIB, 2 * MIB):
        transfer(disk_stream(None, DiskFormat.BLANK, capacity=capacity), tmp_path / "d")
        assert (tmp_path / "d").stat().st_size == capacity


@pytest.mark.parametrize(("form", "data"), [(PLAIN, RAW), (STREAM, VMDK)])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512", "md5"])
def test_a_disk_with_its_checksum(form: DiskFormat, data: bytes, algorithm: str, tmp_path: Path) -> None:
    stream = disk_stream(MemoryBytes(data), form, capacity=SIZE, checksum=checksum(data, algorithm))
    result = transfer(stream, tmp_path / "d")
    assert (tmp_path / "d").read_bytes() == RAW
    assert (result.capacity, result.data, result.read) == (SIZE, 16 * MIB + SECTOR, len(data))
    assert algorithm in result.verified
    assert (tmp_path / "d").stat().st_blocks * SECTOR < 17 * MIB
    assert names(tmp_path) == ["d", "d.ledger"]


def test_the_capacity_of_a_raw_stream_of_unknown_length_is_the_stated_one(tmp_path: Path) -> None:
    stream = disk_stream(MemoryBytes(RAW, known=False), PLAIN, capacity=SIZE)
    assert transfer(stream, tmp_path / "d").capacity == SIZE


DAMAGED = {
    "checksum": (MemoryBytes(VMDK), STREAM, SIZE, checksum(b""), VerificationError),
    "md5": (MemoryBytes(VMDK), STREAM, SIZE, checksum(b"", "md5"), VerificationError),
    "capacity": (MemoryBytes(VMDK), STREAM, SIZE + SECTOR, None, VerificationError),
    "raw capacity": (MemoryBytes(RAW), PLAIN, SIZE + SECTOR, None, VerificationError),
    "raw too long": (MemoryBytes(RAW, known=False), PLAIN, SIZE - SECTOR, None, VerificationError),
    "grain": (MemoryBytes(BROKEN), STREAM, SIZE, None, VmdkError),
    "cut file": (MemoryBytes(VMDK[: 10 * MIB]), STREAM, SIZE, None, ImageError),
    "no VMDK": (MemoryBytes(RAW), STREAM, SIZE, None, VmdkError),
    "unknown": (MemoryBytes(RAW), DiskFormat.UNKNOWN, SIZE, None, ImageError),
}


@pytest.mark.parametrize("options", [DURABLE, Options(durable=False)], ids=["durable", "not"])
@pytest.mark.parametrize(("source", "form", "capacity", "stated", "error"), DAMAGED.values(), ids=DAMAGED)
def test_what_is_damaged_leaves_nothing(
    source: MemoryBytes,
    form: DiskFormat,
    capacity: int,
    stated: Checksum | None,
    error: type[ThresherError],
    options: Options,
    tmp_path: Path,
) -> None:
    with pytest.raises(error):
        transfer(disk_stream(source, form, capacity=capacity, checksum=stated), tmp_path / "d", options=options)
    assert names(tmp_path) == []


def test_a_raw_stream_of_no_known_length_at_all(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not say how long"):
        transfer(disk_stream(MemoryBytes(RAW, known=False), PLAIN), tmp_path / "d")


def test_a_finished_disk_is_not_done_again(tmp_path: Path) -> None:
    source = MemoryBytes(VMDK)
    stream = disk_stream(source, STREAM, capacity=SIZE)
    first = transfer(stream, tmp_path / "d")
    source.opened.clear()
    assert transfer(stream, tmp_path / "d") == first
    assert source.opened == []


def by_another_process(path: Path) -> None:
    ledger = path.with_name(path.name + ".ledger")
    ledger.write_text(json.dumps(json.loads(ledger.read_text()) | {"writer": "another"}))


@pytest.mark.parametrize("tells", ["nothing", "version", "content"])
def test_a_disk_that_another_process_finished_is_taken_where_something_tells_its_content(
    tells: str, tmp_path: Path
) -> None:
    source = MemoryBytes(VMDK, version="v1" if tells == "version" else "", known=False)
    stream = replace(disk_stream(source, STREAM, capacity=SIZE), content="c0ffee" if tells == "content" else "")
    transfer(stream, tmp_path / "d")
    transfer(stream, tmp_path / "d")
    assert source.opened == [0], "this process knows what it did"
    by_another_process(tmp_path / "d")
    transfer(stream, tmp_path / "d")
    assert source.opened == ([0, 0] if tells == "nothing" else [0])


def test_a_finished_disk_is_not_taken_for_another_one_of_the_same_size(tmp_path: Path) -> None:
    first, second = MemoryBytes(VMDK, known=False), MemoryBytes(VMDK, known=False)
    transfer(disk_stream(first, STREAM, capacity=SIZE), tmp_path / "d")
    stream = disk_stream(second, STREAM, capacity=SIZE)
    transfer(replace(stream, disk=replace(stream.disk, key="disk-2")), tmp_path / "d")
    assert second.opened == [0]


def test_who_looks_on_ends_no_transfer(tmp_path: Path) -> None:
    def gone(_: Progress) -> None:
        raise BrokenPipeError

    result = transfer(disk_stream(MemoryBytes(VMDK), STREAM, capacity=SIZE), tmp_path / "d", progress=gone)
    assert result.capacity == SIZE
    assert (tmp_path / "d").read_bytes() == RAW


def test_what_has_to_be_read_past_is_told_and_can_be_stopped(tmp_path: Path) -> None:
    source = MemoryBytes(VMDK, seekable=False, known=False)
    stream = disk_stream(source, STREAM, capacity=SIZE)
    interrupted(stream, tmp_path / "d")
    stop, told = threading.Event(), list[Progress]()
    source.on_read = lambda place: stop.set() if place >= 6 * MIB else None
    with pytest.raises(Stopped):
        transfer(stream, tmp_path / "d", stop=stop, progress=told.append)
    assert source.served < 10 * MIB
    assert source.opened == [0]
    assert told[0].position > 2 * MIB, "what is there counts"
    source.on_read = lambda _: None
    result = transfer(stream, tmp_path / "d")
    assert (tmp_path / "d").read_bytes() == RAW
    assert result.read == len(VMDK), "it crossed the wire again"


def test_a_source_that_packs_the_same_content_in_another_way_is_read_anew(tmp_path: Path) -> None:
    text = b"".join(b"%d " % number for number in range(3_000_000))[: 20 * MIB]
    quick, slow = (
        b"".join(write_stream([Extent(Bytes(0), Bytes(len(text)), text)], Bytes(len(text)), level=level))
        for level in (1, 9)
    )
    source = MemoryBytes(quick, seekable=False, known=False)
    stream = disk_stream(source, STREAM, capacity=len(text))
    interrupted(stream, tmp_path / "d", 5 * MIB)
    source.data = slow
    transfer(stream, tmp_path / "d")
    assert (tmp_path / "d").read_bytes() == text
    assert source.opened == [0, 0]


@pytest.mark.parametrize("change", ["gone", "shorter", "other content", "other checksum"])
def test_a_finished_disk_that_is_not_this_one_is_done_again(change: str, tmp_path: Path) -> None:
    source = MemoryBytes(VMDK)
    stream = disk_stream(source, STREAM, capacity=SIZE)
    transfer(stream, tmp_path / "d")
    if change == "gone":
        (tmp_path / "d").unlink()
    elif change == "shorter":
        (tmp_path / "d").write_bytes(b"x")
    elif change == "other content":
        source.version = "v2"
    else:
        stream = replace(stream, checksum=checksum(VMDK))
    transfer(stream, tmp_path / "d")
    assert source.opened == [0, 0]
    assert (tmp_path / "d").read_bytes() == RAW


def test_a_checksum_of_the_image_is_made_up_for_when_it_is_asked_for_later(tmp_path: Path) -> None:
    stream = disk_stream(MemoryBytes(VMDK), STREAM, capacity=SIZE)
    assert transfer(stream, tmp_path / "d").checksum is None
    for algorithm in ("sha512", "sha512", "sha256"):
        result = transfer(stream, tmp_path / "d", options=Options(image_checksum=algorithm))
        assert result.checksum == checksum(RAW, algorithm)


def test_a_crash_before_the_last_renaming_is_made_good(tmp_path: Path) -> None:
    source = MemoryBytes(VMDK)
    stream = disk_stream(source, STREAM, capacity=SIZE)
    transfer(stream, tmp_path / "d")
    (tmp_path / "d").rename(tmp_path / "d.part")
    transfer(stream, tmp_path / "d")
    assert source.opened == [0]
    assert names(tmp_path) == ["d", "d.ledger"]


@pytest.mark.parametrize(("form", "data"), [(PLAIN, RAW), (STREAM, VMDK)])
@pytest.mark.parametrize("algorithm", [None, "sha256"])
def test_an_interrupted_disk_goes_on_where_it_was(
    form: DiskFormat, data: bytes, algorithm: str | None, tmp_path: Path
) -> None:
    source = MemoryBytes(data)
    stream = disk_stream(source, form, capacity=SIZE, checksum=checksum(data, algorithm) if algorithm else None)
    interrupted(stream, tmp_path / "d")
    assert names(tmp_path) == ["d.ledger", "d.part"]
    result = transfer(stream, tmp_path / "d")
    assert source.opened[0] > 0
    assert result.read == source.served == len(data) - source.opened[0]
    assert result.data == 16 * MIB + SECTOR
    assert (tmp_path / "d").read_bytes() == RAW


def test_with_a_hash_that_cannot_be_taken_up_it_is_read_anew(tmp_path: Path) -> None:
    source = MemoryBytes(VMDK)
    stream = disk_stream(source, STREAM, capacity=SIZE, checksum=checksum(VMDK, "blake2b"))
    interrupted(stream, tmp_path / "d")
    result = transfer(stream, tmp_path / "d")
    assert source.opened == [0]
    assert result.data == 16 * MIB + SECTOR
    assert (tmp_path / "d").read_bytes() == RAW


def test_resumed_bytes_that_changed_after_all_are_found_by_the_checksum(tmp_path: Path) -> None:
    source = MemoryBytes(VMDK)
    stream = disk_stream(source, STREAM, checksum=checksum(VMDK))
    interrupted(stream, tmp_path / "d")
    at = len(VMDK) - MIB
    source.data = VMDK[:at] + bytes([VMDK[at] ^ 1]) + VMDK[at + 1 :]
    with pytest.raises((VerificationError, VmdkError)):
        transfer(stream, tmp_path / "d")
    assert names(tmp_path) == []


@pytest.mark.parametrize("change", ["version", "size", "uncertain", "no part", "no ledger"])
def test_another_source_or_one_that_nothing_tells_apart_starts_over(change: str, tmp_path: Path) -> None:
    source = MemoryBytes(VMDK, version="" if change == "uncertain" else "v1")
    stream = disk_stream(source, STREAM, capacity=SIZE)
    interrupted(stream, tmp_path / "d")
    if change == "version":
        source.version = "v2"
    elif change == "size":
        source.data = VMDK + bytes(SECTOR)
    elif change == "no part":
        (tmp_path / "d.part").unlink()
    elif change == "no ledger":
        (tmp_path / "d.ledger").unlink()
    transfer(stream, tmp_path / "d")
    assert source.opened == [0]
    assert (tmp_path / "d").read_bytes() == RAW


def test_a_part_that_is_begun_anew_has_no_ledger_of_what_it_held(tmp_path: Path) -> None:
    """Else a crash right then, and the ledger vouches for bytes that are no more."""
    source = MemoryBytes(VMDK)
    stream = disk_stream(source, STREAM, capacity=SIZE)
    interrupted(stream, tmp_path / "d")
    source.version = "v2"
    seen: list[list[str]] = []
    source.on_read = lambda at: seen.append(names(tmp_path)) if at == 0 else None
    transfer(stream, tmp_path / "d")
    assert seen[0] == ["d.part"]


def test_grains_that_go_back_behind_the_checkpoint_start_it_over(tmp_path: Path) -> None:
    late = noise(64 * KIB, 9)
    made = vmdk.Stream(vmdk.Header(400 * 128))
    for index in range(1, 400):
        made.add(index * 128, noise(64 * KIB, index))
    made.add(0, late)
    data = made.finish()
    source = MemoryBytes(data)
    stream = disk_stream(source, STREAM)
    interrupted(stream, tmp_path / "d")
    transfer(stream, tmp_path / "d")
    assert source.opened[0] > 0
    assert source.opened[1:] == [0]
    content = (tmp_path / "d").read_bytes()
    assert content == late + b"".join(noise(64 * KIB, index) for index in range(1, 400))


def test_stopped_while_its_image_is_hashed_it_needs_no_second_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = MemoryBytes(VMDK)
    stream = disk_stream(source, STREAM, capacity=SIZE)

    def stopped(*_: object) -> Checksum:
        raise Stopped("stopped while hashing")

    options = Options(image_checksum="sha256")
    with monkeypatch.context() as patch:
        patch.setattr(module, "hash_image", stopped)
        with pytest.raises(Stopped):
            transfer(stream, tmp_path / "d", options=options)
    assert names(tmp_path) == ["d.ledger", "d.part"]
    result = transfer(stream, tmp_path / "d", options=options)
    assert source.opened[-1] > 0
    assert result.checksum == checksum(RAW)


def test_a_failure_of_the_last_steps_is_the_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "save", full)
    with pytest.raises(TargetError, match="no space"):
        transfer(disk_stream(None, DiskFormat.BLANK, capacity=MIB), tmp_path / "d")
    assert "d" not in names(tmp_path)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TargetError, match="Not a directory|File exists"):  # noqa: RUF043  both are kernels' words
        transfer(disk_stream(None, DiskFormat.BLANK, capacity=MIB), tmp_path / "file" / "d")


@pytest.mark.parametrize("durable", [True, False])
def test_stopped_in_the_middle(tmp_path: Path, *, durable: bool) -> None:
    stop = threading.Event()
    source = MemoryBytes(VMDK, on_read=lambda at: stop.set() if at > 5 * MIB else None)
    with pytest.raises(Stopped):
        transfer(disk_stream(source, STREAM), tmp_path / "d", options=Options(durable=durable), stop=stop)
    assert ("d.part" in names(tmp_path)) is durable
    assert "d" not in names(tmp_path)


def test_stopped_before_it_began_nothing_is_touched(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    source = MemoryBytes(VMDK)
    with pytest.raises(Stopped):
        transfer(disk_stream(source, STREAM), tmp_path / "d", stop=stop)
    assert source.opened == []
    assert names(tmp_path) == []


def test_a_stream_that_passes_once_and_breaks_off_is_kept(tmp_path: Path) -> None:
    stream = disk_stream(MemoryBytes(VMDK, seekable=False, cuts=[9 * MIB]), STREAM)
    with pytest.raises(StreamCut):
        transfer(stream, tmp_path / "d")
    assert "d.part" in names(tmp_path)


def several(count: int) -> tuple[Export, dict[str, MemoryBytes]]:
    sources = {f"disk-{number}": MemoryBytes(VMDK) for number in range(count)}
    disks = (DiskStream(Disk(key, Bytes(SIZE)), STREAM, source) for key, source in sources.items())
    return Export(tuple(disks)), sources


def test_disks_side_by_side(tmp_path: Path) -> None:
    export, sources = several(5)
    paths = {key: tmp_path / key for key in sources}
    results = asyncio.run(ThreadTransfer(DURABLE).run(export, paths, lambda _: None))
    assert set(results) == set(sources)
    assert all(path.read_bytes() == RAW for path in paths.values())


def test_the_first_failure_stops_the_others(tmp_path: Path) -> None:
    export, sources = several(3)
    other = threading.Event()
    sources["disk-1"].data = BROKEN

    def slow(at: int) -> None:
        if at > 4 * MIB:
            other.wait(0.2)

    sources["disk-0"].on_read = slow
    with pytest.raises(VmdkError):
        asyncio.run(ThreadTransfer(DURABLE).run(export, {key: tmp_path / key for key in sources}, lambda _: None))
    assert not (tmp_path / "disk-0").exists()
    assert not list(tmp_path.glob("disk-1*"))


def test_cancelled_it_returns_when_no_thread_writes_any_more(tmp_path: Path) -> None:
    export, sources = several(2)
    begun, tick = threading.Event(), threading.Event()

    def slow(at: int) -> None:
        if at > 3 * MIB:
            begun.set()
            tick.wait(0.05)

    for source in sources.values():
        source.on_read = slow

    async def cancel() -> None:
        run = ThreadTransfer(DURABLE).run(export, {key: tmp_path / key for key in sources}, lambda _: None)
        task = asyncio.ensure_future(run)
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    served = [source.served for source in sources.values()]
    tick.wait(0.2)
    assert [source.served for source in sources.values()] == served
    assert not {thread.name.split("_")[0] for thread in threading.enumerate()} & {"read", "expand", "hash", "flush"}
    assert not (tmp_path / "disk-0").exists()
