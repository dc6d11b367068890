"""A small world in memory to drive imports through: one source VM, one target folder, a clock that jumps.

It keeps the platforms' rules that decisions depend on: a session must be open, a running VM cannot be
exported, a guest may ignore a shutdown, a new VM may start by itself, a copy belongs to one power cycle of
its source. Every call may fail before or after it took effect, as a schedule says.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from thresher.model.errors import SourceDenied, SourceError, SourceUnreachable, TargetError, ThresherError
from thresher.model.spec import ImportSpec, RunStrategy
from thresher.model.units import Bytes
from thresher.model.vm import Loss, PowerState, SourceVM
from thresher.ports import (
    DiskResult,
    DiskStream,
    Export,
    Progress,
    ProgressSink,
    SourceFacts,
    VmState,
)


class Killed(BaseException):
    """The process is gone: from here on it does nothing, not even writing down a fact."""


@dataclass
class World:
    """Everything outside the process.

    Attributes:
        vm: the source VM as its source describes it.
        folder: where the target writes.
        power: the source VM's power; None for a source without.
        obeys_after: how long the guest takes to shut down; None where it never does.
        autostarts: whether a created VM whose run strategy says so starts by itself.
        boots: whether the new VM comes up.
        new_vm: ``ours``, ``foreign`` or None.
        trouble: for each point where a call may fail, what happens there: "" for nothing, ``error``,
            ``kill``, ``cancel``, or ``refuse`` for an error that no retry helps.
        made_from: the description that the new VM was made from.
        leaves_copies: whether an export copies the disks at the source first, as OpenStack's does.
        copies: the power cycle of the source VM that the copies there are of; None where there are none.
        owner: whose copies they are, or were.
        calls: the names of the calls that took effect.
    """

    vm: SourceVM
    folder: Path
    power: PowerState | None = None
    obeys_after: timedelta | None = timedelta(seconds=10)
    autostarts: bool = False
    boots: bool = True
    new_vm: str | None = None
    new_vm_runs: bool = False
    made_from: SourceVM | None = None
    target_findings: tuple[Loss, ...] = ()
    trouble: Iterator[str] = field(default_factory=lambda: iter(()))
    leaves_copies: bool = False
    copies: int | None = None
    owner: str = ""
    calls: list[str] = field(default_factory=list)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    cycle: int = 0
    killed: bool = False
    _off_at: datetime | None = None
    _starts_at: datetime | None = None

    def clock(self) -> datetime:
        """The time in this world."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.stop_the_dead()
        self.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    def advance(self, by: timedelta) -> None:
        """Let time pass, and what was under way happen."""
        self.now += by
        if self._off_at is not None and self.now >= self._off_at:
            self.power, self._off_at = PowerState.OFF, None
        if self._starts_at is not None and self.now >= self._starts_at:
            self.new_vm_runs, self._starts_at = self.new_vm == "ours", None
        self.check_identity()

    def check_identity(self) -> None:
        """Two machines of one identity on one network are the worst that an import can do."""
        assert not (self.new_vm_runs and self.power is PowerState.ON), "source and new VM run at once"

    def stop_the_dead(self) -> None:
        """A killed process does not go on."""
        if self.killed:
            raise Killed

    async def point(self, call: str, *, refusable: bool = False) -> None:
        """A point where ``call`` may fail."""
        self.stop_the_dead()
        await asyncio.sleep(0)
        self.advance(timedelta(seconds=1))
        match next(self.trouble, ""):
            case "error":
                raise SourceUnreachable(f"No answer to {call}. Look at the network.")
            case "refuse" if refusable:
                raise SourceDenied(f"{call} was refused. Give the user the privilege.")
            case "kill":
                self.killed = True
                raise Killed
            case "cancel":
                raise asyncio.CancelledError

    def switch(self, power: PowerState) -> None:
        """Set the source VM's power; a VM that is switched on writes to its disks."""
        if power is PowerState.ON and self.power is not PowerState.ON:
            self.cycle += 1
        self.power, self._off_at = power, None
        self.check_identity()

    def shut_down(self) -> None:
        """The guest was asked to shut down."""
        if self.power is PowerState.ON and self.obeys_after is not None and self._off_at is None:
            self._off_at = self.now + self.obeys_after

    def start(self, after: timedelta = timedelta(0)) -> None:
        """The new VM starts, if it can."""
        if self.boots:
            self._starts_at = self.now + after
            self.advance(timedelta(0))

    def remove_new_vm(self) -> None:
        """The new VM is gone, and with it what it was about to do."""
        self.new_vm, self.new_vm_runs, self._starts_at = None, False, None


class FakeSource:
    """The source of a :class:`World`, with the power of its VM."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open = False

    async def __aenter__(self) -> Self:
        await self._world.point("login")
        self._open = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._open = False

    async def _call(self, name: str, *, refusable: bool = False) -> None:
        assert self._open, f"{name} without a session"
        await self._world.point(name, refusable=refusable)
        self._world.calls.append(name)

    async def check(self) -> SourceFacts:
        """Reach it."""
        await self._call("check", refusable=True)
        return SourceFacts("in memory")

    async def inventory(self) -> Sequence[SourceVM]:
        """Its one VM."""
        return (await self.find(self._world.vm.name),)

    async def find(self, name: str, folder: str = "") -> SourceVM:
        """Its one VM, in the power state of now."""
        del name, folder
        await self._call("find")
        power = PowerState.OFF if self._world.power is None else self._world.power
        return replace(self._world.vm, power=power)

    @asynccontextmanager
    async def export(self, vm: SourceVM, owner: str) -> AsyncIterator[Export]:
        """Open the disks; refused while the VM is not off."""
        await self._call("export")
        if self._world.power not in (None, PowerState.OFF):
            raise SourceError(f"{vm.name} is not off. Shut it down.")
        if self._world.leaves_copies:
            fresh = self._world.copies == self._world.cycle
            assert self._world.copies is None or self._world.owner == owner, "nobody finds these copies any more"
            self._world.calls += [] if fresh else ["copy"]
            self._world.copies, self._world.owner = self._world.cycle, owner
        yield Export(tuple(DiskStream(disk, disk.format, None) for disk in vm.disks))
        await self._world.point("export")
        self._world.copies = None

    async def sweep(self, owner: str) -> None:
        """Remove the copies; it may fail before or after."""
        await self._call("sweep", refusable=True)
        if owner == self._world.owner:
            self._world.copies = None
        await self._world.point("sweep")

    async def power_state(self, vm: SourceVM) -> PowerState:
        """Whether it runs now."""
        del vm
        await self._call("power_state")
        assert self._world.power is not None
        return self._world.power

    async def shut_down_guest(self, vm: SourceVM) -> None:
        """Ask the guest; it may fail after the guest heard it."""
        del vm
        await self._call("shut_down_guest", refusable=True)
        self._world.shut_down()
        await self._world.point("shut_down_guest")

    async def power_off(self, vm: SourceVM) -> None:
        """Switch it off."""
        del vm
        await self._call("power_off", refusable=True)
        self._world.switch(PowerState.OFF)
        await self._world.point("power_off")

    async def power_on(self, vm: SourceVM) -> None:
        """Switch it on."""
        del vm
        await self._call("power_on")
        self._world.switch(PowerState.ON)
        await self._world.point("power_on")


class FakeTransfer:
    """Writes one word for each disk: of which power cycle of the source its content is."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self, export: Export, paths: Mapping[str, Path], progress: ProgressSink) -> Mapping[str, DiskResult]:
        """Copy every disk in two halves; finished ones are not done again."""
        results = {}
        read = self._world.cycle if self._world.copies is None else self._world.copies
        for number, stream in enumerate(export.disks):
            path, now = paths[stream.disk.key], f"cycle {read}"
            before = path.read_text().splitlines() if path.exists() else []
            for half in range(len(before), 2):
                await self._world.point("transfer", refusable=True)
                self._world.calls.append("transfer")
                with path.open("a") as file:
                    file.write(now + "\n")
                progress(Progress(stream.disk.key, Bytes(half + 1), Bytes(2), Bytes(number)))
            results[stream.disk.key] = DiskResult(Bytes(2), Bytes(2), Bytes(2 - len(before)), 0.0)
        return results


class FakeTarget:
    """A folder, and whether the new VM exists and runs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def disk_path(self, spec: ImportSpec, vm: SourceVM, index: int) -> Path:
        """Where a disk is written."""
        del spec, vm
        return self._world.folder / f"disk-{index}.raw"

    async def findings(self, spec: ImportSpec, vm: SourceVM) -> Sequence[Loss]:
        """What the world says would be lost."""
        del spec, vm
        await self._world.point("findings")
        return self._world.target_findings

    async def create_vm(self, spec: ImportSpec, vm: SourceVM) -> None:
        """Make it, from copies that are whole and of one moment."""
        await self._world.point("create_vm", refusable=True)
        if self._world.new_vm == "foreign":
            raise TargetError("A VM of that name belongs to somebody else. Choose another name.")
        for path in sorted(self._world.folder.glob("disk-*.raw")):
            fresh = [f"cycle {self._world.cycle}"] * 2
            assert path.read_text().splitlines() == fresh, f"{path.name} is stale or incomplete"
        self._world.new_vm, self._world.made_from = "ours", vm
        self._world.calls.append("create_vm")
        if self._world.autostarts and spec.run_strategy is not RunStrategy.HALTED:
            self._world.start(after=timedelta(seconds=5))
        await self._world.point("create_vm")

    async def start_vm(self, spec: ImportSpec, vm: SourceVM) -> None:
        """Start it."""
        del spec, vm
        await self._world.point("start_vm", refusable=True)
        assert self._world.new_vm == "ours", "started a VM that is not there, or not ours"
        self._world.calls.append("start_vm")
        self._world.start()

    async def vm_state(self, spec: ImportSpec, vm: SourceVM) -> VmState:
        """What is there now."""
        del spec, vm
        await self._world.point("vm_state")
        ours = self._world.new_vm == "ours"
        return VmState(ours, ours and self._world.new_vm_runs, foreign=self._world.new_vm == "foreign")

    async def discard(self, spec: ImportSpec, vm: SourceVM) -> None:
        """Remove the copies and the new VM, unless it runs."""
        del spec, vm
        await self._world.point("discard")
        if self._world.new_vm_runs:
            raise _Runs("The new VM runs, and is not removed. Look again.")
        if self._world.new_vm == "ours":
            self._world.remove_new_vm()
        for path in self._world.folder.glob("disk-*.raw"):
            path.unlink()
        self._world.calls.append("discard")


class _Runs(ThresherError):
    """The new VM came up in the meantime: the next look sees it."""

    retryable = True
