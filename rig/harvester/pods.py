"""The kubelet and the scheduler: Pods run as processes of this machine."""

import time
from ipaddress import IPv4Address

from rig.harvester.container import Container
from rig.harvester.kinds import CLAIMS, PODS
from rig.harvester.kube import Object
from rig.harvester.podfiles import NotYet
from rig.harvester.world import World, deleting, guarded, owner

ENDED = {"Succeeded", "Failed"}
_FIRST_ADDRESS = IPv4Address("127.42.0.1")
_ADDRESSES = 60_000


class PodController:
    """Binds each Pod to the one node, makes its ephemeral claims, and runs its container."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._running: dict[str, Container] = {}
        self._addresses: dict[str, str] = {}
        (world.root / "pods").mkdir()

    def step(self) -> None:
        """Start, follow and end Pods."""
        present = set()
        for pod in self._world.mirror(PODS).all():
            present.add(pod["metadata"]["uid"])
            guarded(self._world, self._pod, pod)
        for uid in set(self._running) - present:  # deleted with force
            self._running.pop(uid).kill()

    def stop(self) -> None:
        """Kill every process."""
        for container in self._running.values():
            container.kill()

    def kill(self, namespace: str, name: str) -> None:
        """Kill a Pod's process, as the kernel does that runs out of memory."""
        for container in list(self._running.values()):
            if container.named == (namespace, name):
                container.crash()
                return
        raise LookupError(f"no running Pod {namespace}/{name}")

    def running(self) -> list[tuple[str, str]]:
        """Namespace and name of each Pod whose process runs."""
        return sorted(container.named for container in list(self._running.values()) if container.alive())

    def log(self, namespace: str, name: str) -> str:
        """What a Pod's container has written, all starts of it."""
        folder = self._world.root / "pods" / namespace / name
        path = folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _pod(self, pod: Object) -> None:
        container = self._running.get(pod["metadata"]["uid"])
        phase = (pod.get("status") or {}).get("phase", "Pending")
        if deleting(pod):
            self._end(pod, container)
        elif phase in ENDED:
            return
        elif container is not None:
            container.follow(pod)
        else:
            self._begin(pod)

    def _begin(self, pod: Object) -> None:
        self._ephemeral(pod)
        uid = pod["metadata"]["uid"]
        address = self._addresses.setdefault(uid, _address(len(self._addresses)))
        container = Container(self._world, pod, address)
        try:
            container.prepare()
        except NotYet as missing:
            if not _told(pod):
                self._world.kube.patch(PODS, pod, {"status": _pending(str(missing))}, "status")
            self._world.event(pod, "FailedMount", str(missing))  # last: whoever waits for it looks at the status next
            return
        if not pod["spec"].get("nodeName"):
            meta = pod["metadata"]
            target = {"apiVersion": "v1", "kind": "Node", "name": "node-0"}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": target}
            self._world.kube.request("POST", PODS.path(meta["namespace"], meta["name"], "binding"), binding)
        self._running[uid] = container
        container.start()

    def _ephemeral(self, pod: Object) -> None:
        meta = pod["metadata"]
        for volume in pod["spec"].get("volumes") or []:
            template = volume.get("ephemeral", {}).get("volumeClaimTemplate")
            name = f"{meta['name']}-{volume['name']}"
            if template is None or self._world.mirror(CLAIMS).get(meta["namespace"], name) is not None:
                continue
            claim = {**(template.get("metadata") or {}), "name": name, "namespace": meta["namespace"]}
            claim["ownerReferences"] = [owner(pod)]
            self._world.kube.ensure(CLAIMS, {"metadata": claim, "spec": template["spec"]})

    def _end(self, pod: Object, container: Container | None) -> None:
        if container is not None:
            started = container.terminate()
            grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
            if container.alive() and time.monotonic() < started + grace:
                return
            container.kill()
            container.report_end()  # what is ended uses no claims, so that those can go before the Pod's object
            del self._running[pod["metadata"]["uid"]]
        self._world.kube.delete(PODS, pod, gracePeriodSeconds=0)


def _address(number: int) -> str:
    """An address for each Pod, so that two can listen on one port: all of 127.0.0.0/8 is this machine (RFC 1122)."""
    return str(_FIRST_ADDRESS + number % _ADDRESSES)


def _told(pod: Object) -> bool:
    return any(c["type"] == "PodScheduled" for c in (pod.get("status") or {}).get("conditions") or [])


def _pending(message: str) -> Object:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"phase": "Pending", "conditions": [condition]}
