"""Which VMs are imported together, and in which order: small and simple ones first, what belongs together at once."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from thresher.model.vm import SourceVM
from thresher.plan.values import PlannedVM, Verdict, Window

_WORD = re.compile(r"[A-Za-z]+[A-Za-z0-9]*?(?=[-_. ]|\d+$|$)")


@dataclass(frozen=True, slots=True)
class WaveRules:
    """How waves are cut.

    Attributes:
        pilots: VMs of the first wave: a few small and simple ones, to learn from.
        vms: at most so many VMs in a wave.
        longest_s: a wave is to take no longer, in seconds; None for no bound. One VM may still take longer.
    """

    pilots: int = 3
    vms: int = 20
    longest_s: float | None = None


def groups_of(vms: Sequence[SourceVM]) -> tuple[str, ...]:
    """For each VM what keeps it together with others.

    That is its folder (a vApp is one), and the first word of its name where others in the folder have the same:
    ``shop-web-1`` and ``shop-db`` are ``shop``.
    """
    words = [(vm.folder, _first_word(vm.name)) for vm in vms]
    count = Counter(words)
    return tuple(
        "/".join(part for part in (folder, word if count[folder, word] > 1 else "") if part) for folder, word in words
    )


def _first_word(name: str) -> str:
    found = _WORD.match(name)
    return found[0].lower() if found else ""


def _simplicity(planned: PlannedVM) -> tuple[bool, int, str]:
    return planned.verdict is not Verdict.READY, planned.sizes.transfer, planned.key


def cut(
    vms: Sequence[PlannedVM], rules: WaveRules, takes: Callable[[Sequence[PlannedVM]], float]
) -> tuple[tuple[PlannedVM, ...], ...]:
    """The waves, each in the order of its queue. VMs that are blocked are in none.

    Args:
        vms: all of them.
        rules: how large a wave may be.
        takes: how many seconds such a wave takes.
    """
    able = sorted((vm for vm in vms if vm.verdict is not Verdict.BLOCKED), key=_simplicity)
    if len(able) <= rules.pilots:
        return (tuple(able),) if able else ()
    waves = [able[: rules.pilots]] if rules.pilots else []
    current: list[PlannedVM] = []
    for group in _groups(able[rules.pilots :]):
        if current and not _fits([*current, *group], rules, takes):
            waves.append(current)
            current = []
        for vm in group:
            if current and not _fits([*current, vm], rules, takes):
                waves.append(current)
                current = []
            current.append(vm)
    if current:
        waves.append(current)
    return tuple(tuple(sorted(wave, key=_simplicity)) for wave in waves)


def _fits(wave: Sequence[PlannedVM], rules: WaveRules, takes: Callable[[Sequence[PlannedVM]], float]) -> bool:
    return len(wave) <= rules.vms and (rules.longest_s is None or takes(wave) <= rules.longest_s)


def _groups(vms: Sequence[PlannedVM]) -> list[list[PlannedVM]]:
    """VMs by their group, the groups that are simple and small first; a VM without a group is one of its own."""
    found: dict[str, list[PlannedVM]] = defaultdict(list)
    for vm in vms:
        found[f"group {vm.group}" if vm.group else f"VM {vm.key}"].append(vm)
    return sorted(
        found.values(),
        key=lambda group: (
            any(vm.verdict is not Verdict.READY for vm in group),
            sum(vm.sizes.transfer for vm in group),
            group[0].key,
        ),
    )


def next_start(earliest: datetime, seconds: float, blackouts: Sequence[Window]) -> datetime:
    """The first time from ``earliest`` on at which so many seconds touch no blackout."""
    at = earliest
    for window in sorted(blackouts, key=lambda window: window.begins):
        if at < window.ends and at + timedelta(seconds=seconds) > window.begins:
            at = window.ends
    return at
