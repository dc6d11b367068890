"""A plan for people, as Markdown."""

import html
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from thresher.model.units import human
from thresher.plan import catalogue
from thresher.plan.catalogue import Language
from thresher.plan.phrases import phrase
from thresher.plan.values import Finding, Level, Plan, PlannedVM, Verdict
from thresher.plan.words import duration


def as_markdown(plan: Plan, language: Language) -> str:
    """The plan as Markdown."""
    parts = [_summary(plan, language), _findings(plan, language), _waves(plan, language), _networks(plan, language)]
    return "\n".join(line for part in (*parts, _vms(plan, language)) for line in part) + "\n"


def _cell(text: object) -> str:
    """Text that cannot break out of a cell or become markup: names are the source's users' own."""
    plain = html.escape(" ".join(str(text).split()), quote=False)
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]#|!~" else letter for letter in plain)


def _table(head: Iterable[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    heads = list(head)
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"
    yield ""


def _summary(plan: Plan, language: Language) -> Iterator[str]:
    totals, by = plan.totals, plan.assumptions
    yield f"# {phrase('title', language)}: {_cell(plan.source)}"
    yield ""
    guess = f" ({phrase('estimated', language)})" if totals.sizes.estimated else ""
    rate = phrase("measured" if by.measured else "assumed", language)
    rows = (
        ("vms", totals.vms),
        ("ready", totals.ready),
        ("warnings", totals.warnings),
        ("blocked", totals.blocked),
        ("provisioned", human(totals.sizes.provisioned)),
        ("used", human(totals.sizes.used) + guess),
        ("transfer", human(totals.sizes.transfer)),
        ("scratch", human(totals.scratch)),
        ("duration", duration(totals.duration, language)),
        ("downtime", duration(totals.downtime, language)),
        ("bandwidth", f"{human(round(by.limits.bandwidth))}/s ({rate})"),
        ("limits", f"{by.limits.imports} / {by.limits.disks_per_source} / {by.limits.disks_per_host}"),
        ("made", f"{plan.made_at:%Y-%m-%d %H:%M %Z}"),
    )
    yield from _table(("", ""), [(phrase(key, language), value) for key, value in rows])
    for finding in plan.findings:
        yield f"- **{_cell(finding.rule)}**: {_cell(finding.message)}"
        yield ""


def _findings(plan: Plan, language: Language) -> Iterator[str]:
    """Each rule once, with how many VMs it is about: what to do first."""
    about: dict[tuple[Level, str], set[str]] = defaultdict(set)
    for vm in plan.vms:
        for finding in vm.findings:
            about[finding.level, finding.rule].add(vm.key)
    if not about:
        return
    yield f"## {phrase('findings', language)}"
    yield ""
    order = list(Level)
    ranked = sorted(about.items(), key=lambda item: (order.index(item[0][0]), -len(item[1]), item[0][1]))
    rows = []
    for (level, rule), keys in ranked:
        told = catalogue.text(rule, language)
        rows.append((phrase(level.value, language), rule, len(keys), told.means, told.do))
    heads = ("severity", "rule", "vms", "means", "do")
    yield from _table((phrase(head, language) for head in heads), rows)


def _waves(plan: Plan, language: Language) -> Iterator[str]:
    if not plan.waves:
        return
    yield f"## {phrase('waves', language)}"
    yield ""
    rows = [
        (
            wave.number,
            f"{wave.starts_at:%Y-%m-%d %H:%M}" if wave.starts_at else f"+{duration(wave.begins, language)}",
            duration(wave.ends - wave.begins, language),
            len(wave.keys),
            human(wave.sizes.transfer),
            human(wave.scratch),
        )
        for wave in plan.waves
    ]
    heads = ("wave", "starts", "duration", "vms", "transfer", "scratch")
    yield from _table((phrase(head, language) for head in heads), rows)


def _networks(plan: Plan, language: Language) -> Iterator[str]:
    if not plan.networks:
        return
    yield f"## {phrase('networks', language)}"
    yield ""
    rows = []
    for one in plan.networks:
        to = phrase("undecided", language) if one.destination is None else one.destination
        rows.append((
            one.source,
            "-" if one.network.vlan is None else one.network.vlan,
            ", ".join(one.subnets) or "-",
            one.vms,
            one.nics,
            to or phrase("management", language),
            phrase("chosen" if one.chosen else "suggested", language) if one.destination is not None else "",
        ))  # fmt: skip
    heads = ("network", "vlan", "subnets", "vms", "nics", "destination", "how")
    yield from _table((phrase(head, language) for head in heads), rows)


def _vms(plan: Plan, language: Language) -> Iterator[str]:
    yield f"## {phrase('machines', language)}"
    yield ""
    heads = ("vm", "folder", "verdict", "wave", "used", "downtime")
    yield from _table((phrase(head, language) for head in heads), [_row(vm, language) for vm in plan.vms])
    for vm in plan.vms:
        told = [finding for finding in vm.findings if finding.level is not Level.NOTE]
        if told:
            yield f"### {_cell(vm.vm.name)}: {phrase(_verdict(vm), language)}"
            yield ""
            for finding in told:
                yield _told(finding, language)
            yield ""


def _verdict(vm: PlannedVM) -> str:
    return f"is-{vm.verdict.value}" if vm.verdict is not Verdict.READY else "is-ready"


def _row(vm: PlannedVM, language: Language) -> tuple[object, ...]:
    when = vm.schedule
    return (
        vm.vm.name,
        vm.vm.folder,
        phrase(_verdict(vm), language),
        when.wave if when else "-",
        human(vm.sizes.used),
        duration(when.downtime, language) if when else "-",
    )


def _told(finding: Finding, language: Language) -> str:
    head = f"- {phrase(finding.level.value, language)} **{_cell(finding.rule)}** ({_cell(finding.subject)}): "
    if language is Language.ENGLISH:
        return head + _cell(finding.message)
    text = catalogue.text(finding.rule, language)
    return f"{head}{_cell(text.means)} {_cell(text.do)} ({_cell(finding.message)})"
