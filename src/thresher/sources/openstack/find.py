"""Which server is meant. Pure: names in, one server or an error that helps out."""

import difflib
import re
from collections.abc import Sequence

from thresher.model.errors import SourceNotFound
from thresher.sources.openstack.access import Place
from thresher.sources.openstack.rows import Row

LISTED = 10
"""So many servers of one name are shown."""
_CLOSE = 3


def safe_part(name: str) -> str:
    """The longest part of a name that means itself in any database's regular expressions; "" where there is none."""
    return max(re.findall(r"[A-Za-z0-9]+", name), key=len, default="")


def called(servers: Sequence[Row], name: str) -> list[Row]:
    """Those of exactly that name: a part of it is no match, nor is another case."""
    return [server for server in servers if server.get("name") == name]


def ambiguous(found: Sequence[Row], count: int, name: str, place: Place) -> SourceNotFound:
    """Several servers of one name.

    Args:
        found: the first of them, with their details.
        count: how many there are.
        name: theirs.
        place: where.
    """
    shown = [
        f"{one['id']} ({one.get('status', 'UNKNOWN')}, created {one.get('created', 'at an unknown time')})"
        for one in found
    ]
    rest = count - len(shown)
    listed = ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")
    return SourceNotFound(
        f"{count} servers of {place} are called {name!r}: {listed}; set virtualMachineName to the id of one"
    )


def nothing(servers: Sequence[Row], name: str, place: Place) -> SourceNotFound:
    """No server of that name or id, with those whose names are near: parts of one another first, then misspellings."""
    wanted = name.lower()
    by_lower = {str(one["name"]).lower(): str(one["name"]) for one in servers if one.get("name")}
    parts = sorted(lower for lower in by_lower if wanted in lower or lower in wanted)
    near = list(dict.fromkeys([*parts, *difflib.get_close_matches(wanted, by_lower, n=_CLOSE)]))[:_CLOSE]
    if near:
        hint = f"the nearest names are {', '.join(repr(by_lower[one]) for one in near)}"
    else:
        hint = f"{len(servers)} servers are there that the user may see" if servers else "the user sees no server there"
    return SourceNotFound(f"{place} has no server {name!r}; {hint}: correct virtualMachineName")
