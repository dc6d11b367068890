from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from rig.source_vms import LINUX_BIOS, SPEC, UID
from thresher.imports.observed import DiskState, ImageState, TargetState
from thresher.imports.phases import Phase
from thresher.model.failure import Failure
from thresher.model.naming import volume_name
from thresher.model.report import DiskPhase, DiskReport, Report, WorkerPhase
from thresher.model.vm import DiskFormat
from thresher.operator.imports.memory import Memory, dump, load
from thresher.operator.imports.observe import (
    World,
    current,
    disks_seen,
    images_seen,
    next_attempt,
    observed,
    pod_trouble,
    target_seen,
)
from thresher.operator.status import changes
from thresher.ports import VmState
from thresher.targets.harvester.facts import ImageFacts, ImageWord, backend_of, image_facts
from thresher.targets.harvester.volumes import COPIED, HANDED_OVER, VolumeFacts, new_volume, noted, volume_facts
from thresher.targets.manifests import Backend

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = LINUX_BIOS.disks[0].key
RUNNING: dict[str, Any] = {"metadata": {"uid": "j"}, "status": {"active": 1}}


def ended(kind: str) -> dict[str, Any]:
    condition = {"type": kind, "status": "True", "message": "Job has reached the specified backoff limit"}
    return {"metadata": {"uid": "j"}, "status": {"conditions": [condition]}}


def report(state: DiskPhase, phase: WorkerPhase = WorkerPhase.EXPORTING, failure: Failure | None = None) -> Report:
    return Report(NOW, phase, (DiskReport(KEY, state, failure=failure),), failure)


def state_of(world: World) -> DiskState:
    (disk,) = disks_seen(LINUX_BIOS, world)
    return disk.state


def image(word: ImageWord, attempt: int = 0, *, leaving: bool = False) -> ImageFacts:
    return ImageFacts(f"image-{attempt}", "u", KEY, attempt, word, message="no space", leaving=leaving)


def test_without_a_worker_nothing_is_copied() -> None:
    assert state_of(World()) is DiskState.PENDING


def test_a_worker_that_has_said_nothing_yet_is_at_work() -> None:
    assert state_of(World(job=RUNNING)) is DiskState.RUNNING


def test_a_failure_that_the_worker_mends_itself_is_no_failure_of_the_import() -> None:
    failure = Failure("StreamCut", "cut", retryable=True)
    assert state_of(World(job=RUNNING, report=report(DiskPhase.PENDING, failure=failure))) is DiskState.RUNNING


def test_a_worker_that_is_beyond_help_fails_its_disks() -> None:
    failure = Failure("SourceDenied", "no right to export")
    world = World(job=RUNNING, report=report(DiskPhase.FAILED, WorkerPhase.FAILED, failure))
    assert state_of(world) is DiskState.FAILED


def test_what_a_worker_copied_goes_with_its_pod() -> None:
    assert state_of(World(job=ended("Complete"), report=report(DiskPhase.DONE))) is DiskState.PENDING


def test_a_finished_image_holds_the_disk_when_the_worker_is_gone() -> None:
    assert state_of(World(images=(image(ImageWord.READY),))) is DiskState.DONE


def test_a_scratch_volume_that_filled_up_is_not_tried_again() -> None:
    full = Failure("TargetFull", "no space left", retryable=True)
    last = report(DiskPhase.PENDING, WorkerPhase.FAILED, full)
    (disk,) = disks_seen(LINUX_BIOS, World(job=ended("Failed"), report=last))
    assert disk.failure is not None
    assert not disk.failure.retryable
    assert "scratch factor" in disk.failure.message


def test_a_worker_that_was_killed_while_it_waited_for_room_goes_on_waiting() -> None:
    full = Failure("TargetFull", "no space left", retryable=True)
    (disk,) = disks_seen(LINUX_BIOS, World(job=ended("Failed"), report=report(DiskPhase.PENDING, failure=full)))
    assert disk.failure == full


def test_a_volume_that_was_full_once_is_not_what_a_worker_ended_of() -> None:
    full = Failure("TargetFull", "there is no room for disk 2000", retryable=True)
    away = Failure("SourceUnreachable", "no answer", retryable=True)
    row = DiskReport(KEY, DiskPhase.PENDING, failure=full)
    assert state_of(World(job=RUNNING, report=Report(NOW, WorkerPhase.FAILED, (row,), away))) is DiskState.RUNNING


def test_a_worker_that_died_without_a_word_is_tried_again() -> None:
    (disk,) = disks_seen(LINUX_BIOS, World(job=ended("Failed")))
    assert disk.failure is not None
    assert disk.failure.retryable
    assert "backoff limit" in disk.failure.message


def test_a_blank_disk_needs_neither_copy_nor_image() -> None:
    blank = replace(LINUX_BIOS, disks=(replace(LINUX_BIOS.disks[0], format=DiskFormat.BLANK),))
    assert disks_seen(blank, World())[0].state is DiskState.DONE
    assert images_seen(blank, ())[0].state is ImageState.READY


def test_the_latest_image_counts_and_one_that_leaves_does_not() -> None:
    images = (image(ImageWord.FAILED, leaving=True), image(ImageWord.IMPORTING, 1))
    found = current(images, KEY)
    assert found is not None
    assert found.attempt == 1
    assert next_attempt(images, KEY) == 2
    assert current(images[:1], KEY) is None
    assert next_attempt((), KEY) == 0


VOLUME = VolumeFacts("volume-1", "v", KEY)


def volume_states(*volumes: VolumeFacts, **world: Any) -> tuple[DiskState, ImageState, bool]:
    (disk,) = disks_seen(LINUX_BIOS, World(volumes=volumes, **world))
    (made,) = images_seen(LINUX_BIOS, (), volumes)
    return disk.state, made.state, disk.begun


def test_a_volume_that_is_whole_is_a_copied_disk_and_its_own_image_with_or_without_a_worker() -> None:
    whole = replace(VOLUME, copied=True)
    assert volume_states(whole) == (DiskState.DONE, ImageState.READY, True)
    assert volume_states(whole, job=RUNNING) == (DiskState.DONE, ImageState.READY, True)


def test_a_volume_alone_is_something_that_the_import_has_begun() -> None:
    assert volume_states(VOLUME) == (DiskState.PENDING, ImageState.ABSENT, True)
    assert volume_states(VOLUME, job=RUNNING) == (DiskState.RUNNING, ImageState.ABSENT, True)


def test_what_a_vm_may_have_written_to_has_to_go_before_an_import_rests() -> None:
    copied = replace(VOLUME, copied=True)
    for volume, moving in ((copied, False), (replace(copied, handed_over=True), True)):
        world = World(volumes=(volume,))
        assert observed(world, Memory(vm=LINUX_BIOS), "OvaSource", deleting=False).moving is moving


def test_a_volume_that_is_being_deleted_holds_nothing_any_more_but_is_still_there() -> None:
    leaving = replace(VOLUME, copied=True, leaving=True)
    assert volume_states(leaving) == (DiskState.PENDING, ImageState.ABSENT, True)


def test_what_is_known_of_a_volume_stands_in_its_annotations() -> None:
    claim = new_volume(SPEC, LINUX_BIOS, 0)
    claim["metadata"]["uid"] = "v"
    made = volume_facts(claim)
    assert made == VolumeFacts(volume_name(UID, KEY), "v", KEY)
    patch = noted(made, **{COPIED: "true", HANDED_OVER: "true"})
    assert patch["metadata"]["uid"] == "v", "another claim of that name is not meant"
    claim["metadata"]["annotations"] |= patch["metadata"]["annotations"]
    assert volume_facts(claim) == replace(made, copied=True, handed_over=True)


def test_a_failed_image_says_why_in_harvesters_words() -> None:
    (seen,) = images_seen(LINUX_BIOS, (image(ImageWord.FAILED),))
    assert seen.state is ImageState.FAILED
    assert seen.failure is not None
    assert seen.failure.message == "Harvester could not import the image image-0: no space."


def test_a_stranger_of_that_name_is_foreign() -> None:
    assert target_seen(VmState(exists=True, running=True, foreign=True)).state is TargetState.FOREIGN


def test_a_worker_speaks_for_the_source() -> None:
    seen = observed(World(job=RUNNING), Memory(vm=LINUX_BIOS), "VmwareSource", deleting=False)
    assert seen.source_ready
    assert not seen.always_off
    assert observed(World(), Memory(), "OvaSource", deleting=True).always_off


def test_memory_survives_being_written_down() -> None:
    memory = Memory(3, vm=LINUX_BIOS, findings=(), phase=Phase.COPYING, accepted={"virtualMachineName": "web"})
    assert load(dump(memory)) == memory
    assert load(None) == Memory()


def test_a_scratch_volume_that_is_pending_is_named() -> None:
    spec = {"storageClassName": "slow", "resources": {"requests": {"storage": "9Gi"}}}
    claim = {"metadata": {"name": "w-scratch"}, "spec": spec, "status": {"phase": "Pending"}}
    said = pod_trouble([], claim)
    assert said.startswith("The scratch volume of 9Gi from slow is not there yet, and nothing is downloaded")
    assert "PersistentVolumeClaim w-scratch" in said
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    pod = {"status": {"containerStatuses": [{"state": waiting}]}}
    assert pod_trouble([pod], None) == "The worker does not start: ImagePullBackOff: no such image."


def test_a_volume_that_is_pending_is_named() -> None:
    claim = new_volume(replace(SPEC, storage_class="slow"), LINUX_BIOS, 0)
    claim["metadata"]["uid"], claim["status"] = "v", {"phase": "Pending"}
    said = pod_trouble([], None, (VOLUME, volume_facts(claim)))
    assert said.startswith(f"The volume of 10Gi from slow for disk {KEY} is not there yet")
    assert f"PersistentVolumeClaim {volume_name(UID, KEY)}" in said
    assert pod_trouble([], None, (VOLUME,)) == ""


def test_only_what_changed_is_patched_and_what_went_is_removed() -> None:
    assert changes({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4}) == {"b": 4, "c": None}


def vm_image(**status: Any) -> dict[str, Any]:
    meta = {"name": "i", "uid": UID, "annotations": {"thresher.harvesterhci.io/disk": KEY}}
    return {"metadata": meta, "spec": {"backend": "cdi"}, "status": status}


def test_defect_07_an_image_is_dead_when_harvester_gives_up() -> None:
    dead = {
        "type": "RetryLimitExceeded",
        "status": "True",
        "message": "gone",
        "lastTransitionTime": "2026-01-02T00:00:00Z",
    }
    facts = image_facts(vm_image(conditions=[{"type": "Imported", "status": "False"}, dead]))
    assert (facts.word, facts.message, facts.failed_at) == (ImageWord.FAILED, "gone", NOW)


def test_an_image_is_ready_when_it_is_imported() -> None:
    done = {"type": "Imported", "status": "True"}
    facts = image_facts(vm_image(conditions=[done], virtualSize=5, size=3, storageClassName="lh-1"))
    assert (facts.word, facts.size, facts.storage_class, facts.backend) == (ImageWord.READY, 5, "lh-1", Backend.CDI)


def test_only_longhorns_first_engine_takes_backing_images() -> None:
    longhorn = {"provisioner": "driver.longhorn.io"}
    assert backend_of({**longhorn, "parameters": {"dataEngine": "v1"}}) is Backend.BACKING_IMAGE
    assert backend_of({**longhorn, "parameters": {"dataEngine": "v2"}}) is Backend.CDI
    assert backend_of(longhorn) is Backend.CDI
    assert backend_of({"provisioner": "csi.other", "parameters": {"dataEngine": "v1"}}) is Backend.CDI
