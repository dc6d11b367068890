"""Whole imports in a world where anything fails anywhere, and the process dies at any moment."""

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rig.fakes import FakeSource, FakeTarget, FakeTransfer, Killed, World
from thresher.imports.observed import Recorded
from thresher.imports.phases import START, TABLE, Phase
from thresher.imports.policy import Policy
from thresher.imports.seams import Hooks, Outcome, Ports
from thresher.imports.status import ImportStatus
from thresher.imports.steps import ImportRun
from thresher.model.spec import ImportSpec, RunStrategy
from thresher.model.units import Bytes, MiB
from thresher.model.vm import CpuTopology, Disk, PowerState, SourceVM

VM = SourceVM("web", CpuTopology(2, 1), MiB(1024), disks=(Disk("a", Bytes(2)), Disk("b", Bytes(2))))
TROUBLE = st.builds(
    lambda passing, last: [*passing, last],
    st.lists(st.sampled_from(["", "", "", "", "", "", "error", "kill"]), max_size=70),
    st.sampled_from(["", "refuse", "cancel"]),
)
PATIENT = Policy(attempts=100, budget=1000, restore_attempts=100, boot_wait=timedelta(minutes=3))
"""More patient than the longest list of troubles: only refusals and time-outs make an import give up."""


def run_to_the_end(world: World, spec: ImportSpec) -> Outcome | None:
    """Run again whenever the process dies, with the recorded facts alone; None where it was interrupted."""
    kept = [Recorded()]

    def keep(recorded: Recorded) -> None:
        world.stop_the_dead()
        kept.append(recorded)

    while True:
        world.killed = False
        source, target = FakeSource(world), FakeTarget(world)
        power = None if world.power is None else source
        leftovers = source if world.leaves_copies else None
        ports = Ports(source, FakeTransfer(world), target, power, target, target, leftovers)
        phases = [START]
        hooks = Hooks(
            on_status=partial(note, phases),
            on_record=keep,
            clock=world.clock,
            sleep=world.sleep,
        )
        try:
            return asyncio.run(ImportRun(spec, ports, hooks, policy=PATIENT, recorded=kept[-1]).run())
        except Killed:
            continue
        except asyncio.CancelledError:
            return None
        finally:
            assert_the_table_allows(phases)


def note(phases: list[Phase], status: ImportStatus) -> None:
    phases.append(status.phase)


def assert_the_table_allows(phases: list[Phase]) -> None:
    """What users see is what the diagram shows, step by step."""
    for before, after in pairwise(phases):
        allowed = {before, *(to for _, to in TABLE[before].edges), *TABLE[before].shifts}
        assert after in allowed, f"{before} -> {after} is not in the table"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    power=st.sampled_from([None, PowerState.ON, PowerState.OFF, PowerState.SUSPENDED]),
    obeys_after=st.sampled_from([None, 0, 10, 59, 90]),
    autostarts=st.booleans(),
    boots=st.booleans(),
    foreign=st.booleans(),
    leaves_copies=st.booleans(),
    force=st.booleans(),
    skip=st.booleans(),
    strategy=st.sampled_from([None, RunStrategy.HALTED, RunStrategy.RERUN_ON_FAILURE]),
    trouble=TROUBLE,
)
@example(  # interrupted while a guest shuts down that takes longer than it may
    power=PowerState.ON,
    obeys_after=90,
    autostarts=False,
    boots=True,
    foreign=False,
    leaves_copies=False,
    force=False,
    skip=False,
    strategy=None,
    trouble=[*[""] * 11, "cancel"],
)
def test_every_import_ends_well_or_leaves_the_source_as_it_was(  # noqa: PLR0913 - the dimensions of the world
    *,
    power: PowerState | None,
    obeys_after: int | None,
    autostarts: bool,
    boots: bool,
    foreign: bool,
    leaves_copies: bool,
    force: bool,
    skip: bool,
    strategy: RunStrategy | None,
    trouble: list[str],
) -> None:
    spec = ImportSpec(
        "default", "web", "uid-1", "web", force_power_off=force, skip_preflight=skip, run_strategy=strategy
    )
    with tempfile.TemporaryDirectory() as folder:
        world = World(
            VM,
            Path(folder),
            power=power,
            obeys_after=None if obeys_after is None else timedelta(seconds=obeys_after),
            autostarts=autostarts,
            boots=boots,
            new_vm="foreign" if foreign else None,
            leaves_copies=leaves_copies,
            trouble=iter(trouble),
        )
        outcome = run_to_the_end(world, spec)
        world.trouble = iter(())
        world.advance(timedelta(hours=1))  # whatever was under way ends, and both must not run then either
    assert (world.new_vm == "foreign") == foreign
    if outcome is not None:
        assert TABLE[outcome.status.phase].terminal
        assert (outcome.failure is None) == TABLE[outcome.status.phase].succeeded
    if outcome is not None:
        assert world.copies is None or outcome.left is not None
    if outcome is not None and outcome.failure is None:
        assert world.new_vm == "ours"
        assert world.new_vm_runs == (outcome.status.phase is Phase.RUNNING)
    elif power is PowerState.ON and not world.new_vm_runs and not finished_halted(world, strategy):
        told = outcome is not None and outcome.not_restored is not None  # a source that refuses to be asked
        assert world.power is PowerState.ON or (told and trouble[-1] == "refuse")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    power=st.sampled_from([None, PowerState.ON, PowerState.OFF]),
    obeys_after=st.sampled_from([None, 0, 59]),
    killed_after=st.integers(0, 60),
    ran_meanwhile=st.booleans(),
)
def test_a_suspended_import_leaves_the_source_as_it_was_and_goes_on_with_no_stale_copy(
    *, power: PowerState | None, obeys_after: int | None, killed_after: int, ran_meanwhile: bool
) -> None:
    going = ImportSpec("default", "web", "uid-1", "web", run_strategy=RunStrategy.HALTED)
    with tempfile.TemporaryDirectory() as folder:
        world = World(
            VM,
            Path(folder),
            power=power,
            obeys_after=None if obeys_after is None else timedelta(seconds=obeys_after),
            trouble=iter([""] * killed_after + ["kill"]),
        )
        recorded = run_until_killed(world, going)
        finished = world.new_vm == "ours"
        world.killed, world.trouble = False, iter(())
        before = sorted(Path(folder).glob("disk-*"))
        outcome, recorded = run_once(world, replace(going, suspend=True), recorded)
        assert finished or (outcome.failure is not None and outcome.failure.reason == "Suspended")
        world.advance(timedelta(hours=1))
        if not finished:
            assert world.power is power
            assert power is PowerState.ON or sorted(Path(folder).glob("disk-*")) == before, "work is lost"
        if power is PowerState.OFF and ran_meanwhile and not finished:
            world.switch(PowerState.ON)
        outcome, _ = run_once(world, going, recorded)  # the target asserts that no copy is stale
    assert outcome.failure is None
    assert world.new_vm == "ours"


def run_once(world: World, spec: ImportSpec, recorded: Recorded) -> tuple[Outcome, Recorded]:
    """One run without trouble, from what was recorded; and what is recorded after it."""
    kept = [recorded]
    source, target = FakeSource(world), FakeTarget(world)
    ports = Ports(source, FakeTransfer(world), target, None if world.power is None else source, target, target)
    hooks = Hooks(on_record=kept.append, clock=world.clock, sleep=world.sleep)
    outcome = asyncio.run(ImportRun(spec, ports, hooks, policy=PATIENT, recorded=recorded).run())
    return outcome, kept[-1]


def run_until_killed(world: World, spec: ImportSpec) -> Recorded:
    """One run that ends when the process dies, or by itself; what is recorded then."""
    kept = [Recorded()]

    def keep(recorded: Recorded) -> None:
        world.stop_the_dead()
        kept.append(recorded)

    source, target = FakeSource(world), FakeTarget(world)
    ports = Ports(source, FakeTransfer(world), target, None if world.power is None else source, target, target)
    hooks = Hooks(on_record=keep, clock=world.clock, sleep=world.sleep)
    with suppress(Killed):
        asyncio.run(ImportRun(spec, ports, hooks, policy=PATIENT).run())
    return kept[-1]


def finished_halted(world: World, strategy: RunStrategy | None) -> bool:
    """An interruption after the last step finds an import that has done what was asked."""
    return world.new_vm == "ours" and strategy is RunStrategy.HALTED
