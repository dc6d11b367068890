"""A user of Harvester with an OVA and a namespace, who knows kubectl."""

import json
import re
from dataclasses import dataclass
from typing import Any

from rig.harvester import Harvester
from rig.kube import KubeCluster
from rig.operator import Operator, apply, events, get, wait
from rig.webserver import Faults, WebServer
from thresher.model.units import MIB
from thresher.samples.manifests import sample_manifests

IMPORT = "virtualmachineimport.migration"
MARKER = "it is me"
SLOW = Faults(rate=MIB // 4)
"""A source that is slow enough for something to happen meanwhile."""


@dataclass(frozen=True)
class User:
    """What they have."""

    cluster: KubeCluster
    harvester: Harvester
    operator: Operator
    namespace: str
    web: WebServer

    def apply(self, manifests: str) -> None:
        """``kubectl apply``."""
        apply(self.cluster, manifests)

    def import_ova(self, name: str = "demo", vm: str = "sample", **spec: Any) -> None:
        """Apply the source and the import of the sample VM; ``spec`` adds to the import's spec."""
        text = sample_manifests(f"{self.web.url}vm.ova", vm, name=name, namespace=self.namespace)
        source, vmi = text.split("---")
        self.apply(source)
        self.apply(vmi)
        if spec:
            self.change(name, **spec)

    def import_changed(self, name: str = "demo", vm: str = "sample", **spec: Any) -> None:
        """The same, with ``spec`` in it from the beginning."""
        import yaml

        text = sample_manifests(f"{self.web.url}vm.ova", vm, name=name, namespace=self.namespace)
        source, vmi = list(yaml.safe_load_all(text))
        vmi["spec"] |= spec
        self.apply(json.dumps(source))
        self.apply(json.dumps(vmi))

    def change(self, name: str = "demo", **spec: Any) -> None:
        """``kubectl patch``."""
        patch = json.dumps({"spec": spec})
        done = self.cluster.kubectl("patch", IMPORT, name, "-n", self.namespace, "--type=merge", "-p", patch)
        assert done.returncode == 0, done.stderr

    def delete(self, name: str = "demo") -> None:
        """``kubectl delete``, and wait until it is gone."""
        done = self.cluster.kubectl("delete", IMPORT, name, "-n", self.namespace, "--timeout=60s")
        assert done.returncode == 0, done.stderr + self.operator.log.read_text()[-4000:]

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

    def ready(self, name: str = "demo") -> tuple[str, str]:
        """Reason and message of the condition Ready."""
        found: dict[str, str] = next((c for c in self.status(name).get("conditions") or [] if c["type"] == "Ready"), {})
        return found.get("reason", ""), found.get("message", "")

    def events(self, name: str = "demo") -> list[tuple[str, str]]:
        """Reasons and messages."""
        return events(self.cluster, self.namespace, name)

    def wait_for(self, word: str, name: str = "demo") -> None:
        """Wait for a word in STATUS."""
        wait(lambda: self.word(name) == word, what=f"{name} is not {word}", log=self.operator.log)

    def wait_for_reason(self, reason: str, name: str = "demo") -> None:
        """Wait for a reason of the condition Ready."""
        wait(lambda: self.ready(name)[0] == reason, what=f"{name} is not {reason}", log=self.operator.log)

    def copying(self, **spec: Any) -> None:
        """Have half a MiB of the OVA copied, slowly."""
        self.web.faults = SLOW
        self.import_changed(**spec)
        self.wait_for("sourceReady")
        wait(
            lambda: any(row.get("bytesTransferred", 0) > MIB // 2 for row in self.status().get("diskImportStatus", [])),
            what="nothing is copied",
            log=self.operator.log,
        )

    def goes_on(self, before: int) -> None:
        """It ends well, and what was copied up to that many requests is not asked for again."""
        first = {end: start for start, end in reversed(self._long_ranges(0, before))}
        self.wait_for("virtualMachineRunning")
        again = [(start, end) for start, end in self._long_ranges(before, None) if end in first]
        assert again
        assert all(start > first[end] for start, end in again), f"it began anew: {first}, then {again}"

    def _long_ranges(self, since: int, until: int | None) -> list[tuple[int, int]]:
        """First and last byte of the requests for more than a look at a head."""
        asked = [seen.headers.get("range", "") for seen in self.web.requests[since:until]]
        found = [
            (int(match[1]), int(match[2])) for text in asked if (match := re.fullmatch(r"bytes=(\d+)-(\d+)", text))
        ]
        return [(first, last) for first, last in found if last - first > MIB // 4]
