"""The parts of the report, in the order in which they are read."""

from collections import defaultdict
from collections.abc import Iterator

from thresher.model.units import human
from thresher.plan import catalogue
from thresher.plan.catalogue import Language
from thresher.plan.phrases import phrase
from thresher.plan.report.gantt import BARS, chart, legend
from thresher.plan.report.tags import Markup, figure, name, plain, section, table, tag
from thresher.plan.values import Level, Plan, PlannedNetwork, Verdict, Wave
from thresher.plan.words import duration

_CLASSES = {"warning": "warnings", "blocker": "blocked"}


def word(key: str, language: Language) -> Markup:
    """A verdict or a severity in a word, to which the style adds a sign and a colour."""
    said = phrase(f"is-{key}" if key in tuple(Verdict) else key, language)
    return tag("span", said, class_=_CLASSES.get(key, key))


def in_english(text: str, language: Language) -> Markup:
    """A message, which is in English; a screen reader is told so on a page that is not."""
    return plain(text) if language is Language.ENGLISH else tag("span", text, lang="en")


def summary(plan: Plan, language: Language) -> Markup:
    """How many VMs will make it, and what is wrong with the plan as a whole."""
    totals = plan.totals
    counts = (("ready", totals.ready), ("warnings", totals.warnings), ("blocked", totals.blocked))
    cards = [tag("li", tag("b", count), word(key, language), class_=key) for key, count in counts]
    cards += [
        tag("li", tag("b", totals.vms), phrase("vms", language)),
        tag("li", tag("b", duration(totals.duration, language)), phrase("duration", language)),
    ]
    parts = [tag("ul", *cards, class_="cards")]
    if plan.findings:
        parts.append(tag("h3", phrase("whole", language)))
        told = (
            tag("li", word(one.level.value, language), f": {one.rule}: ", in_english(one.message, language))
            for one in plan.findings
        )
        parts.append(tag("ul", *told))
    return section("summary", phrase("summary", language), *parts)


def findings(plan: Plan, language: Language) -> Markup:
    """Each rule once, with what it means and what to do: what to do first."""
    about: dict[tuple[Level, str], set[str]] = defaultdict(set)
    for vm in plan.vms:
        for finding in vm.findings:
            about[finding.level, finding.rule].add(vm.key)
    order = list(Level)
    ranked = sorted(about.items(), key=lambda item: (order.index(item[0][0]), -len(item[1]), item[0][1]))
    rows: list[tuple[object, ...]] = []
    for (level, rule), keys in ranked:
        told = catalogue.text(rule, language)
        rows.append(
            (
                rule if any(row[0] == rule for row in rows) else tag("span", rule, id=rule),
                word(level.value, language),
                figure(len(keys)),
                told.means,
                told.do,
            )
        )
    heads = [phrase(head, language) for head in ("rule", "severity", "vms", "means", "do")]
    title = phrase("findings", language)
    return section("findings", title, table(title, heads, rows) if rows else tag("p", phrase("none", language)))


def effort(plan: Plan, language: Language) -> Markup:
    """Storage, time and downtime, and what they are reckoned by."""
    heads = [phrase("figure", language), phrase("value", language)]
    title = phrase("effort", language)
    taken = [(phrase(key, language), figure(value)) for key, value in _taken(plan, language)]
    by = [(phrase(key, language), figure(value)) for key, value in _assumed(plan, language)]
    return section("effort", title, table(title, heads, taken), table(phrase("by", language), heads, by))


def _taken(plan: Plan, language: Language) -> Iterator[tuple[str, str]]:
    totals = plan.totals
    guess = f" ({phrase('estimated', language)})" if totals.sizes.estimated else ""
    yield "provisioned", human(totals.sizes.provisioned)
    yield "used", human(totals.sizes.used) + guess
    yield "transfer", human(totals.sizes.transfer)
    yield "scratch", human(totals.scratch)
    yield "duration", duration(totals.duration, language)
    yield "downtime", duration(totals.downtime, language)


def _assumed(plan: Plan, language: Language) -> Iterator[tuple[str, str]]:
    by = plan.assumptions
    how = phrase("measured" if by.measured else "assumed", language)
    yield "bandwidth", f"{human(round(by.limits.bandwidth))}/s ({how})"
    if by.limits.disk_bandwidth is not None:
        yield "disk-bandwidth", f"{human(round(by.limits.disk_bandwidth))}/s"
    if by.store_bandwidth is not None:
        yield "store-bandwidth", f"{human(round(by.store_bandwidth))}/s"
    yield "limits", f"{by.limits.imports} / {by.limits.disks_per_source} / {by.limits.disks_per_host}"
    yield "compression", f"{by.compression:g}"
    yield "shutdown", duration(by.shutdown_s, language)
    yield "prepare", duration(by.prepare_s, language)
    yield "boot", duration(by.boot_s, language)
    if plan.blackouts:
        yield "blackouts", ", ".join(f"{window}" for window in plan.blackouts)


def networks(plan: Plan, language: Language) -> Markup:
    """The networks in use, each with where it may go."""
    heads = ("network", "vlan", "subnets", "vms", "nics", "destination", "how", "candidates")
    title = phrase("networks", language)
    without = sum(one.destination is None for one in plan.networks)
    parts = [tag("p", phrase("network-none", language).format(count=without), class_="warnings")] if without else []
    if plan.networks:
        rows = (_network(one, language) for one in plan.networks)
        parts.append(table(title, [phrase(head, language) for head in heads], rows))
    return section("networks", title, *(parts or [tag("p", phrase("none", language))]))


def _network(one: PlannedNetwork, language: Language) -> tuple[object, ...]:
    to = name(one.destination) if one.destination else phrase("management", language)
    how = phrase("chosen" if one.chosen else "suggested", language) if one.destination is not None else "-"
    return (
        name(one.source),
        figure("-" if one.network.vlan is None else one.network.vlan),
        ", ".join(one.subnets) or "-",
        figure(one.vms),
        figure(one.nics),
        tag("strong", phrase("undecided", language)) if one.destination is None else to,
        how,
        ", ".join(path for path in one.candidates if path != one.destination) or "-",
    )


def waves(plan: Plan, pauses: tuple[tuple[float, float], ...], language: Language) -> Markup:
    """The simulated queue as a picture, and the waves as a table."""
    title = phrase("waves", language)
    if not plan.waves:
        return section("waves", title, tag("p", phrase("none", language)))
    by_vm = sum(vm.schedule is not None for vm in plan.vms) <= BARS
    box = {"class_": "scroll", "tabindex": "0", "role": "group", "aria_label": phrase("gantt", language)}
    picture = tag("div", chart(plan, pauses, language), legend(language, by_vm=by_vm, pauses=bool(pauses)), **box)
    heads = [phrase(head, language) for head in ("wave", "starts", "ends", "duration", "vms", "transfer", "scratch")]
    listed = table(title, heads, (_wave(wave, language) for wave in plan.waves))
    if len(plan.waves) > BARS:
        listed = tag("details", tag("summary", f"{title}: {len(plan.waves)}"), listed, class_="group")
    return section("waves", title, picture, listed)


def _wave(wave: Wave, language: Language) -> tuple[object, ...]:
    if wave.starts_at and wave.ends_at:
        begins, ends = f"{wave.starts_at:%Y-%m-%d %H:%M}", f"{wave.ends_at:%Y-%m-%d %H:%M}"
    else:
        begins, ends = (f"+{duration(at, language)}" for at in (wave.begins, wave.ends))
    return (
        figure(wave.number),
        figure(begins),
        figure(ends),
        figure(duration(wave.ends - wave.begins, language)),
        figure(len(wave.keys)),
        figure(human(wave.sizes.transfer)),
        figure(human(wave.scratch)),
    )


VERDICTS = (Verdict.BLOCKED, Verdict.WARNINGS, Verdict.READY)
"""In the order in which a reader wants to see them."""
