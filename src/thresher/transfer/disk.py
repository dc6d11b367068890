"""One disk from its source to its final name, resumed where a ledger allows it, and proved."""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from thresher.formats.vmdk import ResumeImpossible
from thresher.model.errors import (
    ImageError,
    SourceError,
    Stopped,
    StreamCut,
    TargetFull,
    ThresherError,
    VerificationError,
    VmdkError,
)
from thresher.model.units import SECTOR, Bytes
from thresher.model.vm import DiskFormat
from thresher.ports import ByteSource, DiskResult, DiskStream, Progress, ProgressSink
from thresher.transfer import qemu
from thresher.transfer.decode import Decoder, RawDecoder, VmdkDecoder
from thresher.transfer.digest import Digest, new_digest
from thresher.transfer.image_hash import hash_image
from thresher.transfer.ledger import Identity, Ledger, Resume, sync_folder
from thresher.transfer.pipeline import Pipeline
from thresher.transfer.reopen import ReopeningStream
from thresher.transfer.sparse import SparseFile, target_error
from thresher.transfer.throttle import Throttle, throttled
from thresher.transfer.volume import VolumeFile

log = logging.getLogger(__name__)

PROGRESS_INTERVAL = 0.2
"""Seconds between two reports of one disk."""


@dataclass(frozen=True, slots=True)
class Options:
    """How disks are transferred.

    Attributes:
        durable: keep a ledger, flush, and so survive a crash; false leaves flushing to the system.
        image_checksum: hash the finished image too, with this algorithm of hashlib's.
        throttles: what every byte passes through; empty where no limit can ever come.
        ledgers: None for files that grow and get their final name, each with its ledger beside it. A folder where each
            path is a volume that is there already, of the disk's size at least, and is written in place: the ledgers
            are kept there. A volume that has none was never written to, and is all zeros.
    """

    durable: bool = True
    image_checksum: str | None = None
    throttles: tuple[Throttle, ...] = ()
    ledgers: Path | None = None


class DiskTransfer:
    """The transfer of one disk. Call :meth:`run` in a thread.

    Args:
        stream: what to read.
        path: the final name of the RAW file, or the volume.
        workers: threads that expand and write, of this disk or of several.
        options: how.
        progress: told how far it is.
        stop: set it, and run() ends with Stopped.
    """

    def __init__(
        self,
        stream: DiskStream,
        path: Path,
        workers: Executor,
        *,
        options: Options,
        progress: ProgressSink,
        stop: threading.Event,
    ) -> None:
        self._stream = throttled(stream, options.throttles, stop)
        self._ledger_path = (options.ledgers or path.parent) / f"{path.name}.ledger"
        self._sink = self._new_sink(path, options, stop)
        self._workers = workers
        self._options = options
        self._progress = progress
        self._stop = stop
        self._reported = 0.0
        self._identity = _identity(stream)

    def _new_sink(self, path: Path, options: Options, stop: threading.Event) -> SparseFile:
        if options.ledgers is None:
            return SparseFile(path)
        return VolumeFile(path, dirty=self._ledger_path.exists(), stop=stop)

    def run(self) -> DiskResult:
        """Transfer the disk, or find that it is done already.

        Raises:
            ThresherError: what went wrong. Where it is worth a retry and the transfer is durable, what was
                flushed is kept for it; else nothing is left.
        """
        self._check_stop()
        try:
            ledger = self._load()
            if ledger.result is not None:
                return self._adopt(ledger.result)
            return self._make(ledger)
        except OSError as error:
            raise self._mapped(error) from error
        finally:
            self._sink.close()

    def _make(self, ledger: Ledger) -> DiskResult:
        """Transfer the disk; on a failure keep what is worth it, else leave nothing."""
        began = time.monotonic()
        try:
            result = self._transfer(ledger)
            return self._finish(result, time.monotonic() - began)
        except (ThresherError, OSError) as error:
            failure = self._mapped(error) if isinstance(error, OSError) else error
            if not self._options.durable or not isinstance(failure, SourceError | Stopped | TargetFull):
                self._discard()
            raise

    def _mapped(self, error: OSError) -> ThresherError:
        return target_error(error, self._sink.part, "write to")

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped(f"stopped before disk {self._stream.disk.key} was transferred")

    def _discard(self) -> None:
        with suppress(OSError):  # the error that led here says more
            self._forget()
        self._sink.discard()

    def _begin(self, *, keep: bool) -> None:
        """Open the part. Before it is blanked, the ledger that vouches for what it holds has to be gone."""
        if not keep:
            self._forget()
        self._sink.open(keep=keep)

    def _forget(self) -> None:
        """Have nothing vouched for. A volume keeps a ledger that is empty: it was written to, and no more is known."""
        if self._options.ledgers is not None:
            with self._ledger_path.open("wb") as ledger:
                os.fsync(ledger.fileno())
            sync_folder(self._ledger_path.parent)
        elif self._ledger_path.exists():
            self._ledger_path.unlink()
            sync_folder(self._ledger_path.parent)

    def _load(self) -> Ledger:
        """The ledger to go on from: as found, or a blank one."""
        blank = Ledger(self._identity)
        found = Ledger.load(self._ledger_path) if self._options.durable else None
        if found is not None and found.result is not None and self._options.ledgers is not None:
            self._check_same(found.identity)
            return found  # whoever heard that the volume is whole counts on it: it is never written to again
        if found is None:
            return blank
        same = found.identity == self._identity
        if found.result is not None:
            sure = self._identity.same_data(found.identity) or (same and found.ours)
            return found if sure and self._holds(found.result) else blank
        return found if same and self._identity.certain and self._sink.part.exists() else blank

    def _check_same(self, copied: Identity) -> None:
        if copied.contradicts(self._identity):
            raise VerificationError(
                f"disk {self._stream.disk.key} was copied, and the source has other bytes now: it changed while it was"
                " imported. Delete the import, and make it again"
            )

    def _holds(self, result: DiskResult) -> bool:
        """Whether the finished file is there in full length. A part beside a finished ledger is that file.

        It only lacks its final name, which the disk of an earlier import may still have.
        """
        stated = self._stream.disk.capacity
        if stated is not None and stated != result.capacity:
            return False
        at = self._sink.part if self._sink.part.exists() else self._sink.path
        return at.exists() and at.stat().st_size == result.capacity

    def _adopt(self, result: DiskResult) -> DiskResult:
        """Take a finished disk as it is, with the checksum of its image if this run asks for another one."""
        self._check_capacity(result.capacity)
        if self._sink.part.exists():
            self._named()
        algorithm = self._options.image_checksum
        if algorithm is not None and (result.checksum is None or result.checksum.algorithm != algorithm):
            result = replace(result, checksum=hash_image(self._sink.path, algorithm, self._stop, result.capacity))
            Ledger(self._identity, None, result).save(self._ledger_path)
        return result

    def _transfer(self, ledger: Ledger) -> DiskResult:
        source = self._stream.bytes
        if self._stream.format is DiskFormat.BLANK or source is None:
            return self._blank()
        if self._stream.format in qemu.DRIVERS:
            return self._random_access(source)
        try:
            return self._streamed(source, ledger)
        except (ResumeImpossible, VmdkError) as error:
            if ledger.resume is None:
                raise
            # a host that packs the same content in another way each time breaks off in the middle of a grain
            log.warning("disk %s cannot be gone on with, so it is read anew: %s", self._stream.disk.key, error)
            self._sink.close()
            return self._streamed(source, Ledger(self._identity))

    def _blank(self) -> DiskResult:
        capacity = self._stream.disk.capacity
        if capacity is None:
            raise ImageError(f"blank disk {self._stream.disk.key} has no capacity: its description is incomplete")
        self._begin(keep=False)
        self._sink.size(capacity)
        return DiskResult(capacity, Bytes(0), Bytes(0), 0.0, ("blank",))

    def _random_access(self, source: ByteSource) -> DiskResult:
        digest = self._new_digest(None)
        read = 0

        def on_percent(percent: float, so_far: int) -> None:
            nonlocal read
            read = so_far
            total = self._stream.disk.capacity
            self._report(Bytes(int((total or 0) * percent / 100)), total, Bytes(so_far))

        self._begin(keep=False)
        place = qemu.Place(self._sink, self._ledger_path.parent, in_place=self._options.ledgers is not None)
        capacity = qemu.convert(self._stream, source, place, digest=digest, on_percent=on_percent, stop=self._stop)
        self._check_capacity(capacity)
        self._check_digest(digest)
        # qemu-img does not say how much it wrote, and a device does not know
        data = Bytes(read if place.in_place else self._sink.part.stat().st_blocks * SECTOR)
        return DiskResult(capacity, data, Bytes(read), 0.0, ("qemu-img", *self._stated()))

    def _streamed(self, source: ByteSource, ledger: Ledger) -> DiskResult:
        decoder = self._decoder(source, ledger.resume)
        digest = self._new_digest(ledger.resume)
        self._begin(keep=ledger.resume is not None)
        pipeline = Pipeline(
            decoder,
            self._sink,
            self._workers,
            resume=ledger.resume,
            digest=digest,
            on_safe=self._remember(ledger) if self._options.durable else None,
        )
        # what has to be read past is read here, where a stop is heeded and progress is told
        begin = pipeline.start if source.seekable else 0
        with pipeline:
            stream = ReopeningStream(source, begin, self._stop)
            try:
                pipeline.copy(stream, lambda: self._on_read(begin + pipeline.read, pipeline, decoder), begin)
            except StreamCut as error:
                if source.size is not None and begin + pipeline.read == source.size:
                    raise ImageError(str(error)) from error  # every byte came: another try brings no more
                raise
            finally:
                stream.close()
        capacity = self._check_capacity(decoder.capacity)
        self._check_digest(digest)
        proved = ("adler32", "stream end") if self._stream.format is DiskFormat.VMDK_STREAM else ("size",)
        return DiskResult(capacity, pipeline.data, pipeline.read, 0.0, (*proved, *self._stated()))

    def _remember(self, ledger: Ledger) -> Callable[[Resume], None]:
        return lambda resume: ledger.at(resume).save(self._ledger_path)

    def _decoder(self, source: ByteSource, resume: Resume | None) -> Decoder:
        remembered = resume.decoder if resume else None
        if self._stream.format is DiskFormat.VMDK_STREAM:
            return VmdkDecoder(remembered)
        if self._stream.format is not DiskFormat.RAW:
            raise ImageError(f"disk {self._stream.disk.key} is in a format that is not known")
        size = source.size if source.size is not None else self._stream.disk.capacity
        if size is None:
            raise SourceError(
                f"{source.name} does not say how long it is, so a raw image that was cut short could not be told:"
                " serve it with a Content-Length, or state its capacity"
            )
        return RawDecoder(size, remembered)

    def _new_digest(self, resume: Resume | None) -> Digest | None:
        stated = self._stream.checksum
        return new_digest(stated.algorithm, resume.digest if resume else None) if stated else None

    def _stated(self) -> tuple[str, ...]:
        return (self._stream.checksum.algorithm,) if self._stream.checksum else ()

    def _on_read(self, position: int, pipeline: Pipeline, decoder: Decoder) -> None:
        if self._stop.is_set():
            raise Stopped(f"stopped while disk {self._stream.disk.key} was transferred")
        self._check_capacity(decoder.capacity)
        size = self._stream.bytes.size if self._stream.bytes is not None else None
        if size is not None:
            self._report(Bytes(position), size, pipeline.read)
        else:
            self._report(Bytes(decoder.reached), decoder.capacity, pipeline.read)

    def _report(self, position: Bytes, total: Bytes | None, read: Bytes, *, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._reported >= PROGRESS_INTERVAL:
            self._reported = now
            try:
                self._progress(Progress(self._stream.disk.key, position, total, read))
            except Exception:  # hours of copying do not end because of who looks on
                log.exception("the progress of disk %s could not be told, and is told no more", self._stream.disk.key)
                self._progress = _untold

    def _check_capacity(self, capacity: Bytes | None) -> Bytes:
        stated = self._stream.disk.capacity
        if capacity is not None and stated is not None and capacity != stated:
            raise VerificationError(
                f"disk {self._stream.disk.key} is {capacity} bytes in its own header but {stated} in the VM's"
                " description: one of them is wrong; export the VM again"
            )
        return capacity or Bytes(0)

    def _check_digest(self, digest: Digest | None) -> None:
        stated = self._stream.checksum
        if digest is None or stated is None:
            return
        computed = digest.hexdigest()
        if computed != stated.hexdigest.lower():
            raise VerificationError(
                f"the {stated.algorithm} of disk {self._stream.disk.key} is {computed}, but the source states"
                f" {stated.hexdigest}: the bytes were damaged; get the file again"
            )

    def _finish(self, result: DiskResult, seconds: float) -> DiskResult:
        """Flush, hash on request, remember the result, and only then give the file its name."""
        algorithm = self._options.image_checksum
        checksum = hash_image(self._sink.part, algorithm, self._stop, result.capacity) if algorithm else None
        done = DiskResult(result.capacity, result.data, result.read, seconds, result.verified, checksum)
        if self._options.durable:
            self._sink.flush()
            Ledger(self._identity, None, done).save(self._ledger_path)
        self._named()
        self._report(done.capacity, done.capacity, done.read, last=True)
        return done

    def _named(self) -> None:
        """Give the file its final name, durably; a volume has it."""
        self._sink.finish()
        if self._options.durable and self._options.ledgers is None:
            sync_folder(self._sink.path.parent)


def _untold(_: Progress) -> None:
    """What nobody can be told."""


def _identity(stream: DiskStream) -> Identity:
    source, stated = stream.bytes, stream.checksum
    return Identity(
        stream.disk.key,
        stream.format.value,
        source.size if source else None,
        source.version if source else "",
        f"{stated.algorithm}:{stated.hexdigest}" if stated else "",
        stream.content,
    )
