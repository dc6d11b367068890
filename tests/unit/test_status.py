"""What a user reads of an import."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from thresher.imports.observed import (
    DiskSeen,
    DiskState,
    Failure,
    ImageSeen,
    ImageState,
    Observed,
    Recorded,
    Step,
    TargetSeen,
    TargetState,
)
from thresher.imports.phases import Phase
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
