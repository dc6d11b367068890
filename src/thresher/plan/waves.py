"""Which VMs are imported together, and in which order: small and simple ones first, what belongs together at once."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from thresher.model.bandwidth import Limit
from thresher.model.errors import UsageError
from thresher.model.vm import SourceVM
from thresher.plan.values import PlannedVM, Verdict

_WEEK = timedelta(days=8)
"""Blackouts repeat every day; with a day more, one on which clocks are set is in it or not in it."""
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


def next_start(earliest: datetime, seconds: float, limit: Limit) -> datetime:
    """The first time from ``earliest`` on at which so many seconds of work touch no blackout.

    What is longer than every time between two blackouts begins at the first moment that is none, and pauses.

    Raises:
        UsageError: there is no such moment.
    """
    at, first = earliest, None
    while at - earliest < _WEEK:
        found = limit.at(at)
        if found.window is None:
            first = first or at
            if found.until is None or at + timedelta(seconds=seconds) <= found.until:
                return at
        if found.until is None:
            raise UsageError("the blackouts of the source and of --blackout leave no time to transfer: shorten one")
        at = found.until
    return first or at
