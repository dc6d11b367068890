"""Drives one import in this process: look, derive the status, decide, act; until it is finished or failed.

The disks are raw files here, so a finished disk is its own image: the image phases pass as soon as the disks
are done, and are reported all the same.
"""

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import uuid4

from thresher.imports.actions import (
    Accept,
    CheckSource,
    CleanUp,
    CreateVm,
    Doing,
    Fail,
    FindVm,
    Finish,
    GiveUp,
    Halt,
    Look,
    PowerOff,
    Rest,
    RestorePower,
    RunPreflight,
    ShutDownGuest,
    StartVm,
    SubmitImages,
    Sweep,
    TransferDisks,
    Wait,
)
from thresher.imports.decide import decide
from thresher.imports.facts import facts_of, left_at_source, strategy_of
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
from thresher.imports.phases import route
from thresher.imports.policy import DEFAULT, Policy
from thresher.imports.seams import Hooks, Outcome, Ports
from thresher.imports.status import ImportStatus, derive
from thresher.model.errors import ThresherError, UsageError
from thresher.model.spec import ImportSpec
from thresher.model.vm import PowerState, SourceVM
from thresher.ports import DiskResult, Power, Progress, VmState

log = logging.getLogger(__name__)

_SUSPENDED = Failure(
    "Suspended",
    "The import is suspended, and its source is as it was found. Set spec.suspend to false and run it again.",
    exit_code=UsageError.exit_code,
)


class ImportRun:
    """One run of one import. Used once.

    Args:
        spec: what was asked for.
        ports: what it is driven through.
        hooks: how it is heard and timed.
        policy: how patient it is.
        recorded: what an earlier run recorded.
    """

    def __init__(
        self,
        spec: ImportSpec,
        ports: Ports,
        hooks: Hooks | None = None,
        *,
        policy: Policy = DEFAULT,
        recorded: Recorded | None = None,
    ) -> None:
        self._spec = spec
        self._ports = ports
        self._hooks = hooks or Hooks()
        self._policy = policy
        self._seen = Observed(always_off=ports.power is None, recorded=(recorded or Recorded()).another_run())
        self._status = ImportStatus()
        self._results: dict[str, DiskResult] = {}
        self._progress: dict[str, Progress] = {}
        self._furthest = 0
        self._session = AsyncExitStack()
        self._entered = False
        self._ending = False

    async def run(self) -> Outcome:
        """Drive the import to its end.

        Whatever interrupts it, a source VM that was switched off is switched on again before the interruption
        goes on its way.
        """
        async with self._session:
            try:
                return await self._drive()
            except BaseException as error:
                self._ending = True
                self._record(replace(self._seen.recorded, gave_up=_why(error)))
                await self._drive()
                raise

    async def _drive(self) -> Outcome:
        while True:
            await self._look()
            self._report()
            action = decide(self._spec, self._seen, self._hooks.clock(), self._policy)
            match action:
                case Finish():
                    return self._outcome(None)
                case Fail():
                    return replace(self._outcome(action.failure), not_restored=action.not_restored)
                case Rest():
                    self._record(self._seen.recorded.rested())
                    return self._outcome(_SUSPENDED)
                case Wait():
                    await self._wait(action)
                case Accept():
                    self._record(self._seen.recorded.accept(action.power))
                case GiveUp():
                    self._record(replace(self._seen.recorded, gave_up=action.failure))
                case _:
                    await self._do(action)

    def _outcome(self, failure: Failure | None) -> Outcome:
        left = left_at_source(self._seen)
        return Outcome(self._status, self._seen.vm, self._results, failure, left)

    # -- observe -----------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Look at whatever may have changed by itself. What cannot be seen now stays as it was seen last."""
        vm = self._seen.vm
        if vm is None:
            return
        try:
            state = await self._ports.target.vm_state(self._asked, vm)
            self._seen = replace(self._seen, target=_target(state))
            if self._ports.power is not None:
                self._seen = replace(self._seen, power=await self._ports.power.power_state(vm))
        except ThresherError as error:
            self._failed(Step.LOOK, error)
        else:
            self._succeeded(Step.LOOK)

    def _report(self) -> None:
        """Tell each status since the last one, also of phases that were only passed."""
        phases = route(facts_of(self._spec, self._seen))
        last = self._status.phase
        passed = phases[phases.index(last) + 1 : -1] if last in phases[:-1] else ()
        for phase in (*passed, phases[-1]):
            status = derive(self._spec, self._seen, self._status, self._hooks.clock(), phase=phase, policy=self._policy)
            if status != self._status:
                self._status = status
                self._hooks.on_status(status)

    async def _wait(self, action: Wait) -> None:
        seconds = self._policy.poll.total_seconds()
        if action.until is not None:
            seconds = min(seconds, (action.until - self._hooks.clock()).total_seconds())
        await self._hooks.sleep(max(seconds, 0.001))

    # -- remember ----------------------------------------------------------------------------------------

    def _record(self, recorded: Recorded) -> None:
        if recorded == self._seen.recorded:
            return
        self._seen = replace(self._seen, recorded=recorded)
        try:
            self._hooks.on_record(recorded)
        except ThresherError as error:
            if not self._ending:  # else what ended it is told, which is the same as a rule
                raise
            log.info("the record of %s could not be stored while it was ended: %s", self._spec.name, error)

    def _failed(self, step: Step, error: ThresherError, *, got_further: bool = False) -> None:
        recorded = self._seen.recorded
        failure = Failure.of(error)
        self._record(recorded.failed(step, failure, self._hooks.clock(), got_further=got_further))

    def _succeeded(self, step: Step) -> None:
        self._record(self._seen.recorded.succeeded(step))

    # -- act ---------------------------------------------------------------------------------------------

    @property
    def _asked(self) -> ImportSpec:
        """The spec with the run strategy that holds, so that no target has to decide it again."""
        if self._seen.vm is None:
            return self._spec
        return replace(self._spec, run_strategy=strategy_of(self._spec, self._seen))

    @property
    def _vm(self) -> SourceVM:
        if self._seen.vm is None:
            raise AssertionError("no action needs the source VM before it is found")
        return self._seen.vm

    @property
    def _power(self) -> Power:
        if self._ports.power is None:
            raise AssertionError("no action touches the power of a source that has none")
        return self._ports.power

    async def _do(self, action: Doing) -> None:
        try:
            await self._act(action)
        except ThresherError as error:
            position = sum(progress.position for progress in self._progress.values())
            further = action.step is Step.TRANSFER and position > self._furthest
            self._furthest = max(self._furthest, position)
            self._failed(action.step, error, got_further=further)
        else:
            self._succeeded(action.step)

    async def _act(self, action: Doing) -> None:
        match action:
            case CheckSource():
                await self._check()
            case FindVm():
                await self._find()
            case RunPreflight():
                await self._preflight()
            case TransferDisks():
                await self._transfer()
            case ShutDownGuest() | PowerOff() | RestorePower():
                await self._act_on_power(action)
            case SubmitImages() | CreateVm() | StartVm() | CleanUp():
                await self._act_at_target(action)
            case Sweep():
                await self._sweep()
            case Look() | Halt():
                pass  # every round begins with a look, and what moves an import here is this process itself

    async def _act_at_target(self, action: SubmitImages | CreateVm | StartVm | CleanUp) -> None:
        match action:
            case SubmitImages():
                self._submit(action)
            case CreateVm():
                await self._ports.target.create_vm(self._asked, self._vm)
            case StartVm():
                await self._ports.target.start_vm(self._asked, self._vm)
                self._record(replace(self._seen.recorded, start_asked=self._hooks.clock()))
            case CleanUp():
                await self._clean_up(action)

    async def _act_on_power(self, action: ShutDownGuest | PowerOff | RestorePower) -> None:
        now = self._hooks.clock()
        if self._seen.recorded.touched is None:
            self._record(replace(self._seen.recorded, touched=now))
        match action:
            case ShutDownGuest():
                await self._power.shut_down_guest(self._vm)
                self._record(replace(self._seen.recorded, shutdown_asked=now))
            case PowerOff():
                await self._power.power_off(self._vm)
                self._record(replace(self._seen.recorded, power_off_asked=now))
            case RestorePower():
                await self._power.power_on(self._vm)
                self._seen = replace(self._seen, power=PowerState.ON)
                self._record(self._seen.recorded.restored())

    async def _check(self) -> None:
        await self._enter()
        await self._ports.source.check()
        self._seen = replace(self._seen, source_ready=True)

    async def _enter(self) -> None:
        if not self._entered:
            await self._session.enter_async_context(self._ports.source)
            self._entered = True

    async def _find(self) -> None:
        vm = await self._ports.source.find(self._spec.vm_name, self._spec.folder)
        found = self._seen.recorded.power_when_found
        if self._seen.recorded.touched is not None and found is not None:
            vm = replace(vm, power=found)  # an earlier run switched it off; it is imported as it was found
        self._seen = replace(self._seen, vm=vm)
        self._start_over()

    def _start_over(self) -> None:
        """Nothing is copied, as far as this process knows; what an earlier run left counts as begun."""
        disks = tuple(
            DiskSeen(disk.key, begun=self._ports.target.disk_path(self._asked, self._vm, index).exists())
            for index, disk in enumerate(self._vm.disks)
        )
        images = tuple(ImageSeen(disk.key) for disk in self._vm.disks)
        self._progress.clear()
        self._seen = replace(self._seen, disks=disks, images=images)

    async def _preflight(self) -> None:
        found = list(self._vm.losses)
        if self._ports.preflight is not None:
            found += await self._ports.preflight.findings(self._asked, self._vm)
        self._seen = replace(self._seen, findings=tuple(found))

    async def _transfer(self) -> None:
        target, vm = self._ports.target, self._vm
        paths = {disk.key: target.disk_path(self._asked, vm, i) for i, disk in enumerate(vm.disks)}
        owner = self._seen.recorded.copies or str(uuid4())
        if self._ports.leftovers is not None:  # not the import's UID, which others who run the manifests have, too
            self._record(replace(self._seen.recorded, copies=owner))
        self._mark_disks(DiskState.RUNNING)
        self._report()
        try:
            async with self._ports.source.export(vm, owner) as export:
                results = await self._ports.transfer.run(export, paths, self._on_progress)
        except BaseException:
            self._mark_disks(DiskState.PENDING)
            raise
        missing = [disk.key for disk in vm.disks if disk.key not in results]
        if missing:
            self._mark_disks(DiskState.PENDING)
            raise ThresherError(f"The transfer of {vm.name} ended without disk {missing[0]}; report this defect.")
        self._results.update(results)
        self._mark_disks(DiskState.DONE)

    def _on_progress(self, progress: Progress) -> None:
        self._progress[progress.disk] = progress
        self._hooks.on_progress(progress)

    def _mark_disks(self, state: DiskState) -> None:
        disks = []
        for disk in self._seen.disks:
            at = self._progress.get(disk.key)
            moved = disk if at is None else replace(disk, position=at.position, total=at.total)
            disks.append(replace(moved, state=state, begun=True))
        self._seen = replace(self._seen, disks=tuple(disks))

    def _submit(self, action: SubmitImages) -> None:
        images = tuple(
            replace(image, state=ImageState.READY, percent=100) if image.key in action.keys else image
            for image in self._seen.images
        )
        self._seen = replace(self._seen, images=images)

    async def _sweep(self) -> None:
        if self._ports.leftovers is None:
            raise AssertionError("nothing is left at a source where exports leave nothing")
        await self._enter()
        await self._ports.leftovers.sweep(self._seen.recorded.copies)
        self._record(self._seen.recorded.swept())

    async def _clean_up(self, action: CleanUp) -> None:
        if self._ports.discard is None:
            raise AssertionError("nothing becomes stale without a source that has power")
        await self._ports.discard.discard(self._asked, self._vm)
        self._results.clear()
        self._start_over()
        cleaned = tuple(replace(disk, begun=False) for disk in self._seen.disks)
        self._seen = replace(self._seen, disks=cleaned, target=TargetSeen())
        if action.again:
            self._record(self._seen.recorded.begin_again())


def _target(state: VmState) -> TargetSeen:
    if state.foreign:
        return TargetSeen(TargetState.FOREIGN, state.message)
    if not state.exists:
        return TargetSeen(TargetState.ABSENT, state.message)
    return TargetSeen(TargetState.RUNNING if state.running else TargetState.CREATED, state.message)


def _why(error: BaseException) -> Failure:
    """Why a run was broken off from outside, or by a defect of our own."""
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
        return Failure("Interrupted", "The import was interrupted. Run it again to go on.", exit_code=130)
    if isinstance(error, ThresherError):
        return Failure.of(error)
    return Failure(ThresherError.reason, f"A defect ended the import: {type(error).__name__}: {error}")
