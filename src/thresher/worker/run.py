"""The worker's life: transfer, serve, and end when told to."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from thresher.api.convert import import_spec
from thresher.api.manifests import Manifests
from thresher.model.errors import Stopped, ThresherError, UsageError
from thresher.model.failure import Failure
from thresher.model.handover import FINGERPRINT
from thresher.model.report import Report, WorkerPhase
from thresher.model.spec import ImportSpec, Verify
from thresher.model.units import Bytes
from thresher.transfer.serving import DiskServer
from thresher.transfer.throttle import Throttle
from thresher.wiring.images import local_transfer
from thresher.wiring.sources import SourcePool
from thresher.worker.board import Board
from thresher.worker.moving import ImportTransfer, InPlace, Published, Served
from thresher.worker.reporting import Pump, Reporter
from thresher.worker.scratch import Scratch
from thresher.worker.settings import Serving

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One worker's task.

    Attributes:
        spec: the import.
        manifests: the import and what it refers to.
        scratch: where the scratch volume is mounted.
        serving: where disks are served; None where they are written to volumes.
        volumes: by the disks' keys; None where disks are written to scratch, and served.
        bandwidth: bytes a second before another rate is heard; None for no limit.
    """

    spec: ImportSpec
    manifests: Manifests
    scratch: Path
    serving: Serving | None
    volumes: Mapping[str, Path] | None = None
    bandwidth: Bytes | None = None

    @property
    def subject(self) -> str:
        """The import's name, for logs."""
        return f"{self.spec.namespace}/{self.spec.name}"


def job_of(
    manifests: Manifests,
    scratch: Path,
    volumes: Mapping[str, Path],
    serving: Callable[[], Serving],
    bandwidth: Bytes | None = None,
) -> Job:
    """The task that the manifests describe.

    Raises:
        UsageError: there is not exactly one import, or its disks are to be written elsewhere.
    """
    if len(manifests.imports) != 1:
        raise UsageError(f"a worker carries out one VirtualMachineImport; the manifests have {len(manifests.imports)}")
    spec = import_spec(manifests.imports[0])
    if volumes and not spec.writes_volumes:
        raise UsageError("volumes are given, but the import has not diskMode: volume; change one of them")
    if spec.writes_volumes:
        return Job(spec, manifests, scratch, None, volumes, bandwidth)
    return Job(spec, manifests, scratch, serving(), None, bandwidth)


async def work(job: Job, reporter: Reporter) -> int:
    """Carry out the task and return the exit code: 0 when told to stop, else the error's."""
    board = Board()
    async with reporter, Pump(board, reporter):
        try:
            return await _work(job, reporter, board)
        except ThresherError as error:
            log.error("%s", error)  # noqa: TRY400 - it says what happened by itself
            board.is_now(WorkerPhase.FAILED, Failure.of(error))
            return error.exit_code
        except Exception as error:
            log.exception("a defect of Thresher's")
            what = f"A defect of Thresher's ended the transfer: {type(error).__name__}: {error}; report it."
            board.is_now(WorkerPhase.FAILED, Failure(ThresherError.reason, what))
            return ThresherError.exit_code


async def refuse(reporter: Reporter, error: ThresherError) -> None:
    """Report that the task cannot even be begun. Raises ThresherError where that cannot be reported."""
    async with reporter:
        await reporter.write(Report(datetime.now(UTC), WorkerPhase.FAILED, failure=Failure.of(error)))


async def _work(job: Job, reporter: Reporter, board: Board) -> int:
    with _published(job) as published, _terminated() as terminated:
        throttle = Throttle(job.bandwidth)  # without a limit now, too: one may come at any time
        transfer = asyncio.create_task(_import_transfer(job, published, board, throttle).run())
        stopped = asyncio.create_task(reporter.wait_for_stop(lambda rate: _obey(throttle, rate)))
        killed = asyncio.create_task(terminated.wait())
        try:
            await asyncio.wait({transfer, stopped, killed}, return_when=asyncio.FIRST_COMPLETED)
            if not stopped.done() and not killed.done():
                await transfer
                board.is_now(WorkerPhase.SERVING)
                log.info("every disk is whole; %s until told to stop", "serving them" if job.serving else "waiting")
                await asyncio.wait({stopped, killed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(transfer, stopped, killed)
        if stopped.done() and not stopped.cancelled():
            stopped.result()
            log.info("told to stop")
            board.is_now(WorkerPhase.DONE)
            return 0
        log.warning("terminated; what is on the scratch volume stays, and the next worker goes on from there")
        return Stopped.exit_code


def _obey(throttle: Throttle, rate: Bytes | None) -> None:
    if throttle.rate != rate:
        throttle.set_rate(rate)
        log.info("bandwidth: %s", "no limit" if rate is None else f"{rate} bytes a second")


@contextmanager
def _published(job: Job) -> Iterator[Published]:
    """What becomes of finished disks: they are served, unless they are where they belong."""
    if job.serving is None:
        yield InPlace()
        return
    with DiskServer(job.serving.host, job.serving.port, job.serving.token) as server:
        url = job.serving.url(server.port)
        log.info("disks are served at %s", url)
        yield Served(server, url)


def _import_transfer(job: Job, published: Published, board: Board, throttle: Throttle) -> ImportTransfer:
    vmi = job.manifests.imports[0]
    source = job.manifests.source(vmi.source_ref)
    pinned = (source.metadata.annotations or {}).get(FINGERPRINT, "")
    checksum = "sha512" if job.spec.verify is Verify.SHA512 else None
    scratch = Scratch(job.scratch, job.spec.uid, job.volumes)
    return ImportTransfer(
        job.spec,
        lambda: SourcePool(job.manifests, lambda _: pinned).get(source).source,
        local_transfer(durable=True, image_checksum=checksum, throttles=(throttle,), ledgers=scratch.ledgers),
        scratch,
        published,
        board,
    )


async def _cancel(*tasks: asyncio.Task[object] | asyncio.Task[None]) -> None:
    """End tasks and wait for them: a transfer makes durable what it has."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _terminated() -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set, while the context lasts."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    kinds = (signal.SIGTERM, signal.SIGINT)
    for kind in kinds:
        loop.add_signal_handler(kind, event.set)
    try:
        yield event
    finally:
        for kind in kinds:
            loop.remove_signal_handler(kind)
