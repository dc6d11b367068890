"""Reads what one pass decides on, fresh from the API server and the source."""

import base64
from dataclasses import replace
from datetime import datetime, timedelta

from thresher.api.virtualmachineimport import SourceReference
from thresher.imports.observed import Failure, Step
from thresher.model.errors import FormatError, SourceNotFound, SourceUnreachable, ThresherError, UsageError
from thresher.model.handover import COMMAND, REPORT
from thresher.model.report import Report
from thresher.model.spec import ImportSpec
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.observe import ABSENT, World, job_ended, job_failure, pod_trouble
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.transfer import name_of
from thresher.operator.kinds import CONFIG_MAP, IMPORT_LABEL, JOB, POD, SECRET
from thresher.operator.sessions import SourceObjects, as_handed_over, read_source
from thresher.targets.harvester.objects import CLAIM, Object
from thresher.targets.harvester.volumes import VolumeFacts

STARTING = timedelta(seconds=10)
"""How long a Pod may take to start before one asks why it does not: volumes and images take seconds."""
FRESH_S, RUNNING_S = 2.0, 30.0
"""How old a power state may be: while a shutdown is waited for, and while a worker copies."""


async def look(tools: Tools, spec: ImportSpec, ref: SourceReference, memory: Memory) -> tuple[World, Memory]:
    """Look at everything that one import is about.

    Returns:
        What was seen, and the memory with a look at the source that failed or succeeded.

    Raises:
        TargetError: the API server does not answer; nothing can be decided.
    """
    name = name_of(spec.uid)
    source, failure = await _source(tools, ref, spec.namespace)
    if source is None:
        source = await _handed_over(tools, spec)
    job = await tools.kube.get(JOB, spec.namespace, name)
    config = await tools.kube.get(CONFIG_MAP, spec.namespace, name) if job is not None else None
    scratch = await tools.kube.get(CLAIM, spec.namespace, name)
    volumes = await tools.target.volumes(spec) if memory.vm is not None and spec.writes_volumes else ()
    data = (config or {}).get("data") or {}
    report = _report(data.get(REPORT), job)
    vm = memory.vm
    world = World(
        source=source,
        source_failure=failure,
        job=job,
        report=report,
        command=data.get(COMMAND, ""),
        scratch=scratch,
        trouble=await _trouble(tools, spec, job, scratch, volumes) if job is not None and report is None else "",
        images=await tools.target.images(spec) if vm is not None and not spec.writes_volumes else (),
        volumes=volumes,
        target=await tools.target.vm_state(spec, vm) if vm is not None else ABSENT,
    )
    return await _with_power(tools, spec, _counted(tools, memory, world), world)


def _counted(tools: Tools, memory: Memory, world: World) -> Memory:
    """A Job that failed is one failed transfer, however often it is seen."""
    if world.job is None or job_ended(world.job) != "Failed":
        return memory
    uid = world.job["metadata"]["uid"]
    if uid == memory.failed_job:
        return memory
    failed = memory.recorded.failed(Step.TRANSFER, job_failure(world.job, world.report), tools.clock())
    return replace(memory, recorded=failed, failed_job=uid)


async def _source(tools: Tools, ref: SourceReference, user: str) -> tuple[SourceObjects | None, Failure | None]:
    try:
        found = await read_source(tools.kube, ref, user, across=tools.settings.cross_namespace_sources)
    except (SourceNotFound, UsageError) as error:
        return None, Failure.of(error)
    if found.ready:
        return found, None
    conditions = (found.source.get("status") or {}).get("conditions") or []
    if not conditions:
        return found, None  # it was not looked at yet
    said = conditions[0].get("message") or "without a reason"
    name = f"{ref.kind} {found.manifest.metadata.key}"
    return found, Failure.of(SourceUnreachable(f"{name} is not ready: {said}"))


async def _handed_over(tools: Tools, spec: ImportSpec) -> SourceObjects | None:
    """The source as the worker was given it: who deletes all of a file's objects at once deletes it before the import.

    It is not ready, so nothing is begun with it; but what was done to the source can be undone.
    """
    secret = await tools.kube.get(SECRET, spec.namespace, name_of(spec.uid))
    coded = ((secret or {}).get("data") or {}).get("manifests.yaml")
    if not coded:
        return None
    try:
        return as_handed_over(base64.b64decode(coded).decode())
    except UsageError:
        return None  # of another release


def _report(text: str | None, job: Object | None) -> Report | None:
    """The worker's report, unless it is one of an earlier Job's."""
    if not text or job is None:
        return None
    try:
        return Report.from_json(text)
    except FormatError:
        return None  # of another release: the Job itself tells whether it goes on


async def _trouble(
    tools: Tools, spec: ImportSpec, job: Object, scratch: Object | None, volumes: tuple[VolumeFacts, ...]
) -> str:
    if tools.clock() - datetime.fromisoformat(job["metadata"]["creationTimestamp"]) < STARTING:
        return ""
    label = f"{IMPORT_LABEL}={spec.uid}"
    pods = await tools.kube.list_all(POD, spec.namespace, labels=label)
    return pod_trouble(pods, scratch, volumes)


async def _with_power(tools: Tools, spec: ImportSpec, memory: Memory, world: World) -> tuple[World, Memory]:
    """Add the source VM's power state. One that cannot be seen now stays as it was seen last."""
    recorded, vm = memory.recorded, memory.vm
    settled = world.target.exists and not world.target.foreign
    if world.source is None or vm is None or settled or world.source.manifest.kind == "OvaSource":
        return world, memory
    copying = world.job is not None and not job_ended(world.job)
    state = tools.power.get(spec.uid, RUNNING_S if copying else FRESH_S)
    if state is None:
        try:
            async with tools.sessions.use(world.source) as opened:
                state = await opened.power.power_state(vm) if opened.power is not None else None
        except ThresherError as error:
            recorded = recorded.failed(Step.LOOK, Failure.of(error), tools.clock())
            state = tools.power.get(spec.uid, float("inf")) or vm.power
        else:
            recorded = recorded.succeeded(Step.LOOK)
            if state is not None:
                tools.power.put(spec.uid, state)
    return replace(world, power=state), replace(memory, recorded=recorded)


def deleted_at(vmi: Object) -> datetime | None:
    """When the deletion was asked for; None where it was not."""
    text = vmi["metadata"].get("deletionTimestamp")
    return datetime.fromisoformat(text) if text else None
