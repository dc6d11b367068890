"""Rules over all VMs of a plan: what each for itself cannot know."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from thresher.model.matching import match_network
from thresher.model.naming import is_label
from thresher.model.spec import ImportSpec
from thresher.model.units import Bytes, MiB, bytes_of_mib, gib_of_bytes, human
from thresher.model.vm import Loss, Severity, SourceVM

UNDECIDED = "undecided"
"""The destination of a network that nobody chose one for yet: no NetworkAttachmentDefinition has a plain name in a
mapping of ours, which always says ``namespace/name``."""
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Member:
    """One VM of a plan.

    Attributes:
        spec: its import, as it would be written.
        vm: as its source states it.
        target: what the new VM would be called if nobody else were called so.
    """

    spec: ImportSpec
    vm: SourceVM
    target: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the destination has free; None where nobody said.

    Attributes:
        storage: bytes, as its volumes count them (replicas apart).
        memory: for VMs.
    """

    storage: Bytes | None = None
    memory: MiB | None = None


def volumes(vm: SourceVM) -> Bytes:
    """What the new VM's volumes ask for: whole GiB each."""
    return Bytes(sum(gib_of_bytes(disk.capacity or Bytes(0)) for disk in vm.disks) << 30)


def _shared(
    members: Sequence[Member], keys: Callable[[Member], Iterable[Hashable]]
) -> Iterator[tuple[Member, str, str]]:
    """Each member with a key that others have as well, that key, and the others' names."""
    having: dict[Hashable, list[Member]] = defaultdict(list)
    for member in members:
        for key in dict.fromkeys(keys(member)):
            having[key].append(member)
    for key, those in having.items():
        if len(those) > 1:
            rest = len(those) - 1 - _LISTED
            more = f" and {rest} more" if rest > 0 else ""
            for member in those:
                others = [other.vm.name for other in those[: _LISTED + 1] if other is not member][:_LISTED]
                yield member, str(key), ", ".join(others) + more


def macs(members: Sequence[Member]) -> Iterator[tuple[Member, Loss]]:
    """Two VMs with one MAC address disturb each other where they share a network."""
    for member, mac, others in _shared(members, lambda member: (nic.mac for nic in member.vm.nics if nic.mac)):
        message = f"{others} has this MAC address, too: give one of them another before both run on one network."
        yield member, Loss("MacShared", f"MAC {mac}", message)


def uuids(members: Sequence[Member]) -> Iterator[tuple[Member, Loss]]:
    """Two VMs with one SMBIOS UUID: licences and agents take them for the same machine."""
    for member, uuid, others in _shared(members, lambda member: filter(None, (member.vm.smbios_uuid,))):
        message = f"{others} has this UUID, too: give one of them another if software in the guests depends on it."
        yield member, Loss("UuidShared", f"UUID {uuid}", message)


def names(members: Sequence[Member]) -> Iterator[tuple[Member, Loss]]:
    """Two VMs would get one name in the namespace."""
    for member, name, others in _shared(members, lambda member: (member.target,)):
        message = (
            f"{others} would be called {name}, too: the manifests give each a targetName of its own; change it there."
        )
        yield member, Loss("NameShared", "VM", message)


def names_changed(members: Sequence[Member]) -> Iterator[tuple[Member, Loss]]:
    """Kubernetes cannot hold a name (RFC 1123)."""
    for member in members:
        if not is_label(member.vm.name):
            message = (
                f"Kubernetes cannot hold the name {member.vm.name!r}, so the manifests call the new VM "
                f"{member.target}; change targetName there."
            )
            yield member, Loss("NameChanged", "VM", message)


def networks(members: Sequence[Member]) -> Iterator[tuple[Member, Loss]]:
    """Nobody chose a destination for a network yet."""
    for member in members:
        for nic in member.vm.nics:
            row = match_network(member.spec.networks, nic.network)
            if row is not None and row.destination == UNDECIDED:
                message = f"No destination is chosen for {row.source!r}: choose one in networks.yaml, and plan again."
                yield member, Loss("NetworkUndecided", f"NIC {nic.key}", message)


def too_large(members: Sequence[Member], free: Capacity) -> Iterator[tuple[Member, Loss]]:
    """One VM alone is larger than what is free."""
    for member in members:
        needed = volumes(member.vm)
        if free.storage is not None and needed > free.storage:
            message = f"Its volumes ask for {human(needed)}, but {human(free.storage)} are free: make room first."
            yield member, Loss("StorageShort", "disks", message, Severity.BLOCKER)
        if free.memory is not None and member.vm.memory > free.memory:
            asked, there = human(bytes_of_mib(member.vm.memory)), human(bytes_of_mib(free.memory))
            message = f"It asks for {asked} of memory, but {there} are free: make room first."
            yield member, Loss("MemoryShort", "memory", message, Severity.BLOCKER)


def capacity(vms: Sequence[SourceVM], free: Capacity) -> Iterator[Loss]:
    """All VMs that are to be imported together are larger than what is free."""
    needed = Bytes(sum(volumes(vm) for vm in vms))
    if free.storage is not None and needed > free.storage:
        message = f"All volumes together ask for {human(needed)}, but {human(free.storage)} are free: add storage."
        yield Loss("StorageShort", "destination", message)
    memory = MiB(sum(vm.memory for vm in vms))
    if free.memory is not None and memory > free.memory:
        asked, there = human(bytes_of_mib(memory)), human(bytes_of_mib(free.memory))
        yield Loss("MemoryShort", "destination", f"All VMs together ask for {asked} of memory, but {there} are free.")


RULES = {
    "MacShared": macs,
    "UuidShared": uuids,
    "NameShared": names,
    "NameChanged": names_changed,
    "NetworkUndecided": networks,
}
"""By the rule that each finds; :func:`too_large` and :func:`capacity` find StorageShort and MemoryShort."""


def fleet_findings(members: Sequence[Member], free: Capacity) -> Iterator[tuple[Member, Loss]]:
    """What the rules of this module find, each with the VM that it is about."""
    for check in RULES.values():
        yield from check(members)
    yield from too_large(members, free)
