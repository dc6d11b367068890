"""What was read, before it is translated: plain rows, and the names of what VMs refer to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from thresher.model.matching import unescape
from thresher.model.vm import Network

_ANY_VLAN = 4095
_ROOT = "vm"
"""The name of a datacenter's own VM folder, in every language; it is no part of a VM's path (Datacenter.vmFolder)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One managed object as a PropertyCollector gave it.

    Attributes:
        moref: its id, such as ``vm-42``.
        kind: the name of its type, such as ``VirtualMachine``.
        values: by property path; what is unset at the server is not there.
        refused: by property path, the faults of what could not be read.
    """

    moref: str
    kind: str
    values: Mapping[str, Any]
    refused: Mapping[str, Any] = field(default_factory=dict)

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a property path."""
        value = self.values.get(path)
        return default if value is None else value

    def reference(self, path: str) -> str:
        """The id of the managed object that a property refers to, or ""."""
        return moref(self.get(path))


def moref(reference: Any) -> str:
    """The id of a managed object, or "" for none."""
    return "" if reference is None else str(reference._moId)  # noqa: SLF001 - pyvmomi has no public name for it


class Surroundings:
    """What VMs refer to by id: networks, datastores and folders of one datacenter.

    Args:
        rows: everything that was read; VMs and what is not known here are passed over.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = {row.moref: row for row in rows}
        self._opaque = {summary.opaqueNetworkId: row for row in rows if (summary := row.get("summary")) is not None}

        self._standard = dict(_standard_vlans(rows))

    def datastore(self, moref: str) -> str:
        """The name of a datastore, "" where it cannot be seen."""
        return self._name(self._rows.get(moref))

    def host(self, vm: Row) -> str:
        """The ESXi host that a VM is registered on, "" where it cannot be seen.

        Its name is the DNS name or the address that it was added to vCenter by (HostConnectSpec.hostName).
        """
        return self._name(self._rows.get(vm.reference("runtime.host")))

    def network(self, moref: str, name: str = "") -> Network:
        """The network of that id, by all its names; ``name`` is what to call it where it cannot be seen."""
        row = self._rows.get(moref)
        shown = self._name(row) or unescape(name)
        if row is None or row.kind != "DistributedVirtualPortgroup":
            return Network(shown, id=moref, vlan=self._standard.get(shown))
        switch = self._name(self._rows.get(row.reference("config.distributedVirtualSwitch")))
        vlan = distributed_vlan(row.get("config.defaultPortConfig"))
        return Network(shown, path=f"{switch}/{shown}" if switch else "", id=moref, vlan=vlan)

    def opaque_network(self, identity: str) -> Network:
        """The network that NSX knows by that id."""
        row = self._opaque.get(identity)
        return Network(self._name(row), id=row.moref) if row else Network("", id=identity)

    def folder(self, vm: Row) -> str:
        """Where a VM lies below its datacenter's VM folder, as vSphere writes names: ``Prod/A%2fB``; "" at the top.

        A vApp counts as a folder, as in vSphere's own view of VMs.
        """
        return "/".join(reversed(list(self._ancestors(vm))))

    def _ancestors(self, vm: Row) -> Iterator[str]:
        row = self._rows.get(vm.reference("parent") or vm.reference("parentVApp"))
        while row is not None:
            above = self._rows.get(row.reference("parentFolder") or row.reference("parent"))
            if above is None and row.kind == "Folder" and row.get("name") == _ROOT:
                return
            yield row.get("name", "")
            row = above

    @staticmethod
    def _name(row: Row | None) -> str:
        return unescape(row.get("name", "")) if row else ""


def distributed_vlan(settings: Any) -> int | None:
    """The VLAN of a distributed port group by its ``config.defaultPortConfig``; a trunk or a private VLAN has no one.

    (vSphere Web Services API: VmwareDistributedVirtualSwitchVlanIdSpec.vlanId, where 0 is untagged.)
    """
    vlan = getattr(getattr(settings, "vlan", None), "vlanId", None)
    return vlan if isinstance(vlan, int) else None


def _standard_vlans(rows: Sequence[Row]) -> Iterator[tuple[str, int]]:
    """The VLANs of standard port groups, which each host has its own of; 4095 lets the guest tag (HostPortGroupSpec).

    Where hosts disagree on a name it has no one VLAN, and is left out.
    """
    stated: dict[str, set[int]] = {}
    for row in rows:
        for group in row.get("config.network.portgroup", ()):
            stated.setdefault(unescape(group.spec.name), set()).add(group.spec.vlanId)
    for name, vlans in stated.items():
        if len(vlans) == 1 and (vlan := vlans.pop()) != _ANY_VLAN:
            yield name, vlan
