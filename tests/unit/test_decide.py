"""Single decisions, each a rule that users rely on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from thresher.imports.actions import (
    CleanUp,
    CreateVm,
    Fail,
    Finish,
    GiveUp,
    Halt,
    PowerOff,
    RestorePower,
    ShutDownGuest,
    StartVm,
    SubmitImages,
    Sweep,
    TransferDisks,
    Wait,
)
from thresher.imports.decide import decide
from thresher.imports.facts import facts_of
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
from thresher.imports.phases import Fact
from thresher.imports.policy import DEFAULT, Policy
from thresher.imports.strategy import effective_run_strategy
from thresher.model.errors import Fault
from thresher.model.spec import ImportSpec, RunStrategy, Verify
from thresher.model.units import MiB
from thresher.model.vm import CpuTopology, Disk, Loss, PowerState, Severity, SourceVM

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = ImportSpec("default", "web", "uid", "web")
VM = SourceVM("web", CpuTopology(1, 1), MiB(512), disks=(Disk("a", None), Disk("b", None)))
CUT = Failure("StreamCut", "The stream of a stopped.", retryable=True)
BROKEN = Failure("MalformedVmdk", "The disk a is no VMDK.")

READY = Observed(
    source_ready=True,
    vm=VM,
    findings=(),
    power=PowerState.OFF,
    disks=(DiskSeen("a"), DiskSeen("b")),
    images=(ImageSeen("a"), ImageSeen("b")),
    recorded=Recorded(accepted=True, power_when_found=PowerState.ON, touched=NOW),
)
COPIED = replace(READY, disks=(DiskSeen("a", DiskState.DONE), DiskSeen("b", DiskState.DONE)))
IMAGED = replace(COPIED, images=(ImageSeen("a", ImageState.READY), ImageSeen("b", ImageState.READY)))
CREATED = replace(IMAGED, target=TargetSeen(TargetState.CREATED))


def remember(seen: Observed, **changes: object) -> Observed:
    made = seen.recorded
    for name, value in changes.items():
        made = replace(made, **{name: value})  # type: ignore[arg-type] # names of its own fields
    return replace(seen, recorded=made)


def test_only_what_is_not_copied_yet_is_copied() -> None:
    seen = replace(READY, disks=(DiskSeen("a", DiskState.DONE), DiskSeen("b")))
    assert decide(SPEC, seen, NOW) == TransferDisks(("b",))


def test_a_disk_that_is_copied_is_submitted_while_the_others_still_arrive() -> None:
    seen = replace(READY, disks=(DiskSeen("a", DiskState.DONE), DiskSeen("b", DiskState.RUNNING)))
    assert decide(SPEC, seen, NOW) == SubmitImages(("a",))
    submitted = replace(seen, images=(ImageSeen("a", ImageState.SUBMITTED), ImageSeen("b")))
    assert isinstance(decide(SPEC, submitted, NOW), Wait)


@pytest.mark.parametrize("other", list(DiskState))
@pytest.mark.parametrize("first", [True, False])
def test_a_disk_that_failed_for_good_fails_the_import_whatever_the_other_does(*, other: DiskState, first: bool) -> None:
    failed = DiskSeen("a", DiskState.FAILED, failure=BROKEN)
    pair = (failed, DiskSeen("b", other)) if first else (DiskSeen("b", other), failed)
    assert decide(SPEC, replace(READY, disks=pair), NOW) == GiveUp(BROKEN)


def test_a_retry_waits_longer_each_time_and_ends() -> None:
    recorded = READY.recorded
    waits = []
    for _ in range(DEFAULT.attempts - 1):
        recorded = recorded.failed(Step.TRANSFER, CUT, NOW)
        action = decide(SPEC, replace(READY, recorded=recorded), NOW)
        assert isinstance(action, Wait)
        assert action.until is not None
        waits.append(action.until - NOW)
        assert decide(SPEC, replace(READY, recorded=recorded), action.until) == TransferDisks(("a", "b"))
    assert waits == sorted(waits)
    assert waits[0] < waits[-1]
    recorded = recorded.failed(Step.TRANSFER, CUT, NOW)
    assert decide(SPEC, replace(READY, recorded=recorded), NOW) == GiveUp(CUT)


def test_a_transfer_that_gets_further_each_time_is_never_given_up() -> None:
    recorded = READY.recorded
    for _ in range(50):
        recorded = recorded.failed(Step.TRANSFER, CUT, NOW, got_further=True)
    assert isinstance(decide(SPEC, replace(READY, recorded=recorded), NOW), Wait)


def test_delays_are_bounded_and_imports_spread_out() -> None:
    policy = Policy(longest_delay=timedelta(minutes=2))
    delays = {policy.delay(1000, f"uid-{number}") for number in range(20)}
    assert len(delays) == 20
    assert all(timedelta(minutes=2) <= delay <= timedelta(minutes=2.5) for delay in delays)


@pytest.mark.parametrize(("seconds", "expected"), [(59, Wait), (60, PowerOff), (3600, PowerOff)])
def test_a_guest_has_its_time_to_shut_down_and_no_more(seconds: int, expected: type) -> None:
    asked = remember(replace(READY, power=PowerState.ON), shutdown_asked=NOW)
    assert isinstance(decide(SPEC, asked, NOW + timedelta(seconds=seconds)), expected)


def test_a_crash_between_touching_and_asking_asks_again() -> None:
    assert decide(SPEC, replace(READY, power=PowerState.ON), NOW + timedelta(hours=1)) == ShutDownGuest()


def test_copies_of_a_source_that_runs_again_are_removed_before_anything_else() -> None:
    action = decide(SPEC, replace(COPIED, power=PowerState.ON), NOW)
    assert isinstance(action, CleanUp)
    assert action.again


def test_a_suspended_vm_blocks_even_if_checks_are_skipped_unless_it_may_be_switched_off() -> None:
    seen = replace(READY, power=PowerState.SUSPENDED, recorded=Recorded())
    action = decide(replace(SPEC, skip_preflight=True), seen, NOW)
    assert isinstance(action, Fail)
    assert "SuspendedVm" in action.failure.message
    accepted = replace(seen, recorded=Recorded(accepted=True))
    assert decide(replace(SPEC, force_power_off=True), accepted, NOW) == PowerOff()


def test_a_warning_does_not_block() -> None:
    loss = Loss("TpmStateLost", "the TPM", "Its keys stay behind.", Severity.WARNING)
    seen = replace(READY, findings=(loss,), recorded=Recorded())
    assert not isinstance(decide(SPEC, seen, NOW), Fail)


def test_only_missing_images_are_submitted() -> None:
    seen = replace(COPIED, images=(ImageSeen("a", ImageState.IMPORTING), ImageSeen("b")))
    assert decide(SPEC, seen, NOW) == SubmitImages(("b",))


def failed_image(since: datetime, failure: Failure) -> Observed:
    bad = ImageSeen("b", ImageState.FAILED, failure=failure, since=since)
    return replace(COPIED, images=(ImageSeen("a", ImageState.IMPORTING), bad))


def test_a_failed_image_is_made_again_after_a_while_and_the_others_are_left_alone() -> None:
    seen = failed_image(NOW, CUT)
    assert isinstance(decide(SPEC, seen, NOW), Wait)
    later = NOW + timedelta(minutes=1)
    assert decide(SPEC, seen, later) == SubmitImages(("b",), remake=True)
    assert decide(SPEC, remember(seen, remakes=DEFAULT.remakes), later) == GiveUp(CUT)


def test_an_image_that_no_retry_helps_is_not_made_again() -> None:
    wrong = Failure("VerificationFailed", "The checksum of b differs.", fault=Fault.SOURCE)
    assert decide(SPEC, failed_image(NOW, wrong), NOW) == GiveUp(wrong)


def test_the_vm_is_made_when_every_image_is_ready_and_started_once() -> None:
    assert decide(SPEC, IMAGED, NOW) == CreateVm()
    assert decide(SPEC, CREATED, NOW) == StartVm()
    assert isinstance(decide(SPEC, remember(CREATED, start_asked=NOW), NOW), Wait)


def test_a_stranger_that_took_the_name_meanwhile_is_left_alone() -> None:
    action = decide(SPEC, replace(IMAGED, target=TargetSeen(TargetState.FOREIGN)), NOW)
    assert isinstance(action, GiveUp)
    assert "targetName" in action.failure.message


@pytest.mark.parametrize("seen", [READY, COPIED, IMAGED, CREATED])
@pytest.mark.parametrize("deleted", [True, False])
def test_a_failed_or_deleted_import_cleans_up_then_restores_power(*, seen: Observed, deleted: bool) -> None:
    ended = replace(seen, deletion_asked=True) if deleted else remember(seen, gave_up=BROKEN)
    if seen is not READY:
        assert isinstance(decide(SPEC, ended, NOW), CleanUp)
        ended = replace(ended, disks=READY.disks, images=READY.images, target=TargetSeen())
    assert decide(SPEC, ended, NOW) == RestorePower()
    done = replace(ended, power=PowerState.ON, recorded=ended.recorded.restored())
    assert decide(SPEC, done, NOW) == (Finish() if deleted else Fail(BROKEN))


def test_a_shutdown_under_way_is_waited_for_before_power_is_restored() -> None:
    seen = remember(replace(READY, power=PowerState.ON), shutdown_asked=NOW, gave_up=BROKEN)
    graceful = timedelta(seconds=SPEC.graceful_shutdown_timeout_s)  # the guest may obey later than it should
    assert isinstance(decide(SPEC, seen, NOW + graceful + DEFAULT.late_shutdown - timedelta(seconds=1)), Wait)
    assert decide(SPEC, seen, NOW + graceful + DEFAULT.late_shutdown) == Fail(BROKEN)


def test_a_source_that_cannot_be_switched_on_again_is_told() -> None:
    recorded = replace(READY.recorded, gave_up=BROKEN)
    for _ in range(DEFAULT.restore_attempts):
        recorded = recorded.failed(Step.RESTORE, CUT, NOW)
    assert decide(SPEC, replace(READY, recorded=recorded), NOW) == Fail(BROKEN, not_restored=CUT)


def test_deleting_a_finished_import_removes_nothing() -> None:
    seen = replace(CREATED, target=TargetSeen(TargetState.RUNNING), deletion_asked=True)
    assert decide(SPEC, seen, NOW) == Finish()
    halted = replace(SPEC, run_strategy=RunStrategy.HALTED)
    assert decide(halted, replace(CREATED, deletion_asked=True), NOW) == Finish()


def test_the_run_strategy_follows_the_source_unless_the_user_says_otherwise() -> None:
    on, off = PowerState.ON, PowerState.OFF
    assert effective_run_strategy(SPEC, on, always_off=False) is RunStrategy.RERUN_ON_FAILURE
    assert effective_run_strategy(SPEC, off, always_off=False) is RunStrategy.HALTED
    assert effective_run_strategy(SPEC, off, always_off=True) is RunStrategy.RERUN_ON_FAILURE
    manual = replace(SPEC, run_strategy=RunStrategy.MANUAL)
    assert effective_run_strategy(manual, on, always_off=False) is RunStrategy.MANUAL


@pytest.mark.parametrize(("first", "second"), list(product(DiskState, repeat=2)))
@pytest.mark.parametrize("turned", [False, True])
def test_defect_08_disks_are_copied_only_when_each_of_them_is(
    first: DiskState, second: DiskState, *, turned: bool
) -> None:
    pair = (DiskSeen("a", first), DiskSeen("b", second))
    seen = replace(READY, disks=pair[::-1] if turned else pair)
    assert (Fact.DISKS_DONE in facts_of(SPEC, seen)) is (first is second is DiskState.DONE)


@pytest.mark.parametrize(("first", "second"), list(product(ImageState, repeat=2)))
@pytest.mark.parametrize("turned", [False, True])
def test_defect_08_images_are_ready_only_when_each_of_them_is(
    first: ImageState, second: ImageState, *, turned: bool
) -> None:
    pair = (ImageSeen("a", first), ImageSeen("b", second))
    facts = facts_of(SPEC, replace(COPIED, images=pair[::-1] if turned else pair))
    assert (Fact.IMAGES_READY in facts) is (first is second is ImageState.READY)
    assert (Fact.IMAGE_FAILED in facts) is (ImageState.FAILED in {first, second})


def test_defect_07_a_failed_image_is_made_again_and_not_for_ever() -> None:
    why = Failure("ImageFailed", "Harvester could not import the image.", retryable=True)
    images = (ImageSeen("a", ImageState.READY), ImageSeen("b", ImageState.FAILED, failure=why, since=NOW))
    seen = replace(COPIED, images=images)
    assert decide(SPEC, seen, NOW + timedelta(hours=1)) == SubmitImages(("b",), remake=True)
    assert isinstance(decide(SPEC, remember(seen, remakes=DEFAULT.remakes), NOW + timedelta(hours=1)), GiveUp)


def test_an_import_that_fails_too_often_in_all_gives_up_and_still_restores_its_source() -> None:
    cut = Failure("StreamCut", "It stopped.", retryable=True)
    seen = Observed(source_ready=True, recorded=replace(Recorded().failed(Step.FIND, cut, NOW), failures=9))
    action = decide(SPEC, seen, NOW + timedelta(hours=1), Policy(budget=9))
    assert isinstance(action, GiveUp)
    assert action.failure.message.startswith("It stopped.")
    recorded = Recorded(accepted=True, power_when_found=PowerState.ON, touched=NOW, failures=99, gave_up=cut)
    owed = Observed(source_ready=True, vm=VM, findings=(), power=PowerState.OFF, recorded=recorded)
    restoring = replace(owed, recorded=recorded.failed(Step.RESTORE, cut, NOW))
    assert isinstance(decide(SPEC, restoring, NOW + timedelta(hours=1), Policy(budget=9)), RestorePower)


REFUSED = Failure("SourceDenied", "Not for you.", retryable=False)


@pytest.mark.parametrize(("failure", "tries"), [(CUT, DEFAULT.restore_attempts), (REFUSED, DEFAULT.refused_sweeps)])
def test_what_is_left_at_the_source_is_removed_with_more_patience_than_anything_else(
    failure: Failure, tries: int
) -> None:
    """Nobody comes after it: what stays then stays for good."""
    over = remember(READY, power_when_found=PowerState.OFF, copies="uid", gave_up=BROKEN, failures=999)
    later = NOW + timedelta(hours=1)
    for _ in range(tries):
        assert decide(SPEC, over, later) == Sweep()
        over = replace(over, recorded=over.recorded.failed(Step.SWEEP, failure, NOW))
    assert decide(SPEC, over, later) == Fail(BROKEN)
    assert tries >= DEFAULT.attempts


def test_progress_costs_nothing_of_the_budget() -> None:
    cut = Failure("StreamCut", "It stopped.", retryable=True)
    assert Recorded().failed(Step.TRANSFER, cut, NOW, got_further=True).failures == 0


def silent(**changes: object) -> Observed:
    """The new VM runs, and its guest says nothing; the source VM ran, and was switched off."""
    recorded = Recorded(accepted=True, power_when_found=PowerState.ON, touched=NOW, start_asked=NOW)
    seen = Observed(
        source_ready=True,
        vm=VM,
        findings=(),
        power=PowerState.OFF,
        target=TargetSeen(TargetState.RUNNING, alive=False),
        recorded=recorded,
    )
    return replace(seen, **changes)  # type: ignore[arg-type]  # the fields of Observed


def test_verify_boot_waits_for_a_sign_of_life_and_then_says_that_none_came() -> None:
    spec, late = replace(SPEC, verify=Verify.BOOT), NOW + DEFAULT.boot_wait
    assert isinstance(decide(spec, silent(), NOW), Wait)
    given_up = decide(spec, silent(), late)
    assert isinstance(given_up, GiveUp)
    assert given_up.failure.reason == "BootFailed"
    assert "guest agent" in given_up.failure.message
    failed = silent(recorded=replace(silent().recorded, gave_up=given_up.failure))
    assert decide(spec, failed, late) == Fail(given_up.failure), "the new VM runs: it stays, and the source stays off"
    assert isinstance(decide(spec, silent(deletion_asked=True), late), Finish)


def test_a_sign_of_life_is_success_and_so_is_a_vm_that_runs_where_none_is_asked_for() -> None:
    alive = silent(target=TargetSeen(TargetState.RUNNING, alive=True))
    assert isinstance(decide(replace(SPEC, verify=Verify.BOOT), alive, NOW), Finish)
    assert isinstance(decide(SPEC, silent(), NOW), Finish)


def test_a_suspension_stops_a_worker_although_the_source_does_not_answer() -> None:
    recorded = Recorded(accepted=True).failed(Step.LOOK, Failure("SourceUnreachable", "Gone.", retryable=True), NOW)
    seen = Observed(source_ready=True, vm=VM, findings=(), power=PowerState.OFF, moving=True, recorded=recorded)
    assert isinstance(decide(replace(SPEC, suspend=True), seen, NOW), Halt)
    assert isinstance(decide(replace(SPEC, suspend=True), replace(seen, moving=False), NOW), Wait)
