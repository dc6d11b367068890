"""Reading from the services: whole lists in pages, and what servers refer to in few requests.

Plain JSON is read, because openstacksdk's own objects keep only the fields that its version knows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from keystoneauth1.adapter import Adapter
from openstack import exceptions as sdk
from openstack.connection import Connection
from openstack.utils import maximum_supported_microversion

from thresher.sources.openstack.rows import Row, Surroundings, flavor_id, image_id, volume_ids

PAGE = 500
"""Objects in one answer. A service may send fewer: Nova's and Cinder's usual limit is 1,000."""
_NEWEST = "2.98"
"""The newest microversion of Nova whose answers are understood here: 2.19 brought the description, 2.47 the flavor as
it was, 2.69 answers where a cell is down, 2.73 the reason of a lock, 2.98 the image's properties as they were (Nova,
"REST API Version History")."""
_IMAGES = 40
"""Ids in one filter: about 1,500 characters of a URL."""


def ask(client: Adapter, path: str, **options: Any) -> Any:
    """The JSON that a service answers a GET with. Raises what openstacksdk raises."""
    answer = client.get(path, **options)
    sdk.raise_from_response(answer)
    try:
        return answer.json()
    except ValueError as error:
        raise sdk.InvalidResponse(f"{answer.url} does not answer as OpenStack does") from error


def ask_compute(cloud: Connection, path: str, **options: Any) -> Any:
    """As :func:`ask`, of Nova and in its newest microversion that is known here."""
    return ask(cloud.compute, path, microversion=microversion(cloud), **options)


def microversion(cloud: Connection) -> str | None:
    """Nova's newest microversion that both sides know."""
    newest: str | None = maximum_supported_microversion(cloud.compute, _NEWEST)
    return newest


def pages(
    fetch: Callable[[Mapping[str, Any]], Any], name: str, page: int, query: Mapping[str, Any] | None = None
) -> Iterator[Row]:
    """All objects of a list, page by page.

    By their ids, and not by the links that the services send: behind a proxy those may name http, or another host.

    Args:
        fetch: asks for one page.
        name: of the list in the answers.
        page: objects in one answer.
        query: what to ask for besides.
    """
    marker: dict[str, Any] = {}
    while True:
        answer = fetch({**(query or {}), "limit": page, **marker})
        found = answer.get(name) or []
        yield from found
        links = answer.get(f"{name}_links") or ()
        if not found or not (answer.get("next") or any(link.get("rel") == "next" for link in links)):
            return
        marker = {"marker": found[-1]["id"]}


def servers(cloud: Connection, page: int = PAGE) -> list[Row]:
    """All servers of the project, with their details."""
    return list(pages(lambda query: ask_compute(cloud, "/servers/detail", params=query), "servers", page))


def names(cloud: Connection, part: str = "", page: int = PAGE) -> list[Row]:
    """Ids and names of the project's servers.

    Args:
        cloud: logged in.
        part: letters and digits that the name has to hold; Nova takes a regular expression, in the database's words.
        page: objects in one answer.
    """
    query = {"name": part} if part else {}
    return list(pages(lambda query: ask_compute(cloud, "/servers", params=query), "servers", page, query))


def server(cloud: Connection, key: str) -> Row | None:
    """The server of that id, or None."""
    return _one(lambda: ask_compute(cloud, f"/servers/{key}"), "server")


def surroundings(cloud: Connection, found: Sequence[Row], *, whole: bool, page: int = PAGE) -> Surroundings:
    """What these servers refer to.

    Args:
        cloud: logged in.
        found: the servers.
        whole: whether they are all of the project, so that lists are read in place of single objects.
        page: objects in one answer.
    """
    return Surroundings(
        volumes=_volumes(cloud, found, page) if whole else _each_volume(cloud, found),
        images=_images(cloud, found, page),
        flavors=_flavors(cloud, found),
        ports=_ports(cloud, found, page, whole=whole),
        networks=_networks(cloud, page),
        subnets=_subnets(cloud, page) if whole else {},
        groups=_groups(cloud),
    )


def _one(look: Callable[[], Any], name: str = "") -> Row | None:
    """One object; None where it is not there or is not the user's."""
    try:
        answer: Any = look()
    except (sdk.NotFoundException, sdk.ForbiddenException):
        return None
    row: Row = answer[name] if name else answer
    return row


def _volumes(cloud: Connection, found: Sequence[Row], page: int) -> dict[str, Row]:
    if not any(volume_ids(one) for one in found):
        return {}
    rows = pages(lambda query: ask(cloud.block_storage, "/volumes/detail", params=query), "volumes", page)
    return {row["id"]: row for row in rows}


def _each_volume(cloud: Connection, found: Sequence[Row]) -> dict[str, Row]:
    keys = (key for one in found for key in volume_ids(one))
    return _each(keys, lambda key: _one(lambda: ask(cloud.block_storage, f"/volumes/{key}"), "volume"))


def _images(cloud: Connection, found: Sequence[Row], page: int) -> dict[str, Row]:
    """In few requests; one for each image that lists do not show, such as a hidden one or another project's."""
    keys = sorted({key for one in found if (key := image_id(one))})
    rows: dict[str, Row] = {}
    for start in range(0, len(keys), _IMAGES):
        query = {"id": f"in:{','.join(keys[start : start + _IMAGES])}"}
        listed = pages(lambda query: ask(cloud.image, "/images", params=query), "images", page, query)
        rows |= {row["id"]: row for row in listed}
    missing = (key for key in keys if key not in rows)
    return rows | _each(missing, lambda key: _one(lambda: ask(cloud.image, f"/images/{key}")))


def _flavors(cloud: Connection, found: Sequence[Row]) -> dict[str, Row]:
    """Those that a Nova older than microversion 2.47 only refers to, in the form of the later ones."""

    def look(key: str) -> Row | None:
        row = _one(lambda: ask_compute(cloud, f"/flavors/{key}"), "flavor")
        if row is None:
            return None
        specs = row.get("extra_specs") or _one(lambda: ask_compute(cloud, f"/flavors/{key}/os-extra_specs"))
        stated = (specs or {}).get("extra_specs", specs)
        return {**row, "ephemeral": row.get("OS-FLV-EXT-DATA:ephemeral"), "extra_specs": stated}

    return _each((flavor_id(one) for one in found if flavor_id(one)), look)


def _ports(cloud: Connection, found: Sequence[Row], page: int, *, whole: bool) -> dict[str, list[Row]]:
    query: dict[str, Any] = {} if whole else {"device_id": [one["id"] for one in found]}
    rows = pages(lambda query: ask(cloud.network, "/ports", params=query), "ports", page, query)
    by_server: dict[str, list[Row]] = {one["id"]: [] for one in found}
    for row in rows:
        if row.get("device_id") in by_server:
            by_server[row["device_id"]].append(row)
    return by_server


def _networks(cloud: Connection, page: int) -> dict[str, str]:
    query = {"fields": ["id", "name"]}
    rows = pages(lambda query: ask(cloud.network, "/networks", params=query), "networks", page, query)
    return {row["id"]: row.get("name") or "" for row in rows}


def _subnets(cloud: Connection, page: int) -> dict[str, str]:
    query = {"fields": ["id", "cidr"]}
    rows = pages(lambda query: ask(cloud.network, "/subnets", params=query), "subnets", page, query)
    return {row["id"]: row["cidr"] for row in rows}


def _groups(cloud: Connection) -> dict[str, list[str]]:
    answer = _one(lambda: ask_compute(cloud, "/os-server-groups")) or {}
    by_server: dict[str, list[str]] = {}
    for group in answer.get("server_groups") or ():
        for member in group.get("members") or ():
            by_server.setdefault(member, []).append(group.get("name") or group["id"])
    return by_server


def _each(keys: Iterable[str], look: Callable[[str], Row | None]) -> dict[str, Row]:
    found = {key: look(key) for key in dict.fromkeys(keys)}
    return {key: row for key, row in found.items() if row is not None}
