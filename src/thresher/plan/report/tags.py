"""HTML as a value: what is not markup already is escaped, so a VM's name can never become any."""

import html
import re
from collections.abc import Iterable, Sequence

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What the HTML standard (section 13.2.3.5) calls a control, a surrogate or a noncharacter: not for text."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def plain(text: object) -> Markup:
    """Text between tags: itself where it is markup, else escaped."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_printable(text), quote=False))


def _printable(text: object) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text))


def joined(parts: Iterable[object], between: str = "") -> Markup:
    """One piece of HTML after the other."""
    return Markup(plain(between).join(plain(part) for part in parts))


def tag(name: str, *parts: object, **attributes: object) -> Markup:
    """An element. An attribute that is None is left out; ``class_`` is ``class``, and ``aria_label`` ``aria-label``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_printable(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{joined(parts)}</{name}>")


def name(text: str) -> Markup:
    """A name that its users chose: it is kept apart, since it may be written from right to left."""
    return tag("bdi", text)


def figure(text: object) -> Markup:
    """A number or a size for a table's cell."""
    return tag("span", text, class_="figure")


def table(caption: str, heads: Sequence[object], rows: Iterable[Sequence[object]]) -> Markup:
    """A table whose first column names the rows, in a box that scrolls by itself where the page is narrow."""
    head = tag("tr", *(tag("th", one, scope="col") for one in heads))
    body = joined(tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows)
    inside = tag("table", tag("caption", caption), tag("thead", head), tag("tbody", body))
    return tag("div", inside, class_="scroll", tabindex="0", role="group", aria_label=caption)


def section(identity: str, heading: object, *parts: object) -> Markup:
    """A part of the page under its heading."""
    title = tag("h2", heading, id=f"{identity}-title")
    return tag("section", title, *parts, id=identity, aria_labelledby=f"{identity}-title")
