"""The copy loop: one thread reads, worker threads expand and write, one thread hashes, one flushes.

A few buffers go round: the reader takes a free one, fills it straight from the connection, and hands it to a worker as
one task of some hundred grains.
"""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from thresher.model.units import MIB, Bytes
from thresher.ports import ByteStream
from thresher.transfer.buffers import BufferRing, Filler, Lease
from thresher.transfer.decode import Decoder, Piece
from thresher.transfer.digest import Digest, DigestState
from thresher.transfer.ledger import Resume
from thresher.transfer.sparse import Buffer, SparseFile
from thresher.transfer.watermark import Watermark

MAX_VECTOR = 8
"""Grains to one pwritev: more of them cost page faults, because their memory is trimmed and faulted in again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what was written is made durable, and so how much a crash can cost.

    Attributes:
        bytes: after so many bytes of the stream it is flushed,
        seconds: or after so many seconds.
        most_bytes: no more than so many are read beyond what is durable,
        most_seconds: unless it is younger than so many seconds: else reading waits for a flush that takes its time.
    """

    bytes: int = 128 * MIB
    seconds: float = 1.0
    most_bytes: int = 256 * MIB
    most_seconds: float = 10.0


class Pipeline:
    """Copies one stream into one file. Use it once, as a context manager.

    Args:
        decoder: what the bytes are.
        sink: where they go; already open.
        workers: threads that expand and write, of this stream or of several.
        resume: where an earlier run got to.
        digest: the checksum over the stream as it comes, from its ``offset`` on.
        on_safe: called, in a thread of its own, with a place to resume at once all before it is flushed.
        pace: how often that is.

    Attributes:
        read: bytes of the stream that came in this run.
    """

    def __init__(
        self,
        decoder: Decoder,
        sink: SparseFile,
        workers: Executor,
        *,
        resume: Resume | None = None,
        digest: Digest | None = None,
        on_safe: Callable[[Resume], None] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.read = Bytes(0)
        self._decoder = decoder
        self._sink = sink
        self._workers = workers
        self._digest = digest
        self._on_safe = on_safe
        self._pace = pace or Pace()
        self._decode_from = resume.offset if resume else 0
        self._hash_from = digest.offset if digest else self._decode_from
        self._written = [resume.data if resume else 0]  # bytes of data, by the marks between which they came
        self._ring = BufferRing()
        self._lock = threading.Lock()
        self._failures: list[BaseException] = []
        self._sized = False
        self._watermark = Watermark()
        self._hasher = ThreadPoolExecutor(1, "hash")
        self._flusher = ThreadPoolExecutor(1, "flush")
        self._flush: Future[None] | None = None
        self._marked = self._durable = (Bytes(0), time.monotonic())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ring.drain()
        self._hasher.shutdown()
        self._flusher.shutdown()

    @property
    def data(self) -> Bytes:
        """Bytes of data written, in this run and those that it resumes."""
        return Bytes(sum(self._written))

    @property
    def start(self) -> int:
        """Where the stream has to be opened: at the first byte that decoder or digest still needs."""
        return min(self._decode_from, self._hash_from)

    def copy(self, stream: ByteStream, on_read: Callable[[], None], begin: int | None = None) -> None:
        """Copy ``stream`` to its end.

        Args:
            stream: the bytes.
            on_read: called after each buffer; what it raises ends the copy.
            begin: where the stream was opened, at :attr:`start` or before it: what comes before that is dropped.

        Raises:
            ThresherError: what the source, the format or the target had to say first.
        """
        position = self.start if begin is None else begin
        filler = Filler(stream)
        while True:
            with self._ring.take() as lease:
                self._raise_failure()
                count = filler.fill(lease.buffer)
                self._dispatch(lease, position, count)
            if count == 0:
                break
            position += count
            self.read = Bytes(self.read + count)
            self._mark_if_due()
            on_read()
        self._decoder.receive_eof()
        self._settle()

    def _dispatch(self, lease: Lease, position: int, count: int) -> None:
        """Give what came to the digest and, as pieces, to a worker."""
        view = memoryview(lease.buffer)
        if self._digest is not None and position + count > self._hash_from:
            fresh = view[max(0, self._hash_from - position) : count]
            _submit(self._hasher, lease, self._hash, self._digest, fresh)
        wanted = max(0, self._decode_from - position)
        if wanted >= count:
            return
        pieces = list(self._decoder.receive(view[wanted:count]))
        if not self._sized and self._decoder.capacity is not None:
            self._sink.size(self._decoder.capacity)
            self._sized = True
        if pieces:
            number, epoch = self._watermark.begin(), len(self._written) - 1
            try:
                _submit(self._workers, lease, self._expand, number, epoch, pieces)
            except BaseException:
                self._watermark.end(number)  # else whoever waits for it waits forever
                raise

    def _hash(self, digest: Digest, data: memoryview) -> None:
        try:
            digest.update(data)
        except BaseException as error:  # noqa: BLE001  whatever it is, the reader raises it
            self._failures.append(error)

    def _expand(self, number: int, epoch: int, pieces: Iterable[Piece]) -> None:
        try:
            data = write_pieces(self._sink, self._decoder.expand, pieces)
            with self._lock:
                self._written[epoch] += data
        except BaseException as error:  # noqa: BLE001  whatever it is, the reader raises it
            self._failures.append(error)
        self._watermark.end(number)

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures[0]

    def _mark_if_due(self) -> None:
        """Have everything so far flushed, and say so, once it is written; never two of these at a time."""
        if self._on_safe is None:
            return
        if self._flush is not None and not self._flush.done():
            since, then = self._durable
            if self.read - since < self._pace.most_bytes or time.monotonic() - then < self._pace.most_seconds:
                return
            self._flush.result()  # the disk is slower than the source: going on would put more and more at stake
        since, then = self._marked
        if self.read - since < self._pace.bytes and time.monotonic() - then < self._pace.seconds:
            return
        place = self._decoder.checkpoint()
        if place is None:
            return
        self._marked = (self.read, time.monotonic())
        with self._lock:
            epoch = len(self._written)
            self._written.append(0)
        hashed = self._hasher.submit(self._digest.state) if self._digest else None
        written: Future[None] = Future()
        self._flush = self._flusher.submit(self._make_safe, self._marked, place, epoch, hashed, written)
        self._watermark.mark(lambda: written.set_result(None))

    def _make_safe(
        self,
        marked: tuple[Bytes, float],
        place: tuple[int, dict[str, int]],
        epoch: int,
        hashed: "Future[DigestState | None] | None",
        written: Future[None],
    ) -> None:
        """Runs in the flusher's thread: wait for writes and hash, flush, report."""
        try:
            state = hashed.result() if hashed else None
            written.result()
            if self._failures or self._on_safe is None:
                return
            self._sink.flush()
            offset, decoder = place
            self._on_safe(Resume(decoder, offset, state, sum(self._written[:epoch])))
            self._durable = marked
        except BaseException as error:  # noqa: BLE001  a failed flush fails the transfer: the reader raises it
            self._failures.append(error)

    def _settle(self) -> None:
        """Wait until all is written and hashed."""
        done = threading.Event()
        self._watermark.mark(done.set)
        done.wait()
        self._hasher.shutdown()
        self._flusher.shutdown()
        self._raise_failure()


def _submit(executor: Executor, lease: Lease, job: Callable[..., None], *args: object) -> None:
    """Have ``job`` done while ``lease`` is held. Raises RuntimeError where the executor takes no more."""
    shared = lease.share()

    def run() -> None:
        with shared:
            job(*args)

    try:
        executor.submit(run)
    except BaseException:
        shared.release()
        raise


def write_pieces(sink: SparseFile, expand: Callable[[Piece], Buffer | None], pieces: Iterable[Piece]) -> int:
    """Expand pieces and write their data, neighbours together; return how many bytes of data there were.

    Raises:
        FormatError: a piece does not expand.
        TargetError: the file cannot be written.
    """
    run: list[Buffer] = []
    begin = end = total = 0
    for piece in pieces:
        data = expand(piece)
        offset = piece.offset
        if run and (data is None or offset != end or len(run) == MAX_VECTOR):
            sink.write(begin, run)
            total += end - begin
            run = []
        if data is None:
            continue
        if not run:
            begin = offset
        run.append(data)
        end = offset + piece.length
    if run:
        sink.write(begin, run)
        total += end - begin
    return total
