"""Makes a plan of an inventory."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from thresher.api.convert import derived_uid
from thresher.model.bandwidth import Limit, Window
from thresher.model.naming import display_name, is_label, target_vm_name
from thresher.model.spec import DiskMode, ImportSpec, NetworkMapping
from thresher.model.units import Bytes
from thresher.model.vm import Loss, PowerState, SourceVM
from thresher.plan import rules
from thresher.plan.networks import Attachment, mapping_of, plan_networks
from thresher.plan.rules.fleet import Capacity, Member, capacity, fleet_findings
from thresher.plan.simulate import Job, Pause, Pauses, Span, makespan, never, simulate
from thresher.plan.values import (
    Assumptions,
    Finding,
    Level,
    Plan,
    PlannedNetwork,
    PlannedVM,
    Schedule,
    Sizes,
    Totals,
    Verdict,
    Wave,
)
from thresher.plan.waves import WaveRules, cut, groups_of, next_start

_ORDER = list(Level)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a plan is to be made by.

    Attributes:
        assumptions: what durations follow from.
        namespace: that the VMs are imported into.
        storage_class: for all disks; None for the cluster's default.
        disk_mode: where disks are written.
        attachments: the cluster's networks.
        mapping: the networks' destinations that the user chose.
        free: what the destination has free.
        waves: how waves are cut.
        starts_at: when the first wave may begin.
        blackouts: times of the day in which nothing is transferred; they need ``starts_at``.
    """

    assumptions: Assumptions
    namespace: str = "default"
    storage_class: str | None = None
    disk_mode: DiskMode = DiskMode.IMAGE
    attachments: tuple[Attachment, ...] = ()
    mapping: tuple[NetworkMapping, ...] = ()
    free: Capacity = field(default_factory=Capacity)
    waves: WaveRules = field(default_factory=WaveRules)
    starts_at: datetime | None = None
    blackouts: tuple[Window, ...] = ()


def make_plan(vms: Sequence[SourceVM], wanted: Wanted, source: str, made_at: datetime) -> Plan:
    """Judge every VM, suggest networks, cut waves, and work out how long it all takes.

    Args:
        vms: the inventory, or what was chosen of it.
        wanted: how.
        source: what to call where they come from.
        made_at: when the inventory was read.
    """
    networks = plan_networks(vms, wanted.attachments, wanted.mapping, wanted.namespace)
    judged = _judge(vms, networks, wanted)
    waves, timed = _schedule(judged, wanted)
    able = [vm for vm in timed if vm.schedule is not None]
    return Plan(
        source=source,
        made_at=made_at,
        starts_at=wanted.starts_at,
        vms=timed,
        networks=networks,
        waves=waves,
        findings=tuple(_finding(loss) for loss in capacity([planned.vm for planned in able], wanted.free)),
        totals=_totals(timed, waves),
        assumptions=wanted.assumptions,
        blackouts=wanted.blackouts,
        free=wanted.free,
    )


def _judge(vms: Sequence[SourceVM], networks: Sequence[PlannedNetwork], wanted: Wanted) -> tuple[PlannedVM, ...]:
    members = _members(vms, networks, wanted)
    others: dict[str, list[Loss]] = defaultdict(list)
    shared = set()
    for member, loss in fleet_findings(members, wanted.free):
        others[member.spec.name].append(loss)
        if loss.rule == "NameShared":
            shared.add(member.spec.name)
    return tuple(
        _planned(member, others[member.spec.name], group, wanted.assumptions, shared=member.spec.name in shared)
        for member, group in zip(members, groups_of(vms), strict=True)
    )


def _members(vms: Sequence[SourceVM], networks: Sequence[PlannedNetwork], wanted: Wanted) -> tuple[Member, ...]:
    taken: set[str] = set()
    members = []
    for vm in vms:
        identity = vm.id or f"{vm.folder}/{vm.name}"
        name = target_vm_name(vm.name, identity)
        if name in taken:
            name = display_name(vm.name, identity, vm.folder)
        taken.add(name)
        uid = derived_uid(wanted.namespace, name)
        spec = ImportSpec(
            wanted.namespace, name, uid, vm.name, folder=vm.folder, networks=mapping_of(networks, vm),
            storage_class=wanted.storage_class, target_name=None if is_label(vm.name) else name,
            disk_mode=wanted.disk_mode,
        )  # fmt: skip
        members.append(Member(spec, vm, spec.target_name or vm.name))
    return tuple(members)


def _planned(member: Member, others: Sequence[Loss], group: str, by: Assumptions, *, shared: bool) -> PlannedVM:
    spec = replace(member.spec, target_name=member.spec.name) if shared else member.spec
    losses = (*rules.examine(member.spec, member.vm), *others)
    findings = [*(_finding(loss) for loss in losses)]
    findings += [replace(_finding(note), level=Level.NOTE) for note in rules.notes(member.spec, member.vm)]
    findings.sort(key=lambda one: _ORDER.index(one.level))
    levels = {finding.level for finding in findings}
    verdict = Verdict.WARNINGS if Level.WARNING in levels else Verdict.READY
    return PlannedVM(
        vm=member.vm,
        spec=spec,
        target=spec.target_name or member.target,
        verdict=Verdict.BLOCKED if Level.BLOCKER in levels else verdict,
        findings=tuple(findings),
        sizes=_sizes(member.vm, by.compression),
        group=group,
    )


def _finding(loss: Loss) -> Finding:
    return Finding(loss.rule, Level(loss.severity.value), loss.subject, loss.message)


def _sizes(vm: SourceVM, compression: float) -> Sizes:
    provisioned = Bytes(sum(disk.capacity or 0 for disk in vm.disks))
    used = provisioned if vm.usage.used is None else Bytes(min(vm.usage.used, provisioned))
    return Sizes(provisioned, used, Bytes(round(used * compression)), vm.usage.used is None and bool(provisioned))


def _sum(sizes: Sequence[Sizes]) -> Sizes:
    return Sizes(
        Bytes(sum(each.provisioned for each in sizes)),
        Bytes(sum(each.used for each in sizes)),
        Bytes(sum(each.transfer for each in sizes)),
        any(each.estimated for each in sizes),
    )


def job_of(planned: PlannedVM, by: Assumptions) -> Job:
    """The work of one import: each disk has its share of what is used."""
    vm, sizes = planned.vm, planned.sizes
    share = sizes.transfer / sizes.provisioned if sizes.provisioned else 0.0
    disks = tuple(round((disk.capacity or 0) * share) for disk in vm.disks)
    runs = vm.power is PowerState.ON
    at = None if planned.spec.writes_volumes else by.store_bandwidth
    stored = sizes.used / at if at else 0.0
    before = by.prepare_s + (by.shutdown_s if runs else 0.0)
    return Job(planned.key, vm.host, disks, before, stored + (by.boot_s if runs else 0.0))


def _schedule(vms: Sequence[PlannedVM], wanted: Wanted) -> tuple[tuple[Wave, ...], tuple[PlannedVM, ...]]:
    by = wanted.assumptions

    def spans_of(wave: Sequence[PlannedVM], pauses: Pauses = never) -> tuple[Span, ...]:
        return simulate([job_of(vm, by) for vm in wave], by.limits, pauses)

    waves, schedules, at = [], {}, 0.0
    for number, members in enumerate(cut(vms, wanted.waves, lambda wave: makespan(spans_of(wave))), start=1):
        begins = _start(at, makespan(spans_of(members)), wanted)
        spans = spans_of(members, _pauses(begins, wanted))
        at = begins + makespan(spans)
        waves.append(_wave(number, members, spans, begins, wanted.starts_at))
        for vm, span in zip(members, spans, strict=True):
            schedules[vm.key] = _placed(number, vm, span, begins)
    return tuple(waves), tuple(replace(vm, schedule=schedules.get(vm.key)) for vm in vms)


def _start(earliest: float, seconds: float, wanted: Wanted) -> float:
    if wanted.starts_at is None:
        return earliest
    at = next_start(wanted.starts_at + timedelta(seconds=earliest), seconds, Limit(blackout=wanted.blackouts))
    return (at - wanted.starts_at).total_seconds()


def _pauses(begins: float, wanted: Wanted) -> Pauses:
    """Blackouts as a wave sees them that begins so many seconds after the start of the plan."""
    if wanted.starts_at is None or not wanted.blackouts:
        return never
    start, limit = wanted.starts_at + timedelta(seconds=begins), Limit(blackout=wanted.blackouts)

    def at(seconds: float) -> Pause:
        now = start + timedelta(seconds=seconds)
        found = limit.at(now)
        until = math.inf if found.until is None else (found.until - start).total_seconds()
        return Pause(found.window is not None, until)

    return at


def _placed(number: int, vm: PlannedVM, span: Span, begins: float) -> Schedule:
    downtime = span.ends - span.begins if vm.vm.power is PowerState.ON else 0.0
    return Schedule(
        number, begins + span.begins, begins + span.copies, begins + span.copied, begins + span.ends, downtime
    )


def _wave(
    number: int, members: Sequence[PlannedVM], spans: Sequence[Span], begins: float, starts_at: datetime | None
) -> Wave:
    ends = begins + makespan(spans)
    return Wave(
        number=number,
        keys=tuple(vm.key for vm in members),
        sizes=_sum([vm.sizes for vm in members]),
        begins=begins,
        ends=ends,
        starts_at=starts_at + timedelta(seconds=begins) if starts_at else None,
        ends_at=starts_at + timedelta(seconds=ends) if starts_at else None,
        scratch=_scratch(members, spans),
    )


def _scratch(members: Sequence[PlannedVM], spans: Sequence[Span]) -> Bytes:
    """The most that imports need at any one time: a worker keeps a VM's disks until its images are stored.

    One that writes volumes keeps none.
    """
    kept = [(vm, span) for vm, span in zip(members, spans, strict=True) if not vm.spec.writes_volumes]
    changes: list[tuple[float, int]] = [(span.copies, vm.sizes.used) for vm, span in kept]
    changes += [(span.ends, -vm.sizes.used) for vm, span in kept]
    most = held = 0
    for _, change in sorted(changes):
        held += change
        most = max(most, held)
    return Bytes(most)


def _totals(vms: Sequence[PlannedVM], waves: Sequence[Wave]) -> Totals:
    count = {verdict: sum(vm.verdict is verdict for vm in vms) for verdict in Verdict}
    return Totals(
        vms=len(vms),
        ready=count[Verdict.READY],
        warnings=count[Verdict.WARNINGS],
        blocked=count[Verdict.BLOCKED],
        sizes=_sum([vm.sizes for vm in vms if vm.schedule]),
        scratch=max((wave.scratch for wave in waves), default=Bytes(0)),
        duration=(waves[-1].ends - waves[0].begins) if waves else 0.0,
        downtime=sum(vm.schedule.downtime for vm in vms if vm.schedule),
    )
