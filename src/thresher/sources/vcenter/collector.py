"""Reads many objects at once: a container view, and a PropertyCollector that goes through it in pages.

Blocking; every function takes the API's service content and raises what pyvmomi raises. (vSphere Web Services API:
PropertyCollector.RetrievePropertiesEx, ViewManager.CreateContainerView.)
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyVmomi import vim, vmodl

from thresher.sources.vcenter.rows import Row, moref

PAGE = 2500
"""Objects in one answer. Measured with 10,000 VMs of two disks and two NICs (make bench-inventory): in pages of 1000,
2500 and 5000 the process held 146, 246 and 400 MiB at the most, so that this is nine requests at a fair price."""

Wanted = Mapping[str, Sequence[str]]
"""Property paths by the name of a managed type in the ``vim`` namespace."""

SURROUNDINGS: Wanted = {
    "Folder": ("name", "parent"),
    "VirtualApp": ("name", "parent", "parentFolder"),
    "Datastore": ("name",),
    "HostSystem": ("name",),
    "Network": ("name",),
    "OpaqueNetwork": ("name", "summary"),
    "DistributedVirtualPortgroup": ("name", "config.distributedVirtualSwitch"),
    "DistributedVirtualSwitch": ("name",),
}
"""What VMs refer to by id, and what it is called."""
VLANS: Wanted = {
    **SURROUNDINGS,
    "HostSystem": ("name", "config.network.portgroup"),
    "DistributedVirtualPortgroup": ("name", "config.distributedVirtualSwitch", "config.defaultPortConfig"),
}
"""The same with the networks' VLANs, which only an inventory tells: they are some KiB for each host and port group."""


@contextlib.contextmanager
def viewed(content: Any, container: Any, kinds: Iterable[str]) -> Iterator[Any]:
    """A view of all objects of some types below ``container``, as long as the context lasts.

    Args:
        content: of the service instance.
        container: a folder or a datacenter.
        kinds: names of managed types in the ``vim`` namespace.
    """
    types = [getattr(vim, kind) for kind in kinds]
    view = content.viewManager.CreateContainerView(container=container, type=types, recursive=True)
    try:
        yield view
    finally:
        # The session's end destroys it, too; what went wrong before is the error to tell.
        with contextlib.suppress(vmodl.MethodFault, OSError):
            view.Destroy()


def read_pages(content: Any, view: Any, wanted: Wanted, page: int = PAGE) -> Iterator[list[Row]]:
    """Read the objects of the wanted types in a view, page by page; those of its other types are passed over.

    What pyvmomi makes of 10,000 VMs takes most of a gigabyte: a page is to be used and forgotten.

    Args:
        content: of the service instance.
        view: see :func:`viewed`.
        wanted: what to read.
        page: objects in one answer.
    """
    query = vmodl.query.PropertyCollector
    members = query.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
    yield from _retrieve(content, [query.ObjectSpec(obj=view, skip=True, selectSet=[members])], wanted, page)


def read_all(content: Any, container: Any, wanted: Wanted, page: int = PAGE) -> list[Row]:
    """Read all objects of the wanted types below ``container``: for what is small."""
    with viewed(content, container, wanted) as view:
        return [row for rows in read_pages(content, view, wanted, page) for row in rows]


def members(content: Any, container: Any, kind: str) -> list[Any]:
    """The managed objects of one type below ``container``, nothing of them read."""
    with viewed(content, container, [kind]) as view:
        return list(view.view)


def read_these(content: Any, managed: Sequence[Any], paths: Sequence[str]) -> list[Row]:
    """Read some objects of one type in one request. Raises ManagedObjectNotFound where one is gone."""
    if not managed:
        return []
    kind = type(managed[0]).__name__.rpartition(".")[2]
    objects = [vmodl.query.PropertyCollector.ObjectSpec(obj=one) for one in managed]
    return [row for rows in _retrieve(content, objects, {kind: paths}, PAGE) for row in rows]


def read_one(content: Any, managed: Any, paths: Sequence[str]) -> Row:
    """Read one object. Raises ManagedObjectNotFound where it is gone, or hidden from the user."""
    rows = read_these(content, [managed], paths)
    if not rows:
        raise vmodl.fault.ManagedObjectNotFound(msg="The object is not there, or hidden from the user", obj=managed)
    return rows[0]


def read_ancestors(content: Any, managed: Sequence[Any]) -> list[Row]:
    """The names and parents of some objects and of everything above them, in one request."""
    query = vmodl.query.PropertyCollector
    upward = query.TraversalSpec(
        name="up", path="parent", type=vim.ManagedEntity, skip=False, selectSet=[query.SelectionSpec(name="up")]
    )
    objects = [query.ObjectSpec(obj=one, skip=False, selectSet=[upward]) for one in managed]
    pages = _retrieve(content, objects, {"ManagedEntity": ("name", "parent")}, PAGE)
    return [row for rows in pages for row in rows]


def _retrieve(content: Any, objects: Sequence[Any], wanted: Wanted, page: int) -> Iterator[list[Row]]:
    query = vmodl.query.PropertyCollector
    specs = [query.PropertySpec(type=getattr(vim, name), pathSet=list(paths)) for name, paths in wanted.items()]
    collector = content.propertyCollector
    answer = collector.RetrievePropertiesEx(
        [query.FilterSpec(objectSet=list(objects), propSet=specs, reportMissingObjectsInResults=False)],
        query.RetrieveOptions(maxObjects=page),
    )
    while answer is not None:
        token = answer.token
        yield [_row(found) for found in answer.objects]
        answer = collector.ContinueRetrievePropertiesEx(token) if token else None


def _row(found: Any) -> Row:
    return Row(
        moref=moref(found.obj),
        kind=type(found.obj).__name__.rpartition(".")[2],
        values={item.name: item.val for item in found.propSet},
        refused={item.path: item.fault for item in found.missingSet},
    )
