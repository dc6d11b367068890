"""The simulated queue as a picture: a Gantt chart in SVG.

A bar's three parts differ in shape as well as in colour: hollow while it prepares, full while it copies, thin while it
finishes. There are no patterns: browsers print each as an image. With many VMs a bar is a wave, with many waves several
of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from thresher.plan.catalogue import Language
from thresher.plan.phrases import phrase
from thresher.plan.report.tags import Markup, joined, tag
from thresher.plan.values import Plan, PlannedVM, Schedule, Wave
from thresher.plan.words import duration

BARS = 60
"""More bars than that tell nobody anything."""
_WIDTH, _LEFT, _TOP, _ROW, _BAR = 960, 210, 24, 18, 12
_LABEL = 30
_TICKS = 8
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_DAY = 86400


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of the chart.

    Attributes:
        label: in front of it.
        told: what a pointer is told.
        parts: shape, beginning and end, in seconds from the start of the plan.
    """

    label: str
    told: str
    parts: tuple[tuple[str, float, float], ...]


def bars_of(plan: Plan, language: Language) -> tuple[Bar, ...]:
    """The chart's lines, at most :data:`BARS`."""
    timed = [(vm.schedule, vm) for vm in plan.vms if vm.schedule]
    if len(timed) <= BARS:
        return tuple(_vm(vm, when, language) for when, vm in sorted(timed, key=lambda one: one[0].begins))
    size = -(-len(plan.waves) // BARS)
    return tuple(_waves(plan.waves[at : at + size], language) for at in range(0, len(plan.waves), size))


def _vm(vm: PlannedVM, when: Schedule, language: Language) -> Bar:
    parts = (("wait", when.begins, when.copies), ("copy", when.copies, when.copied), ("after", when.copied, when.ends))
    told = (
        f"{vm.vm.name}: {phrase('wave', language)} {when.wave}, +{duration(when.begins, language)} - "
        f"+{duration(when.ends, language)}, {phrase('downtime', language)} {duration(when.downtime, language)}"
    )
    return Bar(vm.vm.name, told, parts)


def _waves(waves: Sequence[Wave], language: Language) -> Bar:
    first, last = waves[0], waves[-1]
    numbers = str(first.number) if first is last else f"{first.number}-{last.number}"
    label = f"{phrase('wave', language)} {numbers}"
    count = sum(len(wave.keys) for wave in waves)
    told = f"{label}: {phrase('vms', language)} {count}, +{duration(first.begins, language)} - "
    parts = tuple(("copy", wave.begins, wave.ends) for wave in waves)
    return Bar(label, f"{told}+{duration(last.ends, language)}", parts)


def chart(plan: Plan, pauses: Sequence[tuple[float, float]], language: Language) -> Markup:
    """The picture, with a title and a description for those who do not see it.

    Args:
        plan: with at least one wave.
        pauses: blackouts, in seconds from the start of the plan.
        language: of its words.
    """
    bars = bars_of(plan, language)
    begins, ends = plan.waves[0].begins, plan.waves[-1].ends
    scale = (_WIDTH - _LEFT - 10) / max(ends - begins, 1.0)

    def at(seconds: float) -> float:
        return round(_LEFT + (min(max(seconds, begins), ends) - begins) * scale, 1)

    height = _TOP + _ROW * len(bars) + 4
    inside = (
        tag("title", phrase("gantt", language), id="gantt-name"),
        tag("desc", _described(plan, len(bars), language), id="gantt-about"),
        *(_rect("pause", at(a), at(b), _TOP, height - _TOP - 4) for a, b in pauses if b > begins and a < ends),
        joined(_axis(plan.starts_at, begins, ends, at, height, language)),
        *(_bar(bar, _TOP + _ROW * row, at) for row, bar in enumerate(bars)),
    )
    return tag(
        "svg", *inside, viewBox=f"0 0 {_WIDTH} {height}", role="img", aria_labelledby="gantt-name",
        aria_describedby="gantt-about",
    )  # fmt: skip


def _described(plan: Plan, bars: int, language: Language) -> str:
    timed = sum(vm.schedule is not None for vm in plan.vms)
    told = phrase("gantt-about", language)
    return told.format(vms=timed, waves=len(plan.waves), bars=bars, duration=duration(plan.totals.duration, language))


def _rect(name: str, left: float, right: float, top: float, height: float) -> Markup:
    if name == "after":
        top, height = top + height / 3, height / 3
    return tag("rect", class_=name, x=left, y=top, width=round(max(right - left, 0.5), 1), height=height)


def _bar(bar: Bar, top: int, at: Callable[[float], float]) -> Markup:
    label = bar.label if len(bar.label) <= _LABEL else f"{bar.label[: _LABEL - 1]}…"
    text = tag("text", label, x=_LEFT - 8, y=top + 11, text_anchor="end")
    shapes = [_rect(name, at(begins), at(ends), top + 1, _BAR) for name, begins, ends in bar.parts if ends > begins]
    return tag("g", tag("title", bar.told), text, *shapes)


def _axis(
    start: datetime | None, begins: float, ends: float, at: Callable[[float], float], height: int, language: Language
) -> Iterator[Markup]:
    step = next((step for step in _STEPS if (ends - begins) / step <= _TICKS), None)
    if step is None:
        step = -(-int(ends - begins) // (_TICKS * _DAY)) * _DAY
    tick = -(-int(begins) // step) * step
    while tick <= ends:
        x = at(tick)
        yield tag("line", class_="grid", x1=x, x2=x, y1=_TOP - 4, y2=height - 4)
        when = f"{start + timedelta(seconds=tick):%m-%d %H:%M}" if start else f"+{duration(tick, language)}"
        yield tag("text", when, x=x, y=14, text_anchor="middle")
        tick += step


def legend(language: Language, *, by_vm: bool, pauses: bool) -> Markup:
    """What the shapes mean, in words beside a sample of each."""
    keys = (["wait", "copy", "after"] if by_vm else ["copy"]) + (["pause"] if pauses else [])
    items = []
    for number, key in enumerate(keys):
        x = 4 + number * 230
        word = "gantt-wave" if key == "copy" and not by_vm else f"gantt-{key}"
        items += [_rect(key, x, x + 24, 4, _BAR), tag("text", phrase(word, language), x=x + 30, y=14)]
    return tag("svg", *items, viewBox=f"0 0 {_WIDTH} 22", role="img", aria_label=phrase("gantt-legend", language))
