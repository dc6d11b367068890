"""Every rule there is: who finds it, and how severe it may be. ``docs/rules.md`` is made of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from thresher.plan.catalogue import CATALOGUE, Language, text
from thresher.plan.rules import advice, fleet, machine
from thresher.plan.values import Level


class Finder(StrEnum):
    """Who finds it."""

    SOURCE = "the source, or the package that it reads"
    TRANSLATION = "the translation to the new VM"
    MACHINE = "a plan and the preflight, of one VM"
    FLEET = "a plan, of all its VMs together"
    CLUSTER = "the preflight, which sees the cluster"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: its name, in findings, statuses and events.
        finder: who finds it.
        levels: how severe its findings may be.
    """

    id: str
    finder: Finder
    levels: frozenset[Level]


_TRANSLATION = frozenset({
    "CpuTopologyChanged", "DiskBusChanged", "DiskBusUnknown", "DiskSizeUnknown", "EfiVariablesReset", "MacDuplicate",
    "MacUnknown", "MappingUnused", "NetworkUnmapped", "NicDisconnected", "NicModelReplaced", "NoDisks",
    "SecureBootWithoutEfi", "Suspended", "TargetNameInvalid", "TpmStateReset", "UuidUnknown", "WindowsClock",
    "WindowsDrivers",
})  # fmt: skip
_CLUSTER = frozenset({
    "NameTaken", "NetworkMissing", "PortUnreachable", "QuotaExceeded", "ScratchUnobtainable", "StorageClassMissing",
})  # fmt: skip
_FLEET = frozenset({*fleet.RULES, "StorageShort", "MemoryShort"})
_BLOCKERS = (_CLUSTER - {"PortUnreachable"}) | {
    "ConfigurationUnreadable", "DeltaDisk", "EncryptedVolume", "FlavorUnreadable", "ImageUnreadable", "PortUnreadable",
    "ServerBusy", "ServerLocked", "ServerState", "VolumeUnreadable", "DiskSizeUnknown", "DiskWithoutBacking", "Nvdimm",
    "SharedDisk", "TargetNameInvalid",
}  # fmt: skip
_EITHER = frozenset({
    "EncryptedVm", "MemoryShort", "NetworkUnmapped", "RawDeviceMapping",
    "StorageShort", "Suspended", "UnknownHardware", "VolumeStatus",
})  # fmt: skip


def _finder(rule: str) -> Finder:
    by_finder = {
        Finder.FLEET: _FLEET,
        Finder.MACHINE: {*machine.RULES, *advice.RULES},
        Finder.TRANSLATION: _TRANSLATION,
        Finder.CLUSTER: _CLUSTER,
    }
    return next((finder for finder, those in by_finder.items() if rule in those), Finder.SOURCE)


def _levels(rule: str) -> frozenset[Level]:
    if rule in _EITHER:
        return frozenset({Level.BLOCKER, Level.WARNING})
    if rule in advice.RULES:
        return frozenset({Level.NOTE})
    return frozenset({Level.BLOCKER if rule in _BLOCKERS else Level.WARNING})


RULES = {rule: Rule(rule, _finder(rule), _levels(rule)) for rule in CATALOGUE[Language.ENGLISH]}
"""By id, in the order of the catalogue."""


def document() -> str:
    """The text of docs/rules.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Rules"
    yield ""
    yield "What `thresher plan` and the preflight of an import find. A blocker stops the import, a warning is told, a"
    yield "note stands in plans only. Made from the code by `make rules`."
    for finder in Finder:
        yield ""
        yield f"## Found by {finder.value}"
        yield ""
        yield "| rule | severity | what it means | what to do |"
        yield "|---|---|---|---|"
        for rule in RULES.values():
            if rule.finder is finder:
                told = text(rule.id)
                levels = " or ".join(level.value for level in Level if level in rule.levels)
                yield f"| `{rule.id}` | {levels} | {told.means} | {told.do} |"
