"""Carries out one action. Each is short, and doing it twice is doing it once."""

import base64
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from thresher.imports.actions import (
    CleanUp,
    CreateVm,
    Doing,
    FindVm,
    Halt,
    PowerOff,
    RestorePower,
    RunPreflight,
    ShutDownGuest,
    StartVm,
    SubmitImages,
    TransferDisks,
)
from thresher.imports.facts import strategy_of
from thresher.imports.observed import Observed
from thresher.model.errors import SourceError, SourceUnreachable, TargetError
from thresher.model.spec import ImportSpec, Verify
from thresher.model.vm import Loss, PowerState, SourceVM
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.observe import World, current, job_ended, next_attempt
from thresher.operator.imports.preflight import scratch_findings
from thresher.operator.imports.reach import ports_of, require_disk, unreachable
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.transfer import (
    handover,
    job,
    manifests_yaml,
    name_of,
    scratch_claim,
    scratch_size,
    source_of,
)
from thresher.operator.kinds import CONFIG_MAP, JOB, ROLE, ROLE_BINDING, SECRET, SERVICE_ACCOUNT
from thresher.operator.sessions import SourceObjects
from thresher.ports import Power
from thresher.targets.harvester.objects import CLAIM, Object
from thresher.targets.harvester.target import Source

QUEUED = "TransferQueued"
"""Why a transfer is held that waits for a free slot."""
Save = Callable[[Memory], Awaitable[None]]
"""Writes the memory down, before something depends on it."""


@dataclass(frozen=True, slots=True)
class Held:
    """The action could not be begun yet; nothing failed.

    Attributes:
        reason: CamelCase.
        message: what is waited for.
    """

    reason: str
    message: str


@dataclass(slots=True)
class Hands:
    """Carries out the actions of one pass.

    Attributes:
        memory: what is remembered; actions change it.
        save: writes it down at once.
    """

    tools: Tools
    vmi: Object
    spec: ImportSpec
    world: World
    seen: Observed
    memory: Memory
    save: Save

    async def do(self, action: Doing) -> Held | None:
        """Carry out ``action``. Raises ThresherError."""
        match action:
            case FindVm():
                async with self.tools.sessions.use(self._source) as opened:
                    vm = await opened.source.find(self.spec.vm_name, self.spec.folder)
                self.memory = replace(self.memory, vm=vm)
            case RunPreflight():
                self.memory = replace(self.memory, findings=await self._findings())
            case ShutDownGuest() | PowerOff() | RestorePower():
                await self._switch(action)
            case TransferDisks():
                return await self._transfer()
            case SubmitImages():
                await self._submit(action)
            case CreateVm():
                made = {d.key: i for d in self._vm.disks if (i := current(self.world.images, d.key)) is not None}
                await self.tools.target.create_vm(self._asked, self._vm, made)
            case StartVm():  # its run strategy starts it
                self._remember(start_asked=self.tools.clock())
            case CleanUp():
                return await self._clean_up(action)
            case Halt():
                return await self._halt()
        return None

    @property
    def _asked(self) -> ImportSpec:
        """The spec with the run strategy that holds."""
        return replace(self.spec, run_strategy=strategy_of(self.spec, self.seen))

    @property
    def _vm(self) -> SourceVM:
        if self.memory.vm is None:
            raise AssertionError("no action needs the source VM before it is found")
        return self.memory.vm

    @property
    def _source(self) -> SourceObjects:
        if self.world.source is None:
            failure = self.world.source_failure
            raise SourceUnreachable(failure.message if failure else "The source cannot be used.")
        return self.world.source

    def _remember(self, **changes: object) -> None:
        recorded = replace(self.memory.recorded, **changes)  # type: ignore[arg-type] # the names are the fields'
        self.memory = replace(self.memory, recorded=recorded)

    async def _findings(self) -> tuple[Loss, ...]:
        vm = self._vm
        found = [*vm.losses, *await self.tools.preflight.findings(self._asked, vm)]
        found += await scratch_findings(self.tools.kube, self.tools.settings.worker.scratch)
        found += await unreachable(ports_of(self._source.manifest, vm), self.tools.reach)
        return tuple(found)

    async def _switch(self, action: ShutDownGuest | PowerOff | RestorePower) -> None:
        now, uid = self.tools.clock(), self.spec.uid
        if self.memory.recorded.touched is None:
            self._remember(touched=now)
            await self.save(self.memory)  # before we lay hands on it, so that a crash cannot hide it
        self.tools.power.forget(uid)
        async with self.tools.sessions.use(self._source) as opened:
            power = opened.power
            if power is None:
                raise SourceError("This source cannot switch VMs on and off; report this defect.")
            await self._switch_by(power, action)
        if isinstance(action, ShutDownGuest):
            self._remember(shutdown_asked=now)
        elif isinstance(action, PowerOff):
            self._remember(power_off_asked=now)
        else:
            self.tools.power.put(uid, PowerState.ON)
            self.memory = replace(self.memory, recorded=self.memory.recorded.restored())

    async def _switch_by(self, power: Power, action: ShutDownGuest | PowerOff | RestorePower) -> None:
        match action:
            case ShutDownGuest():
                await power.shut_down_guest(self._vm)
            case PowerOff():
                await power.power_off(self._vm)
            case RestorePower():
                await power.power_on(self._vm)

    async def _transfer(self) -> Held | None:
        meta, tools = self.vmi["metadata"], self.tools
        if self.world.job is not None:  # an earlier one that ended: the new one needs its name
            await tools.kube.delete(JOB, self.spec.namespace, name_of(self.spec.uid))
            await tools.kube.delete(CONFIG_MAP, self.spec.namespace, name_of(self.spec.uid))
            return Held("WorkerRestarting", "Waiting for what is left of the last worker to go.")
        if self.world.scratch is not None and "deletionTimestamp" in self.world.scratch["metadata"]:
            return Held("ScratchLeaving", "Waiting for the last scratch volume to go.")
        if not tools.slots.ask(self.spec.uid, self.spec.namespace, meta["creationTimestamp"]):
            message = f"Waiting for a transfer to end: {tools.slots.running} of {tools.slots.limit} run already."
            return Held(QUEUED, message)
        parts = [self._source.source, *([self._source.secret] if self._source.secret else []), self.vmi]
        tools.bandwidth.learn(self._source.source)
        rate = tools.bandwidth.begins(self.spec.uid, self.spec.namespace, source_of(self.vmi))
        for kind, obj in handover(self.vmi, manifests_yaml(parts), await self._token(), rate):
            await tools.kube.apply(obj, kind)
        if self.world.scratch is None:
            size = scratch_size(self._vm, tools.settings.worker.scratch)
            await tools.kube.apply(scratch_claim(self.vmi, size, tools.settings.worker.scratch), CLAIM)
        await tools.kube.apply(job(self.vmi, tools.settings.worker, rate), JOB)
        return None

    async def _token(self) -> str:
        """The path token: made once, so that a URL that is already given out stays good."""
        secret = await self.tools.kube.get(SECRET, self.spec.namespace, name_of(self.spec.uid))
        coded = ((secret or {}).get("data") or {}).get("token")
        return base64.b64decode(coded).decode() if coded else secrets.token_urlsafe(32)

    async def _submit(self, action: SubmitImages) -> None:
        await self._see_disks(action)
        if action.remake:
            self._remember(remakes=self.memory.recorded.remakes + 1)
            await self.save(self.memory)  # counted before it is done: a crash must not make it endless
        told = {disk.key: disk for disk in self.world.report.disks} if self.world.report else {}
        for index, disk in enumerate(self._vm.disks):
            if disk.key not in action.keys:
                continue
            row = told.get(disk.key)
            if row is None or not row.url:
                raise TargetError(f"The worker does not say where it serves disk {disk.key}; report this defect.")
            checksum = row.checksum.hexdigest if row.checksum and self.spec.verify is Verify.SHA512 else None
            if self.spec.verify is Verify.SHA512 and checksum is None:
                raise TargetError(f"The worker gives no SHA-512 of disk {disk.key}, although verify asks for it.")
            attempt = next_attempt(self.world.images, disk.key)
            old = current(self.world.images, disk.key)
            if old is not None:
                await self.tools.target.remove_image(self.spec, old)
            await self.tools.target.submit(self.spec, self._vm, index, Source(row.url, checksum), attempt=attempt)

    async def _see_disks(self, action: SubmitImages) -> None:
        """See that the worker's disks can be reached before Harvester is sent there. Raises DiskUnreachable."""
        disks = self.world.report.disks if self.world.report else ()
        url = next((disk.url for disk in disks if disk.key in action.keys and disk.url), "")
        if url and not self.spec.skip_preflight:
            await require_disk(url)

    async def _clean_up(self, action: CleanUp) -> Held | None:
        await remove_transfer(self.tools, self.spec)
        gone = await self.tools.target.discard(self.spec, self.memory.vm)
        if not gone or self.world.job is not None or self.world.scratch is not None:
            return Held("CleaningUp", f"What was made is being removed, because {action.why}.")
        if action.again:
            self.memory = replace(self.memory, recorded=self.memory.recorded.begin_again())
        return None

    async def _halt(self) -> Held | None:
        await stop_transfer(self.tools, self.spec)
        gone = await self.tools.target.discard(self.spec, self.memory.vm, keep_ready=True)
        if not gone or self.world.job is not None:
            return Held("Suspending", "What moves is being stopped, because spec.suspend is true.")
        return None


async def stop_transfer(tools: Tools, spec: ImportSpec) -> None:
    """Remove the worker and what it was given; its scratch volume stays, with the ledger. Raises TargetError."""
    name = name_of(spec.uid)
    for kind in (JOB, CONFIG_MAP, SECRET, ROLE_BINDING, ROLE, SERVICE_ACCOUNT):
        await tools.kube.delete(kind, spec.namespace, name)
    tools.slots.give_back(spec.uid)
    tools.bandwidth.ends(spec.uid)


async def remove_transfer(tools: Tools, spec: ImportSpec) -> None:
    """Remove everything that served the transfer, the worker first. Raises TargetError."""
    await stop_transfer(tools, spec)
    await tools.kube.delete(CLAIM, spec.namespace, name_of(spec.uid))


def transfer_is_over(world: World) -> bool:
    """Whether the worker has ended."""
    return world.job is None or bool(job_ended(world.job))
