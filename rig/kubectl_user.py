"""A user of Harvester who knows kubectl, with a namespace of their own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rig.harvester import Harvester
from rig.kube import KubeCluster
from rig.operator import PATIENCE_S, Operator, apply, events, get, wait

IMPORT = "virtualmachineimport.migration"


@dataclass(frozen=True)
class KubectlUser:
    """What everybody has who imports; the import is called ``demo`` where nothing else is said."""

    cluster: KubeCluster
    harvester: Harvester
    operator: Operator
    namespace: str

    def apply(self, manifests: str) -> None:
        """``kubectl apply``."""
        apply(self.cluster, manifests)

    def change(self, name: str = "demo", **spec: Any) -> None:
        """``kubectl patch``."""
        patch = json.dumps({"spec": spec})
        done = self.cluster.kubectl("patch", IMPORT, name, "-n", self.namespace, "--type=merge", "-p", patch)
        assert done.returncode == 0, done.stderr

    def delete(self, name: str = "demo", seconds: int = 60) -> None:
        """``kubectl delete``, and wait until it is gone."""
        done = self.cluster.kubectl("delete", IMPORT, name, "-n", self.namespace, f"--timeout={seconds}s")
        assert done.returncode == 0, done.stderr + self.operator.log.read_text()[-4000:]

    def ask_to_delete(self, kind: str, name: str) -> None:
        """``kubectl delete``, and wait for nothing."""
        done = self.cluster.kubectl("delete", kind, name, "-n", self.namespace, "--wait=false")
        assert done.returncode == 0, done.stderr

    def get(self, kind: str, name: str = "") -> Any:
        """``kubectl get -o json``."""
        return get(self.cluster, kind, self.namespace, name)

    def names(self, kinds: str) -> list[str]:
        """The names of all objects of these kinds."""
        return [item["metadata"]["name"] for item in self.get(kinds)["items"]]

    def status(self, name: str = "demo") -> Any:
        """The import's status."""
        return (self.get(IMPORT, name) or {}).get("status") or {}

    def word(self, name: str = "demo") -> str:
        """What ``kubectl get`` shows."""
        return str(self.status(name).get("importStatus", ""))

    def condition(self, kind: str, name: str = "demo") -> dict[str, str]:
        """One of the import's conditions; empty where it is not there."""
        found: dict[str, str] = next((c for c in self.status(name).get("conditions") or [] if c["type"] == kind), {})
        return found

    def ready(self, name: str = "demo") -> tuple[str, str]:
        """Reason and message of the condition Ready."""
        found = self.condition("Ready", name)
        return found.get("reason", ""), found.get("message", "")

    def events(self, name: str = "demo") -> list[tuple[str, str]]:
        """Reasons and messages."""
        return events(self.cluster, self.namespace, name)

    def wait_for(self, word: str, name: str = "demo") -> None:
        """Wait for a word in STATUS."""
        self.wait(lambda: self.word(name) == word, f"{name} is not {word}")

    def wait_for_reason(self, reason: str, name: str = "demo") -> None:
        """Wait for a reason of the condition Ready."""
        self.wait(lambda: self.ready(name)[0] == reason, f"{name} is not {reason}")

    def wait(self, look: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait until ``look`` returns something true; else ``what`` is told, with the operator's last words."""
        wait(look, what=what, seconds=seconds, log=self.operator.log)
