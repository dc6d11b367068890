"""What a user reads of an import."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from thresher.imports.actions import Wait
from thresher.imports.decide import decide
from thresher.imports.observed import (
    DiskSeen,
    DiskState,
    Failure,
    ImageSeen,
    ImageState,
    Observed,
    Recorded,
    Retry,
    Step,
    TargetSeen,
    TargetState,
)
from thresher.imports.phases import Phase
from thresher.imports.policy import Policy
from thresher.imports.status import Condition, ImportStatus, Truth, derive
from thresher.model.spec import ImportSpec
from thresher.model.units import Bytes, MiB
from thresher.model.vm import Bus, CpuTopology, Disk, Loss, Severity, SourceVM

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
SPEC = ImportSpec("default", "web", "uid", "web")
VM = SourceVM(
    "web",
    CpuTopology(1, 1),
    MiB(512),
    disks=(Disk("a", Bytes(100), bus=Bus.SCSI), Disk("b", None)),
)
COPYING = Observed(
    source_ready=True,
    vm=VM,
    findings=(),
    disks=(
        DiskSeen("b", DiskState.RUNNING, position=Bytes(0), total=Bytes(300)),
        DiskSeen("a", DiskState.RUNNING, position=Bytes(50), total=Bytes(100)),
    ),
    recorded=Recorded(accepted=True),
)
CUT = Failure("StreamCut", "The stream of a stopped at byte 50.", retryable=True)


def condition(status: ImportStatus, kind: str) -> Condition:
    found = [c for c in (*status.conditions, *status.import_conditions) if c.type == kind]
    assert len(found) == 1, f"{len(found)} conditions {kind}"
    return found[0]


def test_at_the_first_visit_every_condition_is_there() -> None:
    status = derive(SPEC, Observed(), ImportStatus(), NOW)
    assert status.import_status == ""
    assert condition(status, "Ready").status is Truth.FALSE
    assert condition(status, "SourceReady").status is Truth.UNKNOWN
    assert condition(status, "PreflightPassed").status is Truth.UNKNOWN


def test_rows_stand_in_the_order_of_the_vm_with_what_is_known_of_each_disk() -> None:
    rows = derive(SPEC, COPYING, ImportStatus(), NOW).disks
    assert [(r.name, r.size, r.percent, r.bus, r.state) for r in rows] == [
        ("a", 100, 50, "scsi", "running"),
        ("b", 300, 0, "unknown", "running"),
    ]


def test_a_failure_that_is_tried_again_is_told_and_goes_away() -> None:
    failing = replace(COPYING, recorded=COPYING.recorded.failed(Step.TRANSFER, CUT, NOW))
    status = derive(SPEC, failing, ImportStatus(), NOW)
    assert status.import_status == "sourceReady"
    assert condition(status, "Ready").reason == "StreamCut"
    assert condition(status, "VMExportFailed").message == CUT.message
    assert CUT.message in status.message
    well = derive(SPEC, COPYING, status, LATER)
    assert "VMExportFailed" not in {c.type for c in well.import_conditions}
    assert condition(well, "Ready").reason != "StreamCut"


def test_a_transition_is_dated_when_the_status_changes_and_only_then() -> None:
    first = derive(SPEC, COPYING, ImportStatus(), NOW)
    failing = replace(COPYING, recorded=COPYING.recorded.failed(Step.TRANSFER, CUT, NOW))
    second = derive(SPEC, failing, first, LATER)
    ready = condition(second, "Ready")
    assert (ready.last_transition, ready.last_update) == (NOW, LATER)
    running = replace(COPYING, target=TargetSeen(TargetState.RUNNING))
    third = derive(SPEC, running, second, LATER)
    assert condition(third, "Ready").status is Truth.TRUE
    assert condition(third, "Ready").last_transition == LATER


def test_an_invalid_import_lists_all_findings() -> None:
    losses = tuple(Loss(f"Rule{n}", "disk a", f"Reason {n}.", Severity.BLOCKER) for n in range(3))
    seen = replace(COPYING, findings=losses, recorded=Recorded())
    status = derive(SPEC, seen, ImportStatus(), NOW)
    assert status.import_status == "virtualMachineImportInvalid"
    assert all(f"Reason {n}." in status.message for n in range(3))
    assert status.findings == losses
    assert condition(status, "PreflightPassed").status is Truth.FALSE


def test_a_failed_image_is_told_with_its_own_message_and_the_word_of_the_api() -> None:
    why = Failure("ImageFailed", "The pod ran out of memory.", retryable=True)
    done = tuple(DiskSeen(key, DiskState.DONE) for key in ("a", "b"))
    images = (
        ImageSeen("a", ImageState.READY, "img-a"),
        ImageSeen("b", ImageState.FAILED, "img-b", failure=why),
    )
    status = derive(SPEC, replace(COPYING, disks=done, images=images), ImportStatus(), NOW)
    assert status.import_status == "diskImageFailed"
    assert condition(status, "VirtualMachineImageFailed").message == why.message
    assert [(row.image, row.state) for row in status.disks] == [("img-a", "ready"), ("img-b", "failed")]


def test_a_source_that_could_not_be_switched_on_again_is_said_in_the_status() -> None:
    refused = Failure("SourceDenied", "The user may not power on VMs.")
    recorded = replace(COPYING.recorded, gave_up=CUT).failed(Step.RESTORE, refused, NOW)
    status = derive(SPEC, replace(COPYING, recorded=recorded), ImportStatus(), NOW)
    assert status.import_status == "VMMigrationFailed"
    assert CUT.message in status.message
    assert refused.message in status.message


def test_a_deleted_import_keeps_its_word() -> None:
    before = derive(SPEC, COPYING, ImportStatus(), NOW)
    status = derive(SPEC, replace(COPYING, deletion_asked=True), before, LATER)
    assert status.phase is Phase.DELETED
    assert status.import_status == before.import_status


def test_what_is_tried_again_is_told_with_why_how_often_and_when_next() -> None:
    recorded = Recorded(accepted=True).failed(Step.TRANSFER, CUT, NOW).failed(Step.TRANSFER, CUT, NOW)
    seen = replace(COPYING, disks=(), recorded=recorded)
    told = condition(derive(SPEC, seen, ImportStatus(), NOW, policy=Policy(attempts=7, budget=9)), "Retrying")
    assert (told.status, told.reason) == (Truth.TRUE, "AttemptFailed")
    assert "Attempt 2 of 7 to transfer failed: The stream of a stopped at byte 50." in told.message
    assert "2 of 9 failures" in told.message
    due = datetime.fromisoformat(re.findall(r"The next one is at (\S+Z)", told.message)[0])
    wait = decide(SPEC, seen, NOW, Policy(attempts=7, budget=9))
    assert isinstance(wait, Wait)
    assert wait.until is not None
    assert due == wait.until.replace(microsecond=0), "what is told is what is done"


def test_what_a_worker_and_harvester_try_again_is_told_too() -> None:
    again = Retry("copy the disks", 4, CUT, LATER)
    told = condition(derive(SPEC, replace(COPYING, retry=again), ImportStatus(), NOW), "Retrying")
    assert "Attempt 4 to copy the disks failed" in told.message
    assert "2026-01-01T00:05:00Z" in told.message
    failed = tuple(ImageSeen(k, ImageState.FAILED, f"image-{k}", failure=CUT, since=NOW) for k in ("a", "b"))
    done = tuple(DiskSeen(k, DiskState.DONE) for k in ("a", "b"))
    seen = replace(COPYING, disks=done, images=failed, recorded=Recorded(accepted=True, remakes=1))
    assert "which is time 2 of 3" in condition(derive(SPEC, seen, ImportStatus(), NOW), "Retrying").message


def test_nothing_is_tried_again_where_nothing_failed_or_it_is_over() -> None:
    assert condition(derive(SPEC, COPYING, ImportStatus(), NOW), "Retrying").status is Truth.FALSE
    over = replace(
        COPYING, disks=(), recorded=replace(Recorded(accepted=True).failed(Step.TRANSFER, CUT, NOW), gave_up=CUT)
    )
    assert condition(derive(SPEC, over, ImportStatus(), NOW), "Retrying").status is Truth.FALSE
