"""A plan as a value: everything that a renderer shows, worked out. Sizes are bytes, durations seconds."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from thresher.model.bandwidth import Window
from thresher.model.spec import ImportSpec
from thresher.model.units import Bytes
from thresher.model.vm import Network, SourceVM
from thresher.plan.rules.fleet import Capacity
from thresher.plan.simulate import Limits


class Verdict(StrEnum):
    """Whether a VM will make it."""

    READY = "ready"
    WARNINGS = "warnings"
    BLOCKED = "blocked"


class Level(StrEnum):
    """How much a finding matters: a blocker stops the import, a warning is told, a note is good to know."""

    BLOCKER = "blocker"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says of one VM, or of the whole plan.

    Attributes:
        rule: its id, such as ``SharedDisk``; :func:`thresher.plan.catalogue.text` says what it means and what to do,
            in each language.
        level: how much it matters.
        subject: what it is about, such as ``disk 2000``.
        message: what it means here, with the facts, in English.
    """

    rule: str
    level: Level
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large VMs are.

    Attributes:
        provisioned: what the guests see.
        used: what is written of it; all that is provisioned where the source does not say.
        transfer: what crosses the wire.
        estimated: whether ``used`` is such a guess, of one VM at least.
    """

    provisioned: Bytes
    used: Bytes
    transfer: Bytes
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an import runs, in seconds from the start of the plan (of its first wave).

    Attributes:
        wave: the number of its wave, from 1.
        begins: its turn comes.
        copies: its first disk begins.
        copied: its last disk has ended.
        ends: the new VM is there.
        downtime: for how long nobody is served; 0 for a VM that is off.
    """

    wave: int
    begins: float
    copies: float
    copied: float
    ends: float
    downtime: float


@dataclass(frozen=True, slots=True)
class PlannedVM:
    """One VM of the plan.

    Attributes:
        vm: as its source states it.
        spec: its import as the manifests have it; ``spec.name`` is unique in the plan.
        target: what the new VM will be called.
        verdict: whether it will make it.
        findings: blockers first, then warnings, then notes.
        sizes: of its disks.
        group: what keeps it together with others: its folder (a vApp is one) and the beginning of its name.
        schedule: when; None for a VM that is blocked.
    """

    vm: SourceVM
    spec: ImportSpec
    target: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    sizes: Sizes
    group: str
    schedule: Schedule | None = None

    @property
    def key(self) -> str:
        """What tells it from the other VMs of the plan."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class PlannedNetwork:
    """A network of the source that VMs of the plan use.

    Attributes:
        network: by all its names, with its VLAN where that is known.
        source: what a mapping's ``sourceNetwork`` calls it.
        vms: how many use it.
        nics: how many network cards are on it.
        subnets: those that its cards have addresses in, as far as the source knows them.
        destination: ``namespace/name`` of a NetworkAttachmentDefinition, "" for the management network, None where
            nobody chose one.
        chosen: whether the user chose it; else it is suggested by its VLAN.
        candidates: every NetworkAttachmentDefinition of the same VLAN.
    """

    network: Network
    source: str
    vms: int
    nics: int
    subnets: tuple[str, ...]
    destination: str | None
    chosen: bool
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wave:
    """VMs that are imported together.

    Attributes:
        number: from 1.
        keys: of its VMs, in the order of the queue.
        sizes: of all its disks.
        begins: seconds from the start of the plan.
        ends: likewise.
        starts_at: when, where the plan has a start.
        ends_at: likewise.
        scratch: the most that workers need at any one time.
    """

    number: int
    keys: tuple[str, ...]
    sizes: Sizes
    begins: float
    ends: float
    starts_at: datetime | None
    ends_at: datetime | None
    scratch: Bytes


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What durations follow from.

    Attributes:
        limits: bandwidth, imports and disks at once.
        measured: whether the bandwidth was measured from the source; else it was given, or is the default.
        compression: bytes on the wire for each byte that is used.
        shutdown_s: how long a guest takes to shut down.
        prepare_s: how long an export takes to open.
        store_bandwidth: bytes a second at which the cluster stores the image of one import; None for at once.
        boot_s: how long the new VM takes to be there.
    """

    limits: Limits
    measured: bool = False
    compression: float = 1.0
    shutdown_s: float = 60.0
    prepare_s: float = 15.0
    store_bandwidth: float | None = None
    boot_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Totals:
    """The plan in figures.

    Attributes:
        vms: all of them.
        ready: without blockers and warnings.
        warnings: with warnings only.
        blocked: that will not make it.
        sizes: of those that are imported.
        scratch: the most that workers need at any one time.
        duration: from the first import's beginning to the last one's end, pauses included.
        downtime: of all VMs together.
    """

    vms: int
    ready: int
    warnings: int
    blocked: int
    sizes: Sizes
    scratch: Bytes
    duration: float
    downtime: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan.

    Attributes:
        source: what it was made of: kind and name of the source, such as ``VmwareSource default/vcenter``.
        made_at: when the inventory was read.
        starts_at: when the first wave is to begin; None where durations alone are asked for.
        vms: in the order of the inventory.
        networks: the ones most used first.
        waves: in their order; VMs that are blocked are in none.
        findings: on the plan as a whole.
        totals: in figures.
        assumptions: what the durations follow from.
        blackouts: times of the day in which nothing is transferred.
        free: what the destination has free.
    """

    source: str
    made_at: datetime
    starts_at: datetime | None
    vms: tuple[PlannedVM, ...]
    networks: tuple[PlannedNetwork, ...]
    waves: tuple[Wave, ...]
    findings: tuple[Finding, ...]
    totals: Totals
    assumptions: Assumptions
    blackouts: tuple[Window, ...] = ()
    free: Capacity = field(default_factory=Capacity)
