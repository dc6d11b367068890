"""The whole page."""

import base64
import hashlib
from datetime import timedelta

from thresher.model.bandwidth import Limit
from thresher.plan.catalogue import Language
from thresher.plan.phrases import phrase
from thresher.plan.report.machines import PRINTED, machines
from thresher.plan.report.sections import effort, findings, networks, summary, waves
from thresher.plan.report.style import SCRIPT, STYLE
from thresher.plan.report.tags import Markup, joined, name, plain, tag
from thresher.plan.values import Plan

_PARTS = ("summary", "findings", "networks", "effort", "waves", "machines")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; base-uri 'none'; form-action 'none'"
)
"""The page's Content Security Policy: what is in it by its hash, and nothing from anywhere (W3C CSP Level 3)."""


def as_html(plan: Plan, language: Language) -> str:
    """The plan as one HTML page."""
    title = f"{phrase('title', language)}: {plan.source}"
    body = (
        tag("a", phrase("skip", language), href="#main", class_="skip"),
        tag("header", *_header(plan, language)),
        tag("nav", _contents(language), aria_label=phrase("contents", language)),
        tag(
            "main",
            summary(plan, language),
            findings(plan, language),
            networks(plan, language),
            effort(plan, language),
            waves(plan, _pauses(plan), language),
            machines(plan, language),
            id="main",
        ),
        tag("footer", tag("p", phrase("footer", language))),
        tag("script", Markup(SCRIPT)),
    )
    whole = tag("html", _head(title), tag("body", *body, data_print=_print(plan)), lang=language.value)
    return f"<!DOCTYPE html>\n{whole}\n"


def _head(title: str) -> Markup:
    metas = (
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{plain(POLICY)}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
    )
    return tag("head", *metas, tag("title", title), tag("style", Markup(STYLE)))


def _header(plan: Plan, language: Language) -> tuple[Markup, Markup]:
    made = f"{phrase('made', language)} {plan.made_at:%Y-%m-%d %H:%M %Z}"
    return tag("h1", f"{phrase('title', language)}: ", name(plan.source)), tag("p", made, class_="about")


def _contents(language: Language) -> Markup:
    links = (tag("a", phrase(part, language), href=f"#{part}") for part in _PARTS)
    return tag("ul", joined(tag("li", link) for link in links))


def _print(plan: Plan) -> str:
    return "all" if len(plan.vms) <= PRINTED else "open"


def _pauses(plan: Plan) -> tuple[tuple[float, float], ...]:
    """Blackouts while the plan lasts, in seconds from its start."""
    start, limit = plan.starts_at, Limit(blackout=plan.blackouts)
    if start is None or not plan.waves or not plan.blackouts:
        return ()
    found, at, end = [], plan.waves[0].begins, plan.waves[-1].ends
    while at < end:
        force = limit.at(start + timedelta(seconds=at))
        until = end if force.until is None else min((force.until - start).total_seconds(), end)
        if force.window is not None:
            found.append((at, until))
        at = until
    return tuple(found)
