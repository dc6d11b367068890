"""The networks of the source, and where each may go."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from thresher.api.yamldocs import documents
from thresher.model.errors import UsageError
from thresher.model.matching import match_network
from thresher.model.spec import NetworkMapping
from thresher.model.vm import Network, SourceVM
from thresher.plan.rules.fleet import UNDECIDED
from thresher.plan.values import PlannedNetwork

MANAGEMENT = "management"
"""How a mapping's file writes that a network goes to the cluster's management network."""
_KIND = "NetworkAttachmentDefinition"
_VLAN_LABEL = "network.harvesterhci.io/vlan-id"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A NetworkAttachmentDefinition.

    Attributes:
        path: ``namespace/name``.
        vlan: 0 for untagged; None where it has no one VLAN.
    """

    path: str
    vlan: int | None


def read_attachments(text: str) -> tuple[Attachment, ...]:
    """What ``kubectl get net-attach-def -A -o yaml`` prints.

    Harvester writes the VLAN into the CNI bridge plugin's configuration (``vlan`` in ``spec.config``), and into the
    label ``network.harvesterhci.io/vlan-id`` (harvester/network-controller-harvester, pkg/utils).

    Raises:
        UsageError: it is no YAML, or holds no NetworkAttachmentDefinition.
    """
    found = []
    for document in documents(text):
        value = document.value if isinstance(document.value, dict) else {}
        items = value.get("items") if value.get("kind") in ("List", f"{_KIND}List") else [value]
        found += [_attachment(item) for item in items or [] if isinstance(item, dict) and item.get("kind") == _KIND]
    if not found:
        raise UsageError(
            f"there is no {_KIND} in the file of --networks: give what 'kubectl get net-attach-def -A -o yaml' prints"
        )
    return tuple(sorted(found, key=lambda one: one.path))


def _attachment(item: Mapping[str, object]) -> Attachment:
    meta = _mapping(item.get("metadata"))
    path = f"{meta.get('namespace') or 'default'}/{meta.get('name') or ''}"
    try:
        config = _mapping(json.loads(str(_mapping(item.get("spec")).get("config") or "{}")))
    except ValueError:
        config = {}
    vlan = config.get("vlan")
    if not isinstance(vlan, int):
        label = str(_mapping(meta.get("labels")).get(_VLAN_LABEL, ""))
        vlan = int(label) if label.isdecimal() else None
    if vlan is None and config.get("type") == "bridge" and "vlanTrunk" not in config:
        vlan = 0
    return Attachment(path, vlan)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def read_mapping(text: str) -> tuple[NetworkMapping, ...]:
    """A mapping that was written by a plan, and perhaps edited since: what has no destination is undecided.

    Raises:
        UsageError: it is no such mapping.
    """
    rows: list[NetworkMapping] = []
    for document in documents(text):
        listed = _mapping(document.value).get("networkMapping")
        if not isinstance(listed, list):
            raise UsageError("the mapping's file has no list networkMapping: give one that thresher plan wrote")
        for row in listed:
            source, destination = _mapping(row).get("sourceNetwork"), _mapping(row).get("destinationNetwork") or ""
            if not isinstance(source, str) or not source or not isinstance(destination, str):
                raise UsageError("a row of networkMapping needs sourceNetwork and destinationNetwork, both in words")
            rows.append(NetworkMapping(source, destination))
    return tuple(rows)


def plan_networks(
    vms: Sequence[SourceVM], attachments: Sequence[Attachment], chosen: Sequence[NetworkMapping], namespace: str
) -> tuple[PlannedNetwork, ...]:
    """Each network in use, the most used first, with the destination that was chosen or is suggested.

    Args:
        vms: the source VMs.
        attachments: what the cluster has.
        chosen: what the user wrote; a row without a destination leaves it to the suggestion.
        namespace: of the imports; among networks of one VLAN those of this namespace come first.
    """
    cards = Counter(nic.network for vm in vms for nic in vm.nics if nic.network)
    users = Counter(network for vm in vms for network in {nic.network for nic in vm.nics if nic.network})
    subnets = _subnets(vms)
    found = []
    for network, nics in sorted(cards.items(), key=lambda item: (-users[item[0]], item[0].name, item[0].id)):
        same = [one.path for one in attachments if network.vlan is not None and one.vlan == network.vlan]
        same.sort(key=lambda path: (not path.startswith(f"{namespace}/"), path))
        row = match_network(chosen, network)
        if row is not None and row.destination:
            destination: str | None = "" if row.destination == MANAGEMENT else _qualified(row.destination, namespace)
        else:
            destination = same[0] if same else None
        picked = row is not None and bool(row.destination)
        name = source_name(network, cards)
        found.append(
            PlannedNetwork(
                network=network,
                source=name,
                vms=users[network],
                nics=nics,
                subnets=subnets[network],
                destination=destination,
                chosen=picked,
                candidates=tuple(same),
            )
        )
    return tuple(found)


def _subnets(vms: Sequence[SourceVM]) -> Mapping[Network | None, tuple[str, ...]]:
    """The subnets of each network, IPv4 first: those of all its cards, each once."""
    found: dict[Network | None, set[str]] = defaultdict(set)
    for nic in (nic for vm in vms for nic in vm.nics):
        found[nic.network].update(nic.subnets)
    return {network: tuple(sorted(those, key=_place)) for network, those in found.items()}


def _place(subnet: str) -> tuple[int, int, int]:
    network = ip_network(subnet)
    return network.version, int(network.network_address), network.prefixlen


def source_name(network: Network, every: Mapping[Network, int]) -> str:
    """What a mapping calls a network: by its path or name, or by its id where another has the same name."""
    name = network.path or network.name
    alone = sum((other.path or other.name) == name for other in every) == 1
    return name if name and alone else network.id or name


def _qualified(destination: str, namespace: str) -> str:
    return destination if "/" in destination else f"{namespace}/{destination}"


def mapping_of(networks: Sequence[PlannedNetwork], vm: SourceVM) -> tuple[NetworkMapping, ...]:
    """The rows of one VM's mapping; a network that nobody chose a destination for goes to :data:`UNDECIDED`."""
    used = {nic.network for nic in vm.nics if nic.network}
    return tuple(
        NetworkMapping(one.source, UNDECIDED if one.destination is None else one.destination)
        for one in networks
        if one.network in used and one.destination != ""
    )
