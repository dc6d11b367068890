"""``thresher operator``: everything put together, led by one process at a time."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from thresher.model.errors import TargetDenied, TargetUnreachable, ThresherError
from thresher.model.units import Bytes
from thresher.operator.bandwidth import Bandwidth
from thresher.operator.ending import AGAIN_S, ended
from thresher.operator.events import Events
from thresher.operator.health import Page, serve
from thresher.operator.imports.controller import ImportController
from thresher.operator.imports.observe import job_ended
from thresher.operator.imports.slots import Slots
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.transfer import SOURCE, bandwidth_told, name_of
from thresher.operator.informer import Informer
from thresher.operator.kinds import CONFIG_MAP, IMPORT_LABEL, JOB
from thresher.operator.kube import Kube
from thresher.operator.lease import Leader
from thresher.operator.logs import set_up
from thresher.operator.metrics import Metrics
from thresher.operator.queue import WorkQueue
from thresher.operator.sessions import Sessions
from thresher.operator.settings import Settings
from thresher.operator.sources import SourceController
from thresher.operator.triggers import Triggers
from thresher.targets.harvester.objects import Object
from thresher.targets.harvester.preflight import HarvesterPreflight
from thresher.targets.harvester.target import HarvesterTarget
from thresher.wiring.preflight import WithRules

log = logging.getLogger(__name__)

_API_RETRY_S = 2.0

Reconcile = Callable[[str], Awaitable[float | None]]


@dataclass(frozen=True, slots=True)
class Process:
    """How the process is set up, beside what it does.

    Attributes:
        lease_namespace: where the Lease is kept; "" for no election.
        lease_name: of the Lease.
        port: of /healthz, /readyz and /metrics; 0 takes a free one.
        host: the address they are served on.
        log_level: the least that is logged.
    """

    lease_namespace: str = ""
    lease_name: str = "thresher"
    port: int = 8081
    host: str = "0.0.0.0"  # noqa: S104 -- the kubelet and Prometheus come from outside the Pod  # nosec B104
    log_level: str = "info"


def run(settings: Settings, process: Process) -> None:
    """Run until SIGTERM or SIGINT. Raises ThresherError, also when the lead is lost."""
    set_up(process.log_level)
    asyncio.run(_until_stopped(settings, process))


async def _until_stopped(settings: Settings, process: Process) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.create_task(operate(settings, process))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not work.done():
        await ended(work, again_s=2 * AGAIN_S)
    if not work.cancelled():
        await work


async def operate(settings: Settings, process: Process) -> None:
    """Lead, once it is our turn, and work until cancelled. Raises LeadershipLost."""
    metrics, ready = Metrics(), asyncio.Event()
    pages = {
        "/healthz": lambda: Page(b"ok\n"),
        "/readyz": lambda: Page(b"ok\n") if ready.is_set() else Page(b"not yet\n", HTTPStatus.SERVICE_UNAVAILABLE),
        "/metrics": lambda: Page(metrics.text(), kind="text/plain; version=0.0.4; charset=utf-8"),
    }
    server = await serve(pages, process.host, process.port)
    async with server, Kube() as kube, _led(kube, process, ready) as led:
        await _first_failure(_work(kube, settings, metrics, ready), led)


@contextlib.asynccontextmanager
async def _led(kube: Kube, process: Process, ready: asyncio.Event) -> AsyncIterator[Awaitable[None]]:
    """Wait for the lead; what is yielded ends with LeadershipLost when it is lost."""
    if not process.lease_namespace:
        yield asyncio.Event().wait()  # type: ignore[misc] # never ends, and never says anything
        return
    identity = f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    leader = Leader(kube, process.lease_namespace, process.lease_name, identity)
    ready.set()  # a process that stands by is as it should be
    await leader.acquire()
    try:
        yield leader.hold()
    finally:
        await leader.release()


async def _first_failure(*parts: Awaitable[None]) -> None:
    """Run all parts; the first that fails ends the others, and its error is raised as it is."""
    tasks = [asyncio.create_task(_run(part)) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await ended(*tasks)
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(part: Awaitable[None]) -> None:
    await part


async def _work(kube: Kube, settings: Settings, metrics: Metrics, ready: asyncio.Event) -> None:
    imports, sources, sessions = WorkQueue(), WorkQueue(), Sessions()
    bandwidth = Bandwidth(settings.bandwidth, lambda uid: triggers.wake(uid))  # noqa: PLW0108 - it comes next
    triggers = Triggers(imports, sources, bandwidth.source)
    slots = Slots(settings.transfers, triggers.wake)
    events = Events(kube)
    preflight = WithRules(HarvesterPreflight(kube))
    tools = Tools(
        kube, events, sessions, HarvesterTarget(kube), preflight, slots, settings, metrics, bandwidth=bandwidth
    )
    metrics.depth("imports", lambda: len(imports))
    metrics.depth("sources", lambda: len(sources))
    metrics.transfers("running", lambda: slots.running)
    metrics.transfers("waiting", lambda: slots.waiting)
    for namespace in settings.namespaces or ("",):
        for job in await _jobs(kube, namespace):
            if not job_ended(job):
                _take_up(job["metadata"], tools)
    controller, looker = ImportController(tools), SourceController(kube, events, sessions)
    informers = [Informer(kube, watched, react) for watched, react in triggers.watches(settings.namespaces)]
    try:
        await _first_failure(
            *(informer.run() for informer in informers),
            *(_worker(imports, controller.reconcile, metrics) for _ in range(settings.passes)),
            *(_worker(sources, looker.reconcile, metrics) for _ in range(settings.passes)),
            sessions.sweep(),
            bandwidth.run(partial(_tell_bandwidth, kube)),
            _synced(informers, ready),
        )
    finally:
        await sessions.close()


async def _jobs(kube: Kube, namespace: str) -> list[Object]:
    """The workers' Jobs, once the API server answers: an operator that ends waits longer, in its restart's back-off."""
    while True:
        try:
            return await kube.list_all(JOB, namespace, labels=IMPORT_LABEL)
        except (TargetUnreachable, TargetDenied) as error:
            log.warning("%s: %s", error.reason, error)
            await asyncio.sleep(_API_RETRY_S)


def _take_up(meta: Object, tools: Tools) -> None:
    """A worker of an earlier process goes on: it has its slot, and its share of the bandwidth."""
    uid = meta["labels"][IMPORT_LABEL]
    tools.slots.take(uid)
    tools.bandwidth.begins(uid, meta["namespace"], (meta.get("annotations") or {}).get(SOURCE, ""))


async def _tell_bandwidth(kube: Kube, namespace: str, uid: str, rate: Bytes | None) -> bool:
    patch = {"data": bandwidth_told(rate)}
    return await kube.merge(CONFIG_MAP, namespace, name_of(uid), patch) is not None


async def _synced(informers: list[Informer], ready: asyncio.Event) -> None:
    for informer in informers:
        await informer.synced.wait()
    ready.set()


async def _worker(queue: WorkQueue, reconcile: Reconcile, metrics: Metrics) -> None:
    """Take keys and handle them, for ever. A pass that fails is done again; a defect of ours is told, too."""
    while True:
        key = await queue.get()
        try:
            seconds = await reconcile(key)
        except ThresherError as error:
            metrics.error(error.reason)
            log.warning("%s: %s", error.reason, error, extra={"import": key})
            queue.add_failed(key)
        except Exception:
            metrics.error(ThresherError.reason)
            log.exception("a defect in a pass; it is done again", extra={"import": key})
            queue.add_failed(key)
        else:
            queue.forget(key)
            if seconds is not None:
                queue.add_after(key, seconds)
        finally:
            queue.done(key)
