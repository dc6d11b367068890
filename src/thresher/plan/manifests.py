"""A plan as files that ``kubectl apply`` takes: one for each wave, and a network mapping to edit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from thresher.api.common import API_VERSION
from thresher.model.units import human
from thresher.plan.networks import MANAGEMENT
from thresher.plan.rules.fleet import UNDECIDED
from thresher.plan.values import Plan, PlannedNetwork, PlannedVM, Wave

MAPPING_FILE = "networks.yaml"
MARK = "# Written by thresher plan"
"""How each file of a wave begins: what begins so may be replaced by a later plan."""
WAVE_LABEL = "thresher.harvesterhci.io/wave"
_HEAD = f"""\
{MARK}, to be edited: where each network of the source goes.
# destinationNetwork is namespace/name of a NetworkAttachmentDefinition, or {MANAGEMENT} for the management network,
# which takes one NIC of a VM. Empty: nobody chose one yet. Then make the plan again, with the same --write.
networkMapping:
"""


@dataclass(frozen=True, slots=True)
class SourceRef:
    """The source that imports are written for (``sourceCluster``)."""

    kind: str
    name: str
    namespace: str


def wave_file(wave: Wave) -> str:
    """What the file of a wave is called."""
    return f"wave-{wave.number:02}.yaml"


def wave_files(plan: Plan, source: SourceRef) -> Iterator[tuple[str, str]]:
    """The names and texts of the waves' files."""
    by_key = {vm.key: vm for vm in plan.vms}
    for wave in plan.waves:
        members = [by_key[key] for key in wave.keys]
        documents = [yaml.safe_dump(_import(vm, wave, source), sort_keys=False, allow_unicode=True) for vm in members]
        when = f", {wave.starts_at:%Y-%m-%d %H:%M} to {wave.ends_at:%Y-%m-%d %H:%M}" if wave.starts_at else ""
        size = human(wave.sizes.provisioned)
        head = f"{MARK}: wave {wave.number} of {len(plan.waves)}, {len(members)} VMs, {size}{when}.\n"
        yield wave_file(wave), head + "---\n".join(documents)


def _import(planned: PlannedVM, wave: Wave, source: SourceRef) -> Mapping[str, Any]:
    spec = planned.spec
    body: dict[str, Any] = {
        "sourceCluster": {
            "apiVersion": API_VERSION,
            "kind": source.kind,
            "name": source.name,
            "namespace": source.namespace,
        },
        "virtualMachineName": spec.vm_name,
    }
    rows = [
        {"sourceNetwork": row.source, "destinationNetwork": row.destination}
        for row in spec.networks
        if row.destination != UNDECIDED
    ]
    optional = {
        "folder": spec.folder,
        "targetName": spec.target_name,
        "storageClass": spec.storage_class,
        "networkMapping": rows,
        "diskMode": spec.disk_mode.value if spec.writes_volumes else "",
    }
    body |= {key: value for key, value in optional.items() if value}
    return {
        "apiVersion": API_VERSION,
        "kind": "VirtualMachineImport",
        "metadata": {"name": spec.name, "namespace": spec.namespace, "labels": {WAVE_LABEL: str(wave.number)}},
        "spec": body,
    }


def mapping_file(plan: Plan) -> str:
    """The text of the network mapping."""
    return _HEAD + "".join(_row(one) for one in plan.networks) if plan.networks else f"{_HEAD.rstrip()} []\n"


def _row(one: PlannedNetwork) -> str:
    destination = MANAGEMENT if one.destination == "" else one.destination or ""
    row = [{"sourceNetwork": one.source, "destinationNetwork": destination}]
    vlan = "VLAN unknown" if one.network.vlan is None else f"VLAN {one.network.vlan}"
    others = [path for path in one.candidates if path != destination]
    also = f"; of this VLAN as well: {', '.join(others)}" if others else ""
    missing = "" if destination else "; no NetworkAttachmentDefinition matches it"
    where = ", ".join((vlan, *one.subnets))
    about = f"# {one.vms} VMs, {one.nics} NICs, {where}{missing}{also}\n"
    return about + yaml.safe_dump(row, sort_keys=False, allow_unicode=True)
