"""The HTML report in a real browser: self-contained, inert, readable in both colour schemes, in print, and by ear."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from rig.browser import chromium, offline
from rig.rule_cases import NOW, NOWHERE, PLAIN, WANTED
from rig.source_vms import disk, nic
from thresher.model.vm import Bus, GuestTools, Loss, PowerState, Severity, SourceVM, Usage
from thresher.plan.build import make_plan
from thresher.plan.catalogue import CATALOGUE, Language
from thresher.plan.report import as_html
from thresher.plan.report.gantt import BARS
from thresher.plan.values import Plan

HOSTILE = (
    "<script>document.title = 'broken'</script>",
    '"><img src=x onerror="document.title=\'broken\'">',
    "</style></script></title><h1>broken</h1>",
    "&lt;b&gt; & 'quoted' \"too\"",
    "javascript:document.title='broken'",
    "\u202egnikrow ton\u2066",
    "한국어 이름 {0} %s ${x}",
)
AA = 4.5
"""The contrast that WCAG 2.2 asks of text (1.4.3, level AA)."""


def machine(number: int, **changes: Any) -> SourceVM:
    made = replace(
        PLAIN,
        name=f"vm{number:05}",
        id=f"vm-{number}",
        smbios_uuid=f"00000000-0000-0000-0000-{number:012}",
        disks=(disk(0, Bus.SATA, "ahci"),),
        nics=(replace(nic(0, NOWHERE, "vmxnet3"), mac=f"00:50:56:00:{number >> 8:02x}:{number & 255:02x}"),),
        usage=Usage(tools=GuestTools.RUNNING),
    )
    return replace(made, **changes)


SHARED = (Loss("SharedDisk", "disk 2000", "Shared: <b>detach</b> it.", Severity.BLOCKER),)
MEDIUM = (Loss("CdromMedia", "CD drive 1", "A medium."),)


def plan_of(*vms: SourceVM, **changes: Any) -> Plan:
    return make_plan(vms, replace(WANTED, **changes), "VmwareSource infra/<i>vcenter</i>", NOW)


def small() -> Plan:
    """Every verdict, every kind of name, more than one wave, and a start."""
    named = [machine(n, name=name, folder=name, notes=name, guest_os=name) for n, name in enumerate(HOSTILE, 1)]
    vms = (
        *named,
        machine(20, losses=SHARED),
        machine(21, losses=MEDIUM, power=PowerState.OFF),
        replace(PLAIN, id="vm-22"),
    )
    return plan_of(*vms, starts_at=NOW + timedelta(hours=1))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Opens a plan's report; nothing may be asked of the network, and nothing may complain."""
    with offline(browser) as (context, asked):
        wrong: list[str] = []

        def open_report(plan: Plan, language: Language = Language.ENGLISH) -> Page:
            path = tmp_path / "report.html"
            path.write_text(as_html(plan, language), encoding="utf-8")
            page = context.new_page()
            page.on("console", lambda message: wrong.append(message.text))
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("dialog", lambda dialog: wrong.append(dialog.message))
            page.goto(path.as_uri())
            return page

        yield open_report
        assert asked == []
        assert wrong == []


def test_names_are_inert(opened: Any) -> None:
    page = opened(small())
    assert page.title() == "Migration plan: VmwareSource infra/<i>vcenter</i>"
    assert page.locator("h1").count() == 1
    assert page.locator("script").count() == 1
    assert page.locator("img:not([role]), iframe, object, link, base, form, [onerror], [onclick], [style]").count() == 0
    shown = page.locator("#machines tbody th bdi:first-child").all_inner_texts()
    assert {" ".join(name.split()) for name in HOSTILE} <= {" ".join(name.split()) for name in shown}
    links = page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
    assert all(link.startswith("#") for link in links)


def test_the_page_lets_nothing_in_that_is_not_its_own(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(as_html(small(), Language.ENGLISH), encoding="utf-8")
    with offline(browser) as (context, _):
        page = context.new_page()
        page.goto(path.as_uri())
        policy = page.get_attribute("meta[http-equiv=Content-Security-Policy]", "content") or ""
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.evaluate("getComputedStyle(document.querySelector('.cards')).display") == "grid"  # its own passes
        refused = page.evaluate(
            """() => { const made = document.createElement('script'); made.textContent = 'window.ran = true';
            const gone = new Promise((done) => addEventListener('securitypolicyviolation', () => done(true)));
            document.body.append(made); return gone; }"""
        )
        assert refused
        assert page.evaluate("window.ran") is None


@pytest.mark.parametrize("language", list(Language))
def test_what_a_screen_reader_needs(opened: Any, language: Language) -> None:
    page = opened(small(), language)
    assert page.get_attribute("html", "lang") == language.value
    for landmark in ("header", "nav[aria-label]", "main", "footer"):
        assert page.locator(f"body > {landmark}").count() == 1, landmark
    levels = page.eval_on_selector_all("h1,h2,h3", "all => all.map(h => Number(h.tagName[1]))")
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    tables = page.locator("table")
    assert tables.count() >= 6
    for table in tables.all():
        assert table.locator("caption").count() == 1
        assert table.locator("thead th[scope=col]").count() == table.locator("thead th").count() > 0
        rows = table.locator("tbody tr").count()
        assert table.locator("tbody tr > th[scope=row]:first-child").count() == rows > 0
    identities = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(identities) == len(set(identities))
    kinds = "['aria-labelledby', 'aria-describedby', 'for', 'href']"
    refers = f"all => all.flatMap(one => {kinds}.map(kind => one.getAttribute(kind)))"
    referred = page.eval_on_selector_all("[aria-labelledby],[aria-describedby],label,a", refers)
    assert {one.removeprefix("#") for one in referred if one} <= set(identities)
    nameless = re.compile(r"\s*- (img|textbox|searchbox|link|region|table):?")
    assert not [line for line in page.locator("body").aria_snapshot().splitlines() if nameless.fullmatch(line)]


def test_words_say_what_colours_say(opened: Any) -> None:
    page = opened(small())
    row = page.locator("#machines tbody tr", has_text="vm00020")
    assert "blocker SharedDisk (disk 2000): Shared: <b>detach</b> it." in " ".join(row.inner_text().split())
    page.locator("#machines a", has_text="SharedDisk").click()
    rule = page.locator("#findings tr", has=page.locator("#SharedDisk"))
    means, do = CATALOGUE[Language.ENGLISH]["SharedDisk"]
    assert means in rule.inner_text()
    assert do in rule.inner_text()
    assert page.locator("#machines h3").all_inner_texts() == ["blocked (1)", "ready, with warnings (8)", "ready (1)"]


def test_korean_speaks_korean_and_marks_what_is_english(opened: Any) -> None:
    page = opened(small(), Language.KOREAN)
    row = page.locator("#machines tbody tr", has_text="vm00020")
    means, do = CATALOGUE[Language.KOREAN]["SharedDisk"]
    assert f"{means} {do}" in row.inner_text()
    assert row.locator("[lang=en]").first.inner_text() == "Shared: <b>detach</b> it."
    heads = page.locator("h2").all_inner_texts()
    assert all(re.search("[가-힣]", head) or head == "VM" for head in heads)


CONTRAST = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => { const [r, g, b] = channels(colour).map((c) => { c /= 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (node) => { for (let one = node; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor; const parts = channels(colour);
    if (parts.length === 3 || parts[3] === 1) return colour; } return 'rgb(255, 255, 255)'; };
  const found = [];
  for (const one of document.querySelectorAll('body *')) {
    const own = Array.from(one.childNodes).some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || ['SCRIPT', 'title', 'desc'].includes(one.tagName)) continue;
    const style = getComputedStyle(one);
    const colour = one.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const [a, b] = [light(colour), light(behind(one))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), one.tagName + '.' + one.getAttribute('class')]);
  }
  return found; }"""


@pytest.mark.parametrize("media", ["light", "dark", "print"])
def test_contrast_and_colour_schemes(opened: Any, media: str) -> None:
    page = opened(small())
    scheme = "light" if media == "light" else "dark"
    page.emulate_media(media="print" if media == "print" else "screen", color_scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (media != "dark")
    found = page.evaluate(CONTRAST)
    assert len(found) > 100
    assert [(ratio, where) for ratio, where in found if ratio < AA] == []


def test_the_keyboard_reaches_everything(opened: Any) -> None:
    page = opened(small())
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("To the report")
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.locator(":focus").count() == 0:
            break
        seen.append(page.locator(":focus").evaluate("one => one.tagName + '.' + one.className"))
        style = page.locator(":focus").evaluate("one => getComputedStyle(one).outlineStyle")
        assert style != "none"
    assert {"A.", "DIV.scroll", "SUMMARY.", "INPUT."} <= set(seen)


def test_a_plan_is_printed_whole_with_folded_parts_opened(opened: Any) -> None:
    page = opened(small())
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = false; })")
    count = "window.open_ = document.querySelectorAll('details[open]').length"
    page.evaluate(f"addEventListener('beforeprint', () => {{ {count}; }}); 0")
    text = page.pdf(format="A4")
    assert text.startswith(b"%PDF")
    assert len(text) < 2 << 20
    assert page.evaluate("window.open_") == page.locator("details").count() > 0
    assert page.locator("details[open]").count() == 0  # as the reader had it


def test_the_picture_says_what_the_schedule_says(opened: Any) -> None:
    plan = small()
    page = opened(plan)
    picture = page.locator("svg[aria-labelledby]")
    assert picture.locator("> title").text_content() == "When what is imported"
    assert f"{sum(vm.schedule is not None for vm in plan.vms)} VMs" in picture.locator("> desc").text_content()
    shown = {
        bar.locator("text").text_content(): [
            (shape.get_attribute("class"), float(shape.get_attribute("x")), float(shape.get_attribute("width")))
            for shape in bar.locator("rect").all()
        ]
        for bar in picture.locator("g").all()
    }
    total = plan.waves[-1].ends - plan.waves[0].begins
    left, width = min(x for bars in shown.values() for _, x, _ in bars), 960 - 210 - 10
    for vm in plan.vms:
        if vm.schedule and vm.vm.name in shown:
            (begins, length) = next((x, width) for name, x, width in shown[vm.vm.name] if name == "copy")
            assert begins - left == pytest.approx(width * vm.schedule.copies / total, abs=0.2)
            assert length == pytest.approx(width * (vm.schedule.copied - vm.schedule.copies) / total, abs=0.3)
    assert len(shown) == sum(vm.schedule is not None for vm in plan.vms)


def test_ten_thousand_vms_stay_usable(opened: Any) -> None:
    plan = plan_of(*(machine(n, losses=SHARED if n % 10 == 0 else MEDIUM) for n in range(10_000)))
    assert len(as_html(plan, Language.ENGLISH).encode()) < 16 << 20
    page = opened(plan)
    assert page.locator("#machines details[open]").count() == 0
    assert page.locator("svg[aria-labelledby] g").count() <= BARS
    page.fill("#search", "vm04321 cdrom")
    expect(page.locator("#hits")).to_have_text("VMs found: 1", timeout=60_000)
    assert (
        page.eval_on_selector_all("#machines tbody tr", "all => all.filter(row => row.checkVisibility()).length") == 1
    )
    page.fill("#search", "")
    expect(page.locator("#hits")).to_have_text("", timeout=60_000)
    assert page.locator("#machines details[open]").count() == 0
    assert page.locator("#machines [hidden]").count() == 0


class _Tree(HTMLParser):
    """Checks that every element is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len({name for name, _ in attrs})
        if tag not in {"meta", "input", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("plan", [small(), plan_of()], ids=["small", "empty"])
def test_the_page_is_well_formed(plan: Plan, language: Language) -> None:
    tree = _Tree()
    tree.feed(as_html(plan, language).replace("</input>", "").replace("</br>", ""))
    tree.close()
    assert tree.open == []
