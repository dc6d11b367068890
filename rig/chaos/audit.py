"""What is looked at in the end. Each finding is a sentence; none is a success."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rig.chaos.load import succeeded, why
from rig.chaos.stage import NAMESPACE, SourceVm, Stage
from rig.harvester import Harvester
from rig.harvester.kinds import (
    CLAIMS,
    CONFIG_MAPS,
    IMAGES,
    JOBS,
    MACHINES,
    PERSISTENT_VOLUMES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from rig.harvester.kube import Kube
from rig.vcenter import POWERED_OFF, VCenter

GIVEN = {"login", "kube-root-ca.crt"}
"""Objects that were there before any import."""


Ended = Mapping[str, Mapping[str, Any]]
"""The status of each import that ended, by its name."""


def ends(under_way: Sequence[str], ended: Ended) -> Iterator[str]:
    """Whether each import has ended, and one that failed says why."""
    for name in under_way:
        yield f"import {name} has not ended"
    for name, status in ended.items():
        if not succeeded(status) and not all(why(status)):
            yield f"import {name} failed and does not say why"


def disks(harvester: Harvester, vms: Mapping[str, SourceVm], ended: Ended) -> Iterator[str]:
    """Whether each imported disk has the bytes of its source."""
    for name, status in ended.items():
        if not succeeded(status):
            continue
        wanted = [disk.sha512 for disk in vms[name].disks]
        images = [row.get("VirtualMachineImage", "") for row in status.get("diskImportStatus") or []]
        stored = [_sha512(harvester.image_bytes(NAMESPACE, image)) for image in images]
        if stored != wanted:
            yield f"import {name}: its disks {', '.join(images)} are not those of the source"


def cluster(kube: Kube, ended: Ended) -> Iterator[str]:
    """Whether the namespace holds what the imported VMs are made of, and nothing else."""
    for kind in (JOBS, PODS, SECRETS, CONFIG_MAPS, ROLES, ROLE_BINDINGS, SERVICE_ACCOUNTS):
        for item in kube.list(kind, NAMESPACE)["items"]:
            if item["metadata"]["name"] not in GIVEN:
                yield f"{kind.kind} {item['metadata']['name']} is left"
    good = [name for name, status in ended.items() if succeeded(status)]
    images = {row["VirtualMachineImage"] for name in good for row in ended[name]["diskImportStatus"]}
    yield from _differ("VirtualMachineImage", {_name(item) for item in kube.list(IMAGES, NAMESPACE)["items"]}, images)
    machines = kube.list(MACHINES, NAMESPACE)["items"]
    yield from _differ("VirtualMachine", {_name(item) for item in machines}, set(good))
    used = {
        volume["persistentVolumeClaim"]["claimName"]
        for machine in machines
        for volume in machine["spec"]["template"]["spec"]["volumes"]
    }
    claims = kube.list(CLAIMS, NAMESPACE)["items"]
    yield from _differ("PersistentVolumeClaim", {_name(item) for item in claims}, used)
    bound = {claim["spec"].get("volumeName", "") for claim in claims}
    volumes = {_name(item) for item in kube.list(PERSISTENT_VOLUMES)["items"]}
    yield from _differ("PersistentVolume", volumes, bound)


def source(vc: VCenter, vms: Sequence[SourceVm], ended: Ended) -> Iterator[str]:
    """Whether the vCenter is as it should be: no lease, no snapshot, no session, and each VM on or off. No operator."""
    yield from (f"an export lease on {lease.vm} is left" for lease in vc.leases())
    yield from (f"a session of {session.user} is left" for session in vc.sessions())
    machines = {machine.name: machine for machine in vc.machines()}
    for vm in vms:
        machine = machines.get(vm.name)
        if machine is None:
            continue
        if machine.snapshots:
            yield f"snapshots {', '.join(machine.snapshots)} of {vm.name} are left"
        wanted = _power(vm, ended.get(vm.name))
        if machine.power != wanted:
            yield f"{vm.name} is {machine.power} at its source and should be {wanted}"


def _power(vm: SourceVm, status: Mapping[str, Any] | None) -> str:
    """An imported VM is off at its source, so that it never runs twice; any other is as it was found."""
    return POWERED_OFF if status is not None and succeeded(status) else vm.power


def machine(on: Stage) -> Iterator[str]:
    """Whether processes, files and mounts are gone. The operator has ended."""
    root = on.harvester.root
    kube = on.harvester.kube
    claims = {item["metadata"]["uid"] for item in kube.list(CLAIMS, NAMESPACE)["items"]}
    yield from _differ("volume", {path.name for path in (root / "volumes").iterdir()}, claims)
    images = {f"{item['metadata']['uid']}.raw" for item in kube.list(IMAGES, NAMESPACE)["items"]}
    yield from _differ("image file", {path.name for path in (root / "images").iterdir()}, images)
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    yield from (f"{mount} is still mounted" for mount in mounts if mount.startswith(f"{root}/"))
    for path in (root / "pods").glob("*/*/*"):
        if path.name != "log":
            yield f"{path.relative_to(root)} of a worker is left"
    yield from (f"{path.name} of the operator is left" for path in on.operator.temporary.iterdir())
    yield from (f"process {line[:200]} is left" for line in _processes(str(root)) if "thresher" in line.split()[2:5])


def _processes(word: str) -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        if word in words:
            yield words


def _differ(what: str, there: set[str], wanted: set[str]) -> Sequence[str]:
    too_many = [f"{what} {name} is left" for name in sorted(there - wanted)]
    return [*too_many, *(f"{what} {name} is missing" for name in sorted(wanted - there))]


def _name(item: Mapping[str, Any]) -> str:
    return str(item["metadata"]["name"])


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()
