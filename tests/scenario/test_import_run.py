"""A world in, one run of an import, a world out."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rig.fakes import FakeSource, FakeTarget, FakeTransfer, Killed, World
from thresher.imports.observed import Recorded
from thresher.imports.phases import Phase, StatusWord
from thresher.imports.policy import Policy
from thresher.imports.seams import Hooks, Outcome, Ports
from thresher.imports.status import ImportStatus
from thresher.imports.steps import ImportRun
from thresher.model.errors import TargetFull
from thresher.model.spec import ImportSpec, RunStrategy
from thresher.model.units import Bytes, MiB
from thresher.model.vm import CpuTopology, Disk, Loss, PowerState, Severity, SourceVM

SPEC = ImportSpec("default", "web", "uid-1", "web")
VM = SourceVM("web", CpuTopology(2, 1), MiB(1024), disks=(Disk("a", Bytes(2)), Disk("b", Bytes(2))))
WORDS = [
    "virtualMachineImportValid",
    "sourceReady",
    "disksExported",
    "diskImageSubmitted",
    "diskImagesReady",
    "virtualMachineCreated",
    "virtualMachineRunning",
]


class Runner:
    """Runs imports in one world and keeps what was told."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.full = False
        self.statuses: list[ImportStatus] = []
        self.recorded = Recorded()
        self.full_from: Callable[[Recorded], bool] = lambda _: False

    def _record(self, recorded: Recorded) -> None:
        self.world.stop_the_dead()
        if self.full_from(recorded) or self.full:
            self.full = True
            raise TargetFull("the disk is full")
        self.recorded = recorded

    async def run(self, spec: ImportSpec = SPEC, policy: Policy | None = None) -> Outcome:
        source, target = FakeSource(self.world), FakeTarget(self.world)
        power = None if self.world.power is None else source
        leftovers = source if self.world.leaves_copies else None
        ports = Ports(source, FakeTransfer(self.world), target, power, target, target, leftovers)
        hooks = Hooks(
            on_status=self.statuses.append,
            on_record=self._record,
            clock=self.world.clock,
            sleep=self.world.sleep,
        )
        run = ImportRun(spec, ports, hooks, policy=policy or Policy(), recorded=self.recorded)
        return await run.run()

    @property
    def words(self) -> list[str]:
        words: list[str] = []
        for status in self.statuses:
            if status.import_status and words[-1:] != [status.import_status]:
                words.append(status.import_status)
        return words


def world(folder: Path, **changes: object) -> World:
    made = World(VM, folder)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_an_ova_becomes_a_running_vm_and_every_word_is_told_in_order(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path))
    outcome = asyncio.run(runner.run())
    assert outcome.failure is None
    assert runner.words == WORDS
    assert outcome.status.percent == 100
    assert outcome.status.conditions[0].type == "Ready"
    assert outcome.status.conditions[0].status == "True"
    assert set(outcome.results) == {"a", "b"}


def test_a_vm_that_was_off_is_created_and_not_started(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, power=PowerState.OFF))
    outcome = asyncio.run(runner.run())
    assert outcome.failure is None
    assert outcome.status.phase is Phase.HALTED
    assert runner.words == WORDS[:-1]
    assert "start_vm" not in runner.world.calls


def test_a_run_strategy_overrides_the_power_state(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, power=PowerState.OFF))
    asyncio.run(runner.run(replace(SPEC, run_strategy=RunStrategy.ALWAYS)))
    assert runner.world.new_vm_runs


def test_a_running_vm_is_shut_down_gracefully_first(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, power=PowerState.ON))
    asyncio.run(runner.run())
    assert runner.world.new_vm_runs
    assert "power_off" not in runner.world.calls
    told = {c.type for s in runner.statuses for c in s.import_conditions}
    assert {"VMShutdownGuest", "VMPoweredOff", "VMExported"} <= told
    assert "VMPoweringOff" not in told


def test_a_guest_that_ignores_the_shutdown_is_switched_off_after_the_time_out(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, power=PowerState.ON, obeys_after=None))
    before = runner.world.now
    asyncio.run(runner.run(replace(SPEC, graceful_shutdown_timeout_s=300)))
    assert runner.world.calls.count("power_off") == 1
    assert runner.world.new_vm_runs
    assert runner.world.now - before >= timedelta(seconds=300)


def test_force_power_off_does_not_ask_the_guest(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, power=PowerState.ON))
    asyncio.run(runner.run(replace(SPEC, force_power_off=True)))
    assert "shut_down_guest" not in runner.world.calls
    assert runner.world.new_vm_runs


def test_all_blockers_are_told_at_once_and_nothing_is_touched(tmp_path: Path) -> None:
    losses = tuple(
        Loss(rule, "NIC 2", f"{rule} is wrong.", Severity.BLOCKER) for rule in ("SecondPodNetwork", "NoSuchClass")
    )
    runner = Runner(world(tmp_path, power=PowerState.ON, target_findings=losses))
    outcome = asyncio.run(runner.run())
    assert outcome.status.import_status is StatusWord.INVALID
    assert outcome.failure is not None
    assert (outcome.failure.reason, outcome.failure.exit_code) == ("PreflightFailed", 7)
    assert "SecondPodNetwork" in outcome.failure.message
    assert "NoSuchClass" in outcome.failure.message
    assert runner.world.power is PowerState.ON
    assert not {"shut_down_guest", "power_off", "export", "create_vm"} & set(runner.world.calls)


def test_skipping_the_checks_turns_a_blocker_into_a_warning_but_not_a_taken_name(tmp_path: Path) -> None:
    blocker = (Loss("SecondPodNetwork", "NIC 2", "It is lost.", Severity.BLOCKER),)
    spec = replace(SPEC, skip_preflight=True)
    runner = Runner(world(tmp_path, target_findings=blocker))
    assert asyncio.run(runner.run(spec)).failure is None
    taken = Runner(world(tmp_path, target_findings=blocker, new_vm="foreign", power=PowerState.ON))
    outcome = asyncio.run(taken.run(spec))
    assert outcome.status.import_status is StatusWord.INVALID
    assert taken.world.new_vm == "foreign"
    assert taken.world.power is PowerState.ON


def test_a_dropped_connection_is_tried_again(tmp_path: Path) -> None:
    trouble = iter(["", "", "", "error", "", "error", "error", "error", "error"])
    runner = Runner(world(tmp_path, trouble=trouble))
    assert asyncio.run(runner.run()).failure is None
    assert runner.words == WORDS


def test_a_source_that_refuses_fails_at_once_with_its_own_words(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, trouble=iter(["", "refuse"])))
    outcome = asyncio.run(runner.run())
    assert outcome.failure is not None
    assert outcome.failure.reason == "SourceDenied"
    assert outcome.failure.exit_code == 4
    assert outcome.status.import_status is StatusWord.FAILED
    assert outcome.status.conditions[0].reason == "SourceDenied"
    assert runner.world.calls == []


def test_a_source_that_never_answers_is_given_up(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, trouble=iter(["error"] * 1000)))
    outcome = asyncio.run(runner.run())
    assert outcome.failure is not None
    assert outcome.failure.reason == "SourceUnreachable"
    assert next(runner.world.trouble) == "error"


def test_a_new_vm_that_does_not_come_up_fails_and_the_source_runs_again(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, power=PowerState.ON, boots=False))
    outcome = asyncio.run(runner.run())
    assert outcome.failure is not None
    assert outcome.failure.reason == "BootFailed"
    assert runner.world.power is PowerState.ON
    assert runner.world.new_vm is None
    assert list(tmp_path.iterdir()) == []


def test_the_copies_of_a_file_are_kept_for_the_next_run(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, boots=False))
    assert asyncio.run(runner.run()).failure is not None
    assert len(list(tmp_path.iterdir())) == 2
    runner.world.boots = True
    transfers = runner.world.calls.count("transfer")
    assert asyncio.run(runner.run()).failure is None
    assert runner.world.calls.count("transfer") == transfers


@pytest.mark.parametrize("point", range(40))
def test_an_interrupted_import_leaves_the_source_running(tmp_path: Path, point: int) -> None:
    runner = Runner(world(tmp_path, power=PowerState.ON, trouble=iter([""] * point + ["cancel"])))
    try:
        asyncio.run(runner.run())
    except asyncio.CancelledError:
        runner.world.advance(timedelta(hours=1))
        assert runner.world.new_vm_runs or runner.world.power is PowerState.ON
    else:
        assert runner.world.new_vm_runs


def test_a_record_that_cannot_be_stored_leaves_no_source_switched_off(tmp_path: Path) -> None:
    """As on a disk that is full: from when the guest was asked to shut down, nothing can be written."""
    runner = Runner(world(tmp_path, power=PowerState.ON))
    runner.full_from = lambda recorded: recorded.shutdown_asked is not None
    with pytest.raises(TargetFull):
        asyncio.run(runner.run())
    runner.world.advance(timedelta(hours=1))
    assert runner.world.power is PowerState.ON


def test_a_killed_run_goes_on_and_the_vm_still_counts_as_one_that_ran(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, power=PowerState.ON))
    for _ in range(200):
        runner.world.killed = False
        runner.world.trouble = iter([*[""] * 25, "kill"])
        try:
            asyncio.run(runner.run())
        except Killed:
            continue
        break
    assert runner.world.new_vm_runs
    assert runner.world.made_from is not None
    assert runner.world.made_from.power is PowerState.ON


def test_copies_of_a_vm_that_ran_again_are_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "disk-0.raw").write_text("cycle 0\n")
    runner = Runner(world(tmp_path, power=PowerState.ON, cycle=1))
    assert asyncio.run(runner.run()).failure is None
    assert (tmp_path / "disk-0.raw").read_text() == "cycle 1\n" * 2


def test_a_guest_that_runs_again_is_asked_again_and_has_its_time(tmp_path: Path) -> None:
    (tmp_path / "disk-0.raw").write_text("cycle 0\n")
    runner = Runner(world(tmp_path, power=PowerState.ON, cycle=1))
    asked = runner.world.now - timedelta(hours=1)
    runner.recorded = Recorded(power_when_found=PowerState.ON, touched=asked, shutdown_asked=asked)
    assert asyncio.run(runner.run()).failure is None
    assert "shut_down_guest" in runner.world.calls
    assert "power_off" not in runner.world.calls


def test_a_source_with_power_needs_a_target_that_can_discard(tmp_path: Path) -> None:
    made = world(tmp_path, power=PowerState.ON)
    with pytest.raises(ValueError, match="discard"):
        Ports(FakeSource(made), FakeTransfer(made), FakeTarget(made), power=FakeSource(made))


@pytest.mark.parametrize("boots", [True, False])
def test_what_an_export_copied_at_the_source_is_gone_when_the_import_has_ended(tmp_path: Path, *, boots: bool) -> None:
    runner = Runner(world(tmp_path, power=PowerState.ON, leaves_copies=True, boots=boots))
    outcome = asyncio.run(runner.run())
    assert (outcome.failure is None) == boots
    assert "sweep" in runner.world.calls
    assert runner.world.copies is None
    assert outcome.left is None


def test_the_sweep_of_a_source_that_refuses_it_does_not_hide_the_imports_success(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path, leaves_copies=True))
    runner.world.trouble = refusing_sweeps(runner.world)
    outcome = asyncio.run(runner.run())
    assert outcome.failure is None
    assert runner.world.new_vm_runs
    assert outcome.left is not None
    assert outcome.left.reason == "SourceDenied"
    assert f"thresher-{runner.recorded.copies}-" in outcome.left.message
    said = next(c for c in outcome.status.conditions if c.type == "CopiesRemoved")
    assert (said.status, said.message) == ("False", outcome.left.message)


def refusing_sweeps(at: World) -> Iterator[str]:
    """Trouble from the moment on that the new VM runs: nothing else is asked of the source then."""
    while True:
        yield "refuse" if at.new_vm_runs else ""


def test_a_source_that_leaves_nothing_is_not_swept(tmp_path: Path) -> None:
    runner = Runner(world(tmp_path))
    outcome = asyncio.run(runner.run())
    assert "sweep" not in runner.world.calls
    assert "CopiesRemoved" not in {c.type for c in outcome.status.conditions}


@pytest.mark.parametrize(("copies", "copied"), [(1, 0), (0, 1)])
def test_an_earlier_runs_copies_are_gone_on_with_unless_the_vm_has_run_since(
    tmp_path: Path, copies: int, copied: int
) -> None:
    runner = Runner(
        world(tmp_path, power=PowerState.OFF, leaves_copies=True, cycle=1, copies=copies, owner="an-earlier-run")
    )
    runner.recorded = Recorded(accepted=True, copies="an-earlier-run", power_when_found=PowerState.OFF)
    assert asyncio.run(runner.run()).failure is None
    assert runner.world.calls.count("copy") == copied
    assert (tmp_path / "disk-0.raw").read_text() == "cycle 1\n" * 2


@pytest.mark.parametrize("point", range(40))
def test_an_interrupted_import_leaves_no_copies_at_the_source(tmp_path: Path, point: int) -> None:
    trouble = iter([""] * point + ["cancel"])
    runner = Runner(world(tmp_path, power=PowerState.ON, leaves_copies=True, trouble=trouble))
    with suppress(asyncio.CancelledError):
        asyncio.run(runner.run())
    assert runner.world.copies is None
