"""``thresher check``, and the sources of a run: looked at, with certificates pinned, each with one session."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from thresher.api.manifests import AnySource, Manifests
from thresher.cli.choices import Output
from thresher.cli.known_hosts import KnownHosts
from thresher.cli.manifests import endpoint_of, read_manifests
from thresher.cli.printing import print_data
from thresher.cli.progress import Report
from thresher.imports.source_status import SourceStatus, SourceWord
from thresher.imports.source_watch import Interval, SourceWatch
from thresher.model.errors import SourceError, UsageError
from thresher.ports import Source
from thresher.wiring.sources import DiskLimits, SourcePool


def check(files: Sequence[str], output: Output, *, watch: bool) -> int:
    """Look at each source of the manifests and say what was seen; with ``watch``, again and again.

    Raises:
        UsageError: there is no source, or a Secret is missing.
    """
    manifests = read_manifests(files)
    if not manifests.sources:
        raise UsageError(
            f"there is no source in {', '.join(files)}: add a VmwareSource, an OpenstackSource or an OvaSource"
        )
    if watch:
        asyncio.run(_watch_all(manifests))
    statuses = asyncio.run(_look_at_all(manifests))
    _print(statuses, output)
    codes = [look.conditions[0].reason for _, look in statuses if look.status is not SourceWord.READY]
    return SourceError.exit_code if codes else 0


async def _look_at_all(manifests: Manifests) -> list[tuple[AnySource, SourceStatus]]:
    known = KnownHosts()
    looks = await asyncio.gather(*(look_once(manifest, manifests, known) for manifest in manifests.sources))
    return list(zip(manifests.sources, looks, strict=True))


async def look_once(manifest: AnySource, manifests: Manifests, known: KnownHosts) -> SourceStatus:
    """Look at a source, and pin its certificate where it is the first one seen. Raises UsageError, TargetError."""
    status = await SourceWatch(_opener(manifest, manifests, known)).look()
    _pin(manifest, status, known)
    return status


def _opener(manifest: AnySource, manifests: Manifests, known: KnownHosts) -> Callable[[str], Source]:
    def open_source(fingerprint: str) -> Source:
        pinned = fingerprint or known.get(endpoint_of(manifest))
        return SourcePool(manifests, lambda _: pinned).get(manifest).source

    return open_source


def _pin(manifest: AnySource, status: SourceStatus, known: KnownHosts) -> None:
    if status.status is SourceWord.READY and status.fingerprint:
        known.keep(endpoint_of(manifest), status.fingerprint)


async def _watch_all(manifests: Manifests) -> None:
    known = KnownHosts()

    async def follow(manifest: AnySource) -> None:
        said = None
        async for status in SourceWatch(_opener(manifest, manifests, known), Interval()).statuses():
            _pin(manifest, status, known)
            if status.status != said:
                said = status.status
                print(f"{datetime.now().astimezone():%H:%M:%S} {line_of(manifest, status)}", flush=True)  # noqa: T201

    await asyncio.gather(*(follow(manifest) for manifest in manifests.sources))


def line_of(manifest: AnySource, status: SourceStatus) -> str:
    """One source in one line."""
    return f"{manifest.kind} {manifest.metadata.key} {status.status.value}: {status.message}"


def _print(statuses: Sequence[tuple[AnySource, SourceStatus]], output: Output) -> None:
    if output is not Output.TABLE:
        print_data(
            [
                {
                    "kind": manifest.kind,
                    "namespace": manifest.metadata.namespace,
                    "name": manifest.metadata.name,
                    "status": status.status.value,
                    "reason": status.conditions[0].reason,
                    "message": status.message,
                    "fingerprint": status.fingerprint or None,
                }
                for manifest, status in statuses
            ],
            output,
        )
        return
    for manifest, status in statuses:
        print(line_of(manifest, status))  # noqa: T201  a command's result


@asynccontextmanager
async def opened_sources(
    manifests: Manifests, used: Sequence[AnySource], limits: DiskLimits, report: Report
) -> AsyncIterator[SourcePool]:
    """The pool of the sources that imports use, each looked at, and its session held until the end.

    A source that is not ready is said, and not an error here: its imports retry it and say what became of it.

    Raises:
        UsageError: a Secret is missing, or nothing serves a kind.
    """
    known = KnownHosts()
    async with AsyncExitStack() as sessions:
        for manifest in used:
            status = await look_once(manifest, manifests, known)
            report.line(f"{datetime.now().astimezone():%H:%M:%S} {line_of(manifest, status)}")
        pool = SourcePool(manifests, known.get, limits)
        for manifest in used:
            await sessions.enter_async_context(pool.get(manifest).source)
        yield pool
