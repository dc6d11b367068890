"""Every VM of the plan with its findings: folded up where there are many, and found by a search."""

from collections.abc import Iterator, Sequence

from thresher.model.units import human
from thresher.plan import catalogue
from thresher.plan.catalogue import Language
from thresher.plan.phrases import phrase
from thresher.plan.report.sections import VERDICTS, in_english, word
from thresher.plan.report.tags import Markup, joined, name, section, table, tag
from thresher.plan.values import Finding, Level, Plan, PlannedVM
from thresher.plan.words import duration

FEW = 50
"""So many VMs are shown unfolded."""
PRINTED = 500
"""A plan of so many VMs is printed whole; of a larger one, what the reader opened."""
_GROUP = 250


def machines(plan: Plan, language: Language) -> Markup:
    """All VMs by verdict."""
    box = tag(
        "div",
        tag("label", phrase("search", language), for_="search"),
        tag("input", id="search", type="search", autocomplete="off"),
        tag("p", id="hits", role="status", data_hits=phrase("hits", language)),
        class_="search",
    )
    parts: list[Markup] = [box]
    if len(plan.vms) > PRINTED:
        parts.append(tag("p", phrase("print-some", language), class_="hint"))
    for verdict in VERDICTS:
        those = [vm for vm in plan.vms if vm.verdict is verdict]
        if those:
            parts.append(tag("h3", word(verdict.value, language), f" ({len(those)})"))
            parts += _groups(those, language, len(plan.vms))
    return section("machines", phrase("machines", language), *parts)


def _groups(vms: Sequence[PlannedVM], language: Language, of: int) -> Iterator[Markup]:
    open_ = "" if of <= FEW else None
    heads = [phrase(head, language) for head in ("vm", "findings-of", "folder", "power", "wave", "used", "downtime")]
    for at in range(0, len(vms), _GROUP):
        those = vms[at : at + _GROUP]
        label = f"{at + 1}-{at + len(those)}: {those[0].vm.name} … {those[-1].vm.name}"
        rows = (_row(vm, language, whole=of <= PRINTED) for vm in those)
        yield tag("details", tag("summary", name(label)), table(label, heads, rows), open=open_, class_="group")


def _row(vm: PlannedVM, language: Language, *, whole: bool) -> tuple[object, ...]:
    when = vm.schedule
    renamed = joined((tag("br"), "→ ", name(vm.target))) if vm.target != vm.vm.name else ""
    return (
        joined((name(vm.vm.name), renamed)),
        _findings(vm, language, whole=whole),
        name(vm.vm.folder) if vm.vm.folder else "",
        phrase(f"power-{vm.vm.power.value}", language),
        when.wave if when else "-",
        f"{human(vm.sizes.used)} / {human(vm.sizes.provisioned)}",
        duration(when.downtime, language) if when else "-",
    )


def _findings(vm: PlannedVM, language: Language, *, whole: bool) -> Markup:
    """Blockers and warnings in full; notes by their rule, which says all of it.

    A message says what it means here and what to do, in English. In other languages the rule's own text goes before it
    in a plan that is printed whole; in larger ones that would be half of the page, and the rule's link leads there.
    """
    told = [one for one in vm.findings if one.level is not Level.NOTE]
    notes = dict.fromkeys(one.rule for one in vm.findings if one.level is Level.NOTE)
    items = [tag("li", *_told(one, language, whole=whole)) for one in told]
    if notes:
        links = joined((_link(rule) for rule in notes), ", ")
        items.append(tag("li", word("note", language), ": ", links))
    return tag("ul", *items) if items else Markup("-")


def _told(one: Finding, language: Language, *, whole: bool) -> Iterator[object]:
    yield word(one.level.value, language)
    yield " "
    yield _link(one.rule)
    yield f" ({one.subject}): "
    if whole and language is not Language.ENGLISH:
        text = catalogue.text(one.rule, language)
        yield f"{text.means} {text.do} "
    yield in_english(one.message, language)


def _link(rule: str) -> Markup:
    return tag("a", rule, href=f"#{rule}")
