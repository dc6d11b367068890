"""From what a pass read to what decisions are made of. Purely computational."""

from dataclasses import dataclass

from thresher.imports.observed import (
    DiskSeen,
    DiskState,
    Failure,
    ImageSeen,
    ImageState,
    Observed,
    Retry,
    TargetSeen,
    TargetState,
)
from thresher.model.errors import Fault, SourceUnreachable, TargetFull
from thresher.model.report import DiskPhase, DiskReport, Report, WorkerPhase
from thresher.model.vm import PowerState, SourceVM
from thresher.operator.imports.memory import Memory
from thresher.operator.sessions import SourceObjects
from thresher.ports import VmState
from thresher.targets.harvester.facts import ImageFacts, ImageWord
from thresher.targets.harvester.objects import Object
from thresher.targets.harvester.volumes import VolumeFacts, asked_for
from thresher.targets.manifests import is_blank

ABSENT = VmState(exists=False, running=False)
NO_POWER = "OvaSource"
"""The kind whose VMs are always off: a file describes them."""
_IMAGES = {
    ImageWord.SUBMITTED: ImageState.SUBMITTED,
    ImageWord.IMPORTING: ImageState.IMPORTING,
    ImageWord.READY: ImageState.READY,
    ImageWord.FAILED: ImageState.FAILED,
}


@dataclass(frozen=True, slots=True)
class World:
    """What one pass read.

    Attributes:
        source: the source and its Secret, or both as the worker was given them where they are not there any more;
            None where they cannot be used.
        source_failure: why not, or why it is not ready.
        job: the worker's Job.
        report: what the worker says; None before its first word.
        command: what the worker was told.
        scratch: the worker's volume; it outlives the Job.
        trouble: why the worker's Pod does not start, in Kubernetes' words; "" where it does.
        images: every image of the import.
        volumes: every volume of the import that a worker writes itself.
        target: the new VM.
        power: the source VM's power state; None where there is none or it is not known.
    """

    source: SourceObjects | None = None
    source_failure: Failure | None = None
    job: Object | None = None
    report: Report | None = None
    command: str = ""
    scratch: Object | None = None
    trouble: str = ""
    images: tuple[ImageFacts, ...] = ()
    volumes: tuple[VolumeFacts, ...] = ()
    target: VmState = ABSENT
    power: PowerState | None = None

    def require_source(self) -> SourceObjects:
        """The source. Raises SourceUnreachable where it cannot be used."""
        if self.source is None:
            failure = self.source_failure
            raise SourceUnreachable(failure.message if failure else "The source cannot be used.")
        return self.source


def observed(world: World, memory: Memory, kind: str, *, deleting: bool) -> Observed:
    """What was seen, as decisions want it.

    Args:
        world: what was read.
        memory: what was remembered.
        kind: of the source.
        deleting: whether the import is being deleted.
    """
    vm = memory.vm
    ready = world.source is not None and world.source.ready
    return Observed(
        source_ready=ready or world.job is not None,  # a worker says itself how it fares with the source
        source_failure=world.source_failure,
        always_off=kind == NO_POWER,
        vm=vm,
        findings=memory.findings,
        power=world.power,
        disks=disks_seen(vm, world) if vm is not None else (),
        images=images_seen(vm, world.images, world.volumes) if vm is not None else (),
        target=target_seen(world.target),
        deletion_asked=deleting,
        moving=_moving(world),
        retry=_retry(world),
        recorded=memory.recorded,
    )


def _retry(world: World) -> Retry | None:
    """What the worker tries again."""
    report = world.report
    if report is None or report.failure is None or report.phase is not WorkerPhase.EXPORTING or job_ended(world.job):
        return None
    return Retry("copy the disks", report.attempt, report.failure, report.retry_at)


def _moving(world: World) -> bool:
    """Whether anything is under way: a worker, an image that is not in yet, a VM that does not run yet, or its volumes.

    Those are no longer what was copied: without the VM they are of no use.
    """
    images = any(image.word is not ImageWord.READY for image in world.images)
    machine = world.target.exists and not world.target.foreign and not world.target.running
    volumes = any(found.handed_over for found in world.volumes)
    return world.job is not None or images or machine or volumes


def job_ended(job: Object | None) -> str:
    """``Complete``, ``Failed``, or "" for a Job that goes on or is not there (batch/v1 JobCondition)."""
    conditions = ((job or {}).get("status") or {}).get("conditions") or []
    ended = [c["type"] for c in conditions if c.get("status") == "True" and c["type"] in ("Complete", "Failed")]
    return str(ended[0]) if ended else ""


def job_failure(job: Object, report: Report | None) -> Failure:
    """Why a Job failed: the worker's words, else Kubernetes'."""
    if report is not None and report.failure is not None:
        return final(report.failure) if report.phase is WorkerPhase.FAILED else report.failure
    conditions = (job.get("status") or {}).get("conditions") or []
    said = next((c.get("message") for c in conditions if c["type"] == "Failed"), "") or "without a reason"
    message = f"The worker ended before it could say why ({said}). Look at the events of its Pod."
    return Failure("WorkerFailed", message, retryable=True, fault=Fault.TARGET)


def final(failure: Failure) -> Failure:
    """A worker's last word on an error: where its own attempts did not help, more of the same do not either.

    A volume that filled up is as small the next time (harvester/harvester#8849).
    """
    if failure.reason != TargetFull.reason:
        return failure
    advice = " Give the scratch volume more room: raise the operator's scratch factor, or use another storage class."
    return Failure(failure.reason, failure.message + advice, fault=failure.fault, exit_code=failure.exit_code)


def disks_seen(vm: SourceVM, world: World) -> tuple[DiskSeen, ...]:
    """The copies. What a worker copied goes with its Pod; from then on only a finished image or volume holds it."""
    ended = job_ended(world.job)
    told = {disk.key: disk for disk in world.report.disks} if world.report is not None else {}
    seen = []
    for disk in vm.disks:
        row, image = told.get(disk.key, DiskReport(disk.key)), current(world.images, disk.key)
        volume = volume_of(world.volumes, disk.key)
        there = any(found.key == disk.key for found in world.volumes)
        held = (image is not None and image.word is ImageWord.READY) or (volume is not None and volume.copied)
        if held or is_blank(disk):
            begun = held or there
            seen.append(DiskSeen(disk.key, DiskState.DONE, begun=begun, position=row.position, total=row.total))
        elif world.job is None or ended == "Complete":
            seen.append(DiskSeen(disk.key, begun=world.job is not None or world.scratch is not None or there))
        elif ended == "Failed":
            failure = job_failure(world.job, world.report)
            seen.append(DiskSeen(disk.key, DiskState.FAILED, begun=True, total=row.total, failure=failure))
        else:
            seen.append(_under_way(row, world.report))
    return tuple(seen)


def _under_way(row: DiskReport, report: Report | None) -> DiskSeen:
    if row.state is DiskPhase.DONE:
        return DiskSeen(row.key, DiskState.DONE, begun=True, position=row.position, total=row.total)
    over = report is not None and report.phase is WorkerPhase.FAILED
    failure = row.failure
    if over and report is not None and report.failure is not None:
        failure = report.failure  # its last word: what a disk failed of once may be long mended
    if failure is not None and over:
        failure = final(failure)
    if failure is not None and not failure.retryable and over:
        return DiskSeen(row.key, DiskState.FAILED, begun=True, position=row.position, total=row.total, failure=failure)
    return DiskSeen(
        row.key, DiskState.RUNNING, begun=True, position=row.position, total=row.total
    )  # the worker tries by itself


def current(images: tuple[ImageFacts, ...], key: str) -> ImageFacts | None:
    """The latest image of a disk that is there to stay."""
    return max((i for i in images if i.key == key and not i.leaving), key=lambda i: i.attempt, default=None)


def next_attempt(images: tuple[ImageFacts, ...], key: str) -> int:
    """The number of the next image of a disk: no name is used twice while its bearer is there."""
    return max((image.attempt + 1 for image in images if image.key == key), default=0)


def volume_of(volumes: tuple[VolumeFacts, ...], key: str) -> VolumeFacts | None:
    """The volume of a disk that is there to stay."""
    return next((found for found in volumes if found.key == key and not found.leaving), None)


def images_seen(
    vm: SourceVM, images: tuple[ImageFacts, ...], volumes: tuple[VolumeFacts, ...] = ()
) -> tuple[ImageSeen, ...]:
    """The images, one for each disk; a blank disk needs none, and a volume that holds its disk is its own image."""
    seen = []
    for disk in vm.disks:
        found, volume = current(images, disk.key), volume_of(volumes, disk.key)
        if is_blank(disk) or (volume is not None and volume.copied):
            seen.append(ImageSeen(disk.key, ImageState.READY, percent=100))
        elif found is None:
            seen.append(ImageSeen(disk.key))
        else:
            failure = _image_failure(found) if found.word is ImageWord.FAILED else None
            seen.append(ImageSeen(disk.key, _IMAGES[found.word], found.name, found.percent, failure, found.failed_at))
    return tuple(seen)


def _image_failure(image: ImageFacts) -> Failure:
    said = image.message or "it gives no reason"
    message = f"Harvester could not import the image {image.name}: {said.rstrip('.')}."
    return Failure("ImageFailed", message, retryable=True, fault=Fault.TARGET, exit_code=5)


def target_seen(state: VmState) -> TargetSeen:
    """The new VM, or a stranger of its name."""
    if state.foreign:
        return TargetSeen(TargetState.FOREIGN, state.message)
    if not state.exists:
        return TargetSeen(TargetState.ABSENT, state.message)
    return TargetSeen(TargetState.RUNNING if state.running else TargetState.CREATED, state.message, state.alive)


def pod_trouble(pods: list[Object], claim: Object | None, volumes: tuple[VolumeFacts, ...] = ()) -> str:
    """Why a worker does not start: what the scheduler, a volume or the image says."""
    if claim is not None and (claim.get("status") or {}).get("phase") == "Pending":
        return (
            f"The scratch volume of {asked_for(claim)} is not there yet, and nothing is downloaded before it is. "
            f"The events of PersistentVolumeClaim {claim['metadata']['name']} say why: make room in that class, "
            "or have the operator use another."
        )
    waits = next((found for found in volumes if found.pending), None)
    if waits is not None:
        return (
            f"The volume of {waits.pending} for disk {waits.key} is not there yet, and nothing is downloaded before it "
            f"is. The events of PersistentVolumeClaim {waits.name} say why: make room in that class, "
            "or import with another storageClass."
        )
    for pod in pods:
        status = pod.get("status") or {}
        for condition in status.get("conditions") or []:
            if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                return f"The worker cannot be placed: {condition.get('message', 'without a reason')}."
        for container in status.get("containerStatuses") or []:
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("message"):
                return f"The worker does not start: {waiting.get('reason')}: {waiting['message']}."
    return ""
