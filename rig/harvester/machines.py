"""VirtualMachines run: their missing claims are made, and QEMU is started on the claims' bytes."""

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rig.harvester.images import GOLDEN
from rig.harvester.kinds import CLAIMS, INSTANCES, MACHINES, NETWORKS
from rig.harvester.kube import Object
from rig.harvester.qemu import arguments
from rig.harvester.volumes import path_of
from rig.harvester.world import World, deleting, guarded, owner, timestamp

TEMPLATES = "harvesterhci.io/volumeClaimTemplates"
AGENT = "guest agent started"
"""What a guest with an agent says on its serial port: the rig has no virtio-serial channel to ask through."""
_STOP_S = 3


@dataclass
class _Guest:
    """A running QEMU, and how it ended."""

    namespace: str
    name: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class MachineController:
    """KubeVirt's virt-controller and virt-handler, and Harvester's makers of claims."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._guests: dict[str, _Guest] = {}
        self._ended: dict[str, bool] = {}
        self._crashes: dict[str, tuple[int, float]] = {}
        """How often each VM's QEMU failed, and when it may start again."""
        (world.root / "machines").mkdir()

    def step(self) -> None:
        """Start, stop and report."""
        present = set()
        for vm in self._world.mirror(MACHINES).all():
            present.add(vm["metadata"]["uid"])
            guarded(self._world, self._machine, vm)
        for uid in set(self._guests) - present:
            guest = self._guests.pop(uid)
            guest.kill()
            guarded(self._world, self._forget, guest.namespace, guest.name)

    def stop(self) -> None:
        """End every guest."""
        for guest in self._guests.values():
            guest.kill()

    def command(self, uid: str) -> list[str]:
        """The command line of a running guest."""
        return [str(word) for word in self._guests[uid].process.args]  # type: ignore[union-attr] # we gave a list

    def pid(self, uid: str) -> int:
        """The process of a running guest."""
        return self._guests[uid].process.pid

    def _machine(self, vm: Object) -> None:
        uid = vm["metadata"]["uid"]
        if deleting(vm):
            self._halt(vm, "Terminating")
            return
        self._claims(vm)
        strategy = vm["spec"].get("runStrategy") or ("Always" if vm["spec"].get("running") else "Halted")
        if strategy in {"Halted", "Manual"}:
            self._ended.pop(uid, None)
            self._crashes.pop(uid, None)
            self._halt(vm, "Stopped")
            return
        guest = self._guests.get(uid)
        if guest is not None and guest.process.poll() is not None:
            self._guests.pop(uid)
            self._forget(guest.namespace, guest.name)
            self._ended[uid] = guest.process.returncode == 0 and strategy != "Always"
            count = self._crashes.get(uid, (0, 0.0))[0] + 1
            self._crashes[uid] = count, time.monotonic() + min(self._world.pace.restart_s * 2 ** (count - 1), 300)
            guest = None
        if guest is not None:
            self._running(vm)
        elif self._ended.get(uid):
            self._status(vm, "Stopped", created=False, ready=False)
        elif time.monotonic() < self._crashes.get(uid, (0, 0.0))[1]:
            self._status(vm, "CrashLoopBackOff", created=False, ready=False)
        else:
            self._start(vm)

    def _claims(self, vm: Object) -> None:
        namespace = vm["metadata"]["namespace"]
        text = (vm["metadata"].get("annotations") or {}).get(TEMPLATES)
        for template in json.loads(text) if text else []:
            meta = template["metadata"] | {"namespace": namespace}
            if self._world.mirror(CLAIMS).get(namespace, meta["name"]) is None:
                self._world.kube.ensure(CLAIMS, {"metadata": meta, "spec": template["spec"]})

    def _start(self, vm: Object) -> None:
        meta, spec = vm["metadata"], vm["spec"]["template"]["spec"]
        files: dict[str, Path] = {}
        for volume in spec.get("volumes") or []:
            name = volume["persistentVolumeClaim"]["claimName"]
            claim = self._world.mirror(CLAIMS).get(meta["namespace"], name)
            problem = _problem(vm, claim)
            if problem or claim is None:
                self._status(vm, problem, created=False, ready=False)
                return
            files[name] = path_of(self._world, claim)
        missing = self._missing_network(vm)
        if missing:
            self._world.event(vm, "FailedCreate", f"Failed to locate network attachment definition {missing}")
            self._status(vm, "Starting", created=False, ready=False)
            return
        self._run(vm, files)

    def _missing_network(self, vm: Object) -> str:
        """The first NetworkAttachmentDefinition that the VM names and nobody has made; "" for none."""
        for network in vm["spec"]["template"]["spec"].get("networks") or []:
            name = network.get("multus", {}).get("networkName", "")
            namespace, _, short = name.rpartition("/")
            namespace = namespace or vm["metadata"]["namespace"]
            if name and self._world.mirror(NETWORKS).get(namespace, short) is None:
                return f"{namespace}/{short}"
        return ""

    def _run(self, vm: Object, files: Mapping[str, Path]) -> None:
        meta, spec = vm["metadata"], vm["spec"]["template"]["spec"]
        folder = self._world.root / "machines" / meta["uid"]
        folder.mkdir(exist_ok=True)
        try:
            command = arguments(spec, files, folder / "console", folder / "variables")
        except ValueError as error:
            self._world.event(vm, "FailedCreate", f"Error creating virtual machine instance: {error}")
            self._status(vm, "Unknown", created=False, ready=False)
            return
        instance = {"metadata": _instance_meta(vm), "spec": spec}
        self._world.kube.ensure(INSTANCES, instance)
        with (folder / "qemu.log").open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._guests[meta["uid"]] = _Guest(meta["namespace"], meta["name"], process)
        self._world.event(
            vm, "SuccessfulCreate", f"Started the virtual machine by creating {meta['name']}", warning=False
        )
        self._status(vm, "Starting", created=True, ready=False)

    def _running(self, vm: Object) -> None:
        if self._world.faults.never_ready:
            self._status(vm, "Starting", created=True, ready=False)
            return
        instance = self._world.mirror(INSTANCES).get(vm["metadata"]["namespace"], vm["metadata"]["name"])
        if instance is not None and (instance.get("status") or {}).get("phase") != "Running":
            status = {"phase": "Running", "nodeName": "node-0", "conditions": [_condition("Ready", value=True)]}
            self._world.kube.patch(INSTANCES, instance, {"status": status}, "status")
        self._status(vm, "Running", created=True, ready=True, agent=self._agent(vm))

    def _agent(self, vm: Object) -> bool:
        """Whether the guest has an agent: one that says so on its serial port is taken at its word."""
        console = self._world.root / "machines" / vm["metadata"]["uid"] / "console"
        return console.exists() and AGENT in console.read_text(errors="replace")

    def _halt(self, vm: Object, word: str) -> None:
        meta = vm["metadata"]
        guest = self._guests.pop(meta["uid"], None)
        if guest is not None:
            guest.kill()
            self._forget(meta["namespace"], meta["name"])
        self._status(vm, word, created=False, ready=False)

    def _forget(self, namespace: str, name: str) -> None:
        instance = self._world.kube.find(INSTANCES, namespace, name)
        if instance is not None:
            self._world.kube.delete(INSTANCES, instance)

    def _status(self, vm: Object, word: str, *, created: bool, ready: bool, agent: bool = False) -> None:
        old = vm.get("status") or {}
        connected = any(c["type"] == "AgentConnected" for c in old.get("conditions") or [])
        told = (old.get("printableStatus"), old.get("created", False), old.get("ready", False), connected)
        if told == (word, created, ready, agent):
            return
        status = {"printableStatus": word, "created": created, "ready": ready}
        conditions = [_condition("Ready", value=ready), *([_condition("AgentConnected", value=True)] if agent else [])]
        status |= {"conditions": conditions, "runStrategy": vm["spec"].get("runStrategy", "")}
        self._world.kube.patch(MACHINES, vm, {"status": status}, "status")


def _problem(vm: Object, claim: Object | None) -> str:
    """KubeVirt's word for a claim that a VM cannot use yet; "" for none."""
    if claim is None:
        return "ErrorPvcNotFound"
    golden = (claim["metadata"].get("annotations") or {}).get(GOLDEN) == "true"
    imported = (vm["metadata"].get("labels") or {}).get("migration.harvesterhci.io/imported") == "true"
    if golden and not imported:
        return "ErrorPvcNotFound"
    return "" if (claim.get("status") or {}).get("phase") == "Bound" else "WaitingForVolumeBinding"


def _instance_meta(vm: Object) -> Object:
    meta, template = vm["metadata"], vm["spec"]["template"].get("metadata") or {}
    return {
        "name": meta["name"],
        "namespace": meta["namespace"],
        "labels": template.get("labels") or {},
        "annotations": template.get("annotations") or {},
        "ownerReferences": [owner(vm)],
    }


def _condition(kind: str, *, value: bool) -> Object:
    return {"type": kind, "status": str(value), "lastTransitionTime": timestamp(), "reason": "", "message": ""}
