"""``thresher worker``: one import's transfer, as the operator starts it in a Pod."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from thresher.cli.manifests import read_manifests
from thresher.model.errors import UsageError
from thresher.model.units import Bytes
from thresher.worker.logs import log_as_json
from thresher.worker.reporting import FileReporter, Reporter
from thresher.worker.run import job_of, refuse, work
from thresher.worker.settings import Serving


@dataclass(frozen=True, slots=True)
class Places:
    """Where a worker writes.

    Attributes:
        scratch: the folder for disks and ledgers.
        volumes: each ``KEY=PATH``; empty where disks are written to scratch.
    """

    scratch: Path
    volumes: tuple[str, ...] = ()


async def run(
    files: list[str],
    places: Places,
    token_file: Path,
    listen: str | None,
    bandwidth: Bytes | None,
    reporter: Reporter,
) -> int:
    """Carry out one import's transfer and return the exit code.

    Raises:
        UsageError: it cannot be begun as told; that is reported, too.
    """
    try:
        volumes = _volumes(places.volumes)
        job = job_of(read_manifests(files), places.scratch, volumes, lambda: Serving.of(listen, token_file), bandwidth)
    except UsageError as error:
        await refuse(reporter, error)
        raise
    log_as_json(job.subject)
    return await work(job, reporter)


def _volumes(texts: tuple[str, ...]) -> dict[str, Path]:
    """The volumes by the keys of their disks. Each has a ledger of its volume's name."""
    volumes = dict(map(_volume, texts))
    names = {path.name for path in volumes.values()}
    if len(volumes) != len(texts) or len(names) != len(texts):
        raise UsageError("two volumes have one disk or one file name: each disk needs a volume of its own, and a name")
    return volumes


def _volume(text: str) -> tuple[str, Path]:
    """A disk's key, and its volume. A key may be anything; a path of a volume has no equals sign."""
    key, equals, path = text.rpartition("=")
    if not (key and equals and path):
        raise UsageError(f"{text!r} names no volume: write KEY=PATH")
    return key, Path(path)


def run_and_report(
    files: list[str],
    places: Places,
    token_file: Path,
    listen: str | None,
    bandwidth: Bytes | None,
    report: tuple[str | None, Path | None],
) -> int:
    """The same in an event loop, with the report going to a ConfigMap or a file. Raises UsageError."""

    async def reporting() -> int:  # clients belong to the loop that they are made in
        return await run(files, places, token_file, listen, bandwidth, _reporter(*report))

    return asyncio.run(reporting())


def _reporter(configmap: str | None, file: Path | None) -> Reporter:
    if (configmap is None) == (file is None):
        raise UsageError("a worker reports to one place: name --report-configmap or --report-file")
    if file is not None:
        return FileReporter(file)
    from thresher.worker.configmap import ConfigMapReporter, service_account

    return ConfigMapReporter(str(configmap), service_account())
