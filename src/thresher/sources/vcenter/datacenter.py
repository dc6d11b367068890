"""The datacenter that is meant, and what the user may do in it. Blocking; raises pyvmomi's faults or SourceError."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyVmomi import vim

from thresher.model.errors import SourceDenied, SourceNotFound
from thresher.model.matching import unescape
from thresher.sources.vcenter.collector import members, read_ancestors
from thresher.sources.vcenter.rows import Row, moref

PRIVILEGES = {
    "VApp.Export": "to export VMs",
    "VirtualMachine.Interact.PowerOff": "to shut VMs down",
    "VirtualMachine.Interact.PowerOn": "to start VMs again where an import fails",
}
"""What an import needs beside reading (vSphere Web Services API: ExportVm, ShutdownGuest, PowerOnVM_Task)."""
_SAMPLE = 200
"""VMs that are asked for where the datacenter itself refuses: enough to find a role that a folder has."""


def find_datacenter(content: Any, wanted: str, host: str) -> Any:
    """The datacenter by its path below the root folder, or by its name where only one has it.

    A standalone ESXi host has exactly one, ``ha-datacenter``, which its users never see or choose: whatever they
    write is accepted there, as VmwareSource obliges them to write something.

    Raises:
        SourceNotFound: there is none, or more than one; the message lists what there is.
        SourceDenied: the user sees no datacenter at all.
    """
    below = [part for part in wanted.split("/") if part]
    if content.about.apiType != "HostAgent" and below:
        found = content.searchIndex.FindByInventoryPath("/".join(below))
        if isinstance(found, vim.Datacenter):
            return found
    every = members(content, content.rootFolder, "Datacenter")
    if content.about.apiType == "HostAgent" and len(every) == 1:
        return every[0]
    if not every:
        raise SourceDenied(
            f"the user sees no datacenter at {host}: give it at least the role Read-only on the datacenter {wanted!r}, "
            "propagated to what is in it"
        )
    rows = read_ancestors(content, every)
    return _choose({one: path_of(one, rows) for one in every}, wanted, host)


def _choose(paths: Mapping[Any, str], wanted: str, host: str) -> Any:
    plain = _plain(wanted)
    named = [one for one, path in paths.items() if _plain(path) == plain]
    named = named or [one for one, path in paths.items() if _plain(path)[-1:] == plain]
    if len(named) == 1:
        return named[0]
    listed = ", ".join(sorted(paths[one] for one in named or paths))
    if named:
        raise SourceNotFound(f"{len(named)} datacenters at {host} are called {wanted!r}: write one of {listed} as dc")
    raise SourceNotFound(f"{host} has no datacenter {wanted!r}; it has {listed}: write one of these as dc")


def _plain(path: str) -> list[str]:
    return [unescape(part) for part in path.split("/") if part]


def path_of(managed: Any, rows: Sequence[Row]) -> str:
    """The path of an object below the root folder, from what :func:`read_ancestors` read."""
    by_moref = {row.moref: row for row in rows}
    names = []
    row = by_moref.get(moref(managed))
    while row is not None and row.reference("parent"):
        names.append(row.get("name", ""))
        row = by_moref.get(row.reference("parent"))
    return "/".join(reversed(names))


def check_privileges(content: Any, datacenter: Any, host: str) -> None:
    """Prove that the user may do what an import needs, in the datacenter or with at least one VM of it.

    Raises:
        SourceDenied: naming every privilege that is missing.
    """
    missing = _missing(content, [datacenter], list(PRIVILEGES))
    if missing:
        vms = members(content, datacenter, "VirtualMachine")[:_SAMPLE]
        missing = _missing(content, vms, missing) if vms else missing
    if missing:
        listed = ", ".join(f"{privilege} ({PRIVILEGES[privilege]})" for privilege in missing)
        raise SourceDenied(f"the user at {host} lacks {listed}: add that to its role on the datacenter or its folders")


def _missing(content: Any, entities: Sequence[Any], privileges: Sequence[str]) -> list[str]:
    """Those of the privileges that the session's user has on none of the entities."""
    session = content.sessionManager.currentSession
    answers = content.authorizationManager.HasPrivilegeOnEntities(
        entity=list(entities), sessionId=session.key, privId=list(privileges)
    )
    granted = {one.privId for answer in answers for one in answer.privAvailability if one.isGranted}
    return [privilege for privilege in privileges if privilege not in granted]
