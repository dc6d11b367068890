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
    Sweep,
    TransferDisks,
)
from thresher.imports.facts import strategy_of
from thresher.imports.observed import Observed
from thresher.model.errors import SourceError, TargetError
from thresher.model.spec import ImportSpec, Verify
from thresher.model.vm import Loss, PowerState, SourceVM
from thresher.operator.imports.held import QUEUED, Held
from thresher.operator.imports.memory import Memory
from thresher.operator.imports.observe import World, current, job_ended, next_attempt
from thresher.operator.imports.preflight import scratch_findings
from thresher.operator.imports.reach import ports_of, require_disk, unreachable
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.transfer import (
    by_id,
    handover,
    job,
    manifests_yaml,
    name_of,
    scratch_claim,
    scratch_size,
    source_of,
)
from thresher.operator.imports.undo import Undoing, remove_worker
from thresher.operator.imports.volumes import hand_over, make_volumes, not_usable, vouch
from thresher.operator.kinds import CONFIG_MAP, JOB, SECRET
from thresher.operator.sessions import SourceObjects
from thresher.ports import Power
from thresher.targets.harvester.objects import CLAIM, Object
from thresher.targets.harvester.target import Source
from thresher.wiring.sources import finds_ids, leaves_copies

Save = Callable[[Memory], Awaitable[None]]
"""Writes the memory down, before something depends on it."""


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
                held = await self._volumes_held()
                if held is not None:
                    return held
                made = {d.key: i for d in self._vm.disks if (i := current(self.world.images, d.key)) is not None}
                await self.tools.target.create_vm(self._asked, self._vm, made)
            case StartVm():  # its run strategy starts it
                self._remember(start_asked=self.tools.clock())
            case CleanUp() | Halt() | Sweep():
                self.memory, held = await Undoing(self.tools, self.spec, self.world, self.memory).do(action)
                return held
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
        return self.world.require_source()

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

    async def _volumes_held(self) -> Held | None:
        """See that nobody else has the volumes that the VM is made of, and note that it has them from now on."""
        if not self.spec.writes_volumes:
            return None
        if self.world.job is not None:  # it goes after its Pods: then all is flushed, and the volumes are free
            await remove_worker(self.tools, self.spec)
            return Held("VolumesInUse", "Waiting for the worker to let go of the volumes, which are whole.")
        await hand_over(self.tools, self.spec, self.world)
        return None

    async def _transfer(self) -> Held | None:
        meta, tools = self.vmi["metadata"], self.tools
        if self.world.job is not None:  # an earlier one that ended: the new one needs its name
            await tools.kube.delete(JOB, self.spec.namespace, name_of(self.spec.uid))
            await tools.kube.delete(CONFIG_MAP, self.spec.namespace, name_of(self.spec.uid))
            return Held("WorkerRestarting", "Waiting for what is left of the last worker to go.")
        if self.world.scratch is not None and "deletionTimestamp" in self.world.scratch["metadata"]:
            return Held("ScratchLeaving", "Waiting for the last scratch volume to go.")
        unusable = await not_usable(tools, self.spec, self.world) if self.spec.writes_volumes else None
        if unusable is not None:
            return unusable
        if not tools.slots.ask(self.spec.uid, self.spec.namespace, meta["creationTimestamp"]):
            message = f"Waiting for a transfer to end: {tools.slots.running} of {tools.slots.limit} run already."
            return Held(QUEUED, message)
        vmi = by_id(self.vmi, self._vm) if finds_ids(self._source.manifest) else self.vmi
        parts = [self._source.source, *([self._source.secret] if self._source.secret else []), vmi]
        if leaves_copies(self._source.manifest):
            self._remember(copies=self.spec.uid)
            await self.save(self.memory)  # before the worker can make any
        tools.bandwidth.learn(self._source.source)
        rate = tools.bandwidth.begins(self.spec.uid, self.spec.namespace, source_of(self.vmi))
        for kind, obj in handover(self.vmi, manifests_yaml(parts), await self._token(), rate):
            await tools.kube.apply(obj, kind)
        if self.world.scratch is None:
            size = scratch_size(self._vm, tools.settings.worker.scratch, volumes=self.spec.writes_volumes)
            await tools.kube.apply(scratch_claim(self.vmi, size, tools.settings.worker.scratch), CLAIM)
        volumes = await make_volumes(tools, self.spec, self._vm, self.world) if self.spec.writes_volumes else ()
        await tools.kube.apply(job(self.vmi, tools.settings.worker, rate, volumes), JOB)
        return None

    async def _token(self) -> str:
        """The path token: made once, so that a URL that is already given out stays good."""
        secret = await self.tools.kube.get(SECRET, self.spec.namespace, name_of(self.spec.uid))
        coded = ((secret or {}).get("data") or {}).get("token")
        return base64.b64decode(coded).decode() if coded else secrets.token_urlsafe(32)

    async def _submit(self, action: SubmitImages) -> None:
        if self.spec.writes_volumes:  # a volume that is whole is its own image
            await vouch(self.tools, self.spec, self.world, action.keys)
            return
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


def transfer_is_over(world: World) -> bool:
    """Whether the worker has ended."""
    return world.job is None or bool(job_ended(world.job))
