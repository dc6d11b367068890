"""The copy loop: what it copies, when it says that something is safe, and that nothing makes it hang."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from rig.disks import noise
from rig.transfers import MemoryBytes
from thresher.formats.vmdk import write_stream
from thresher.model.errors import SourceError, TargetError, VmdkError
from thresher.model.extent import Extent
from thresher.model.units import KIB, MIB, Bytes
from thresher.transfer import buffers
from thresher.transfer.decode import Decoder, RawDecoder, VmdkDecoder
from thresher.transfer.digest import new_digest
from thresher.transfer.ledger import Resume
from thresher.transfer.pipeline import Pace, Pipeline
from thresher.transfer.sparse import Buffer, SparseFile

SIZE = 20 * MIB
RAW = noise(5 * MIB, 1) + bytes(9 * MIB) + noise(6 * MIB, 2)
VMDK = b"".join(write_stream([Extent(Bytes(0), Bytes(SIZE), RAW)], Bytes(SIZE), level=1))
ALWAYS = Pace(1, 0.0)

pytestmark = pytest.mark.timeout(60)  # what these tests are about would hang


@pytest.fixture(autouse=True)
def _small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a short stream fills each of them several times."""
    monkeypatch.setattr(buffers, "BUFFER_BYTES", MIB)


@pytest.fixture
def workers() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


class Sink(SparseFile):
    """A sparse file that fails where a test says."""

    def __init__(self, path: Path, failing: Callable[[str], None] = lambda _: None) -> None:
        super().__init__(path)
        self.failing = failing
        self.open(keep=False)

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        self.failing("write")
        super().write(offset, buffers)

    def flush(self) -> None:
        self.failing("flush")
        super().flush()


def copy(pipeline: Pipeline, data: bytes, on_read: Callable[[], None] = lambda: None) -> None:
    with pipeline:
        pipeline.copy(MemoryBytes(data).open(pipeline.start), on_read)


@pytest.mark.parametrize(("data", "decoder"), [(RAW, RawDecoder(Bytes(SIZE))), (VMDK, VmdkDecoder())])
def test_it_copies_data_hashes_the_stream_and_leaves_holes(
    data: bytes, decoder: Decoder, tmp_path: Path, workers: Executor
) -> None:
    sink = Sink(tmp_path / "d")
    digest = new_digest("sha256")
    pipeline = Pipeline(decoder, sink, workers, digest=digest)
    copy(pipeline, data)
    sink.finish()
    assert sink.path.read_bytes() == RAW
    assert sink.path.stat().st_blocks * 512 < 12 * MIB
    assert digest.hexdigest() == hashlib.sha256(data).hexdigest()
    assert (pipeline.read, pipeline.data) == (len(data), 11 * MIB)


@pytest.mark.parametrize(("data", "make"), [(RAW, lambda: RawDecoder(Bytes(SIZE))), (VMDK, VmdkDecoder)])
def test_what_is_called_safe_is_flushed_and_can_be_gone_on_from(
    data: bytes, make: Callable[[], Decoder], tmp_path: Path, workers: Executor
) -> None:
    flushed = b""
    places: list[tuple[Resume, bytes]] = []

    def failing(what: str) -> None:
        nonlocal flushed
        if what == "flush":
            flushed = sink.part.read_bytes()  # what is in the file by now is what this flush makes durable

    sink = Sink(tmp_path / "d", failing)
    pipeline = Pipeline(
        make(),
        sink,
        workers,
        digest=new_digest("sha1"),
        on_safe=lambda resume: places.append((resume, flushed)),
        pace=ALWAYS,
    )
    copy(pipeline, data)
    sink.close()
    assert places
    for resume, content in places[:: max(1, len(places) // 4)]:
        again = Sink(tmp_path / "again")
        again.size(Bytes(SIZE))
        again.write(0, [content])
        assert resume.digest is not None
        decoder = VmdkDecoder(resume.decoder) if data is VMDK else RawDecoder(Bytes(SIZE), resume.decoder)
        digest = new_digest("sha1", resume.digest)
        rest = Pipeline(decoder, again, workers, resume=resume, digest=digest)
        copy(rest, data)
        assert again.part.read_bytes() == RAW
        assert rest.read == len(data) - rest.start
        assert rest.data == 11 * MIB
        assert digest.hexdigest() == hashlib.sha1(data, usedforsecurity=False).hexdigest()
        again.close()


def test_without_the_digests_state_the_stream_is_read_anew_and_nothing_written_twice(
    tmp_path: Path, workers: Executor
) -> None:
    sink = Sink(tmp_path / "d")
    resume = Resume({"offset": 6 * MIB}, 6 * MIB, None, 5 * MIB)
    digest = new_digest("md5")
    pipeline = Pipeline(RawDecoder(Bytes(SIZE), resume.decoder), sink, workers, resume=resume, digest=digest)
    assert pipeline.start == 0
    copy(pipeline, RAW)
    assert sink.part.read_bytes() == bytes(6 * MIB) + RAW[6 * MIB :]
    assert digest.hexdigest() == hashlib.md5(RAW, usedforsecurity=False).hexdigest()
    assert (pipeline.read, pipeline.data) == (SIZE, 11 * MIB)
    sink.close()


def test_bytes_set_the_pace(tmp_path: Path, workers: Executor) -> None:
    places: list[int] = []
    sink = Sink(tmp_path / "d")
    pace = Pace(8 * MIB, 3600)
    copy(Pipeline(RawDecoder(Bytes(SIZE)), sink, workers, on_safe=lambda r: places.append(r.offset), pace=pace), RAW)
    assert places[0] == 8 * MIB
    assert all(later - sooner >= 8 * MIB for sooner, later in pairwise(places))
    sink.close()


@pytest.mark.parametrize(("data", "decoder"), [(RAW, RawDecoder(Bytes(SIZE))), (VMDK, VmdkDecoder())])
def test_no_more_than_the_promised_work_is_ever_at_stake(
    data: bytes, decoder: Decoder, tmp_path: Path, workers: Executor
) -> None:
    """A disk that takes its time to flush, and a source that does not."""
    safe, most, grain = [0], 2 * MIB, 64 * KIB
    at_stake: list[int] = []
    sink = Sink(tmp_path / "d", lambda what: time.sleep(0.1) if what == "flush" else None)
    pace = Pace(MIB, 3600, most_bytes=most, most_seconds=0)
    pipeline = Pipeline(decoder, sink, workers, on_safe=lambda r: safe.append(r.offset), pace=pace)
    copy(pipeline, data, lambda: at_stake.append(pipeline.read - safe[-1]))
    assert len(at_stake) > most // MIB
    assert max(at_stake) <= most + MIB + grain  # a stream is gone on with at the grain that it was cut in
    sink.close()


def test_the_pace_of_every_transfer_is_the_promised_one() -> None:
    assert (Pace().most_bytes, Pace().most_seconds) == (256 * MIB, 10)
    assert Pace().bytes < Pace().most_bytes
    assert Pace().seconds < Pace().most_seconds


def test_what_is_young_is_not_waited_for(tmp_path: Path, workers: Executor) -> None:
    """Ten seconds of work may be at stake however many bytes that are: a fast disk must not wait for each flush."""
    read, flushing = [0], threading.Event()
    whole = threading.Event()

    def slow(what: str) -> None:
        if what == "flush":
            flushing.set()
            assert whole.wait(30)  # the whole stream is read while this flush lasts

    sink = Sink(tmp_path / "d", slow)
    pace = Pace(MIB, 3600, most_bytes=2 * MIB, most_seconds=3600)
    pipeline = Pipeline(RawDecoder(Bytes(SIZE)), sink, workers, on_safe=lambda _: None, pace=pace)

    def on_read() -> None:
        read[0] = pipeline.read
        if pipeline.read == SIZE:
            whole.set()

    copy(pipeline, RAW, on_read)
    assert flushing.is_set()
    assert read == [SIZE]
    sink.close()


class Broken(RuntimeError):
    """What a test makes happen."""


def nth(what: str, number: int) -> Callable[[str], None]:
    count = 0

    def failing(happening: str) -> None:
        nonlocal count
        count += happening == what
        if happening == what and count == number:
            raise TargetError(f"{what} {number} failed")

    return failing


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("what", ["write", "flush"])
def test_a_failing_thread_ends_the_copy(what: str, number: int, tmp_path: Path, workers: Executor) -> None:
    sink = Sink(tmp_path / "d", nth(what, number))
    safe: list[int] = []
    slow = threading.Event()

    def wait() -> None:
        slow.wait(0.02)

    pipeline = Pipeline(
        RawDecoder(Bytes(SIZE)), sink, workers, on_safe=lambda r: safe.append(r.offset), pace=Pace(MIB, 0.0)
    )
    with pytest.raises(TargetError, match=f"{what} {number} failed"):
        copy(pipeline, RAW, wait)
    assert len(safe) < 20
    sink.close()


def test_every_worker_failing_leaves_no_reader_waiting_for_a_buffer(tmp_path: Path, workers: Executor) -> None:
    def failing(_: str) -> None:
        raise TargetError("all fails")

    sink = Sink(tmp_path / "d", failing)
    with pytest.raises(TargetError, match="all fails"):
        copy(Pipeline(RawDecoder(Bytes(SIZE)), sink, workers), RAW)
    sink.close()


def test_nothing_is_called_safe_after_a_failed_write(tmp_path: Path, workers: Executor) -> None:
    safe: list[int] = []
    sink = Sink(tmp_path / "d", nth("write", 1))
    with pytest.raises(TargetError):
        copy(
            Pipeline(RawDecoder(Bytes(SIZE)), sink, workers, on_safe=lambda r: safe.append(r.offset), pace=ALWAYS), RAW
        )
    assert not safe
    sink.close()


def test_a_digest_that_fails_fails_the_copy(tmp_path: Path, workers: Executor) -> None:
    class Failing:
        offset = 0

        def update(self, data: memoryview) -> None:
            raise Broken(f"hash of {len(data)} bytes")

        def state(self) -> None:
            return None

        def hexdigest(self) -> str:
            return ""

    sink = Sink(tmp_path / "d")
    with pytest.raises(Broken, match="hash of"):
        copy(Pipeline(RawDecoder(Bytes(SIZE)), sink, workers, digest=Failing()), RAW)
    sink.close()


@pytest.mark.parametrize("after", [0, 3])
def test_an_executor_that_takes_no_more_ends_the_copy(after: int, tmp_path: Path) -> None:
    workers = ThreadPoolExecutor(2)
    count = 0

    def on_read() -> None:
        nonlocal count
        count += 1
        if count == after:
            workers.shutdown()

    if after == 0:
        workers.shutdown()
    sink = Sink(tmp_path / "d")
    with pytest.raises(RuntimeError, match="shutdown"):
        copy(Pipeline(RawDecoder(Bytes(SIZE)), sink, workers, on_safe=lambda _: None, pace=ALWAYS), RAW, on_read)
    sink.close()


def test_what_on_read_raises_ends_the_copy(tmp_path: Path, workers: Executor) -> None:
    def on_read() -> None:
        raise Broken("stop")

    sink = Sink(tmp_path / "d")
    with pytest.raises(Broken, match="stop"):
        copy(Pipeline(RawDecoder(Bytes(SIZE)), sink, workers), RAW, on_read)
    sink.close()


def test_a_damaged_grain_and_a_broken_source(tmp_path: Path, workers: Executor) -> None:
    data = bytearray(VMDK)
    data[64 * KIB + 5000] ^= 1
    sink = Sink(tmp_path / "d")
    with pytest.raises(VmdkError, match="disk byte 0"):
        copy(Pipeline(VmdkDecoder(), sink, workers), bytes(data))
    with Pipeline(VmdkDecoder(), sink, workers) as pipeline, pytest.raises(SourceError, match="broke off"):
        pipeline.copy(MemoryBytes(VMDK, cuts=[3 * MIB]).open(), lambda: None)
    sink.close()
