"""The imports: always a few of them under way, as long as faults come."""

import http.client
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rig.chaos.stage import API, NAMESPACE, SourceVm, Stage, manifest

AWAY = (OSError, http.client.HTTPException, ssl.SSLError, ValueError)
"""What talking to an API server raises while it is killed: a cut answer is no JSON."""
IMPORTS = f"/apis/{API}/namespaces/{NAMESPACE}/virtualmachineimports"
CREATED, CONFLICT = 201, 409
FAILED = "VMMigrationFailed"
FULL = "TargetFull"


@dataclass
class Load:
    """The imports of a run.

    Attributes:
        most: under way at a time.
        begun: by name.
        ended: the status of each that ended, by name.
        said_full: names of imports whose status told of a full scratch volume.
    """

    on: Stage
    most: int
    begun: dict[str, SourceVm] = field(default_factory=dict)
    ended: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    said_full: set[str] = field(default_factory=set)

    @property
    def under_way(self) -> Sequence[str]:
        """Names of the imports that have not ended."""
        return [name for name in self.begun if name not in self.ended]

    def look(self) -> None:
        """See which have ended. Where the API server is away, nothing is seen."""
        if "api" in self.on.down:
            return
        try:
            items = self.on.objects(IMPORTS)
        except AWAY:
            return
        for item in items:
            name, status = item["metadata"]["name"], item.get("status") or {}
            if FULL in {found.get("reason") for found in status.get("conditions") or []}:
                self.said_full.add(name)
            if name in self.begun and status.get("importStatus") in (_end(self.begun[name]), FAILED):
                self.ended[name] = status

    def top_up(self) -> None:
        """Begin new ones in place of those that ended."""
        if "api" in self.on.down:
            return
        waiting = iter(vm for vm in self.on.vms if vm.name not in self.begun)
        while len(self.under_way) < self.most and (vm := next(waiting, None)) is not None:
            try:
                answer = self.on.api.request("POST", IMPORTS, manifest(vm))
            except AWAY:
                return
            if answer.status not in (CREATED, CONFLICT):  # an answer that was lost has made it
                return
            self.begun[vm.name] = vm


def _end(vm: SourceVm) -> str:
    return "virtualMachineRunning" if vm.boots else "virtualMachineCreated"


def succeeded(status: Mapping[str, Any]) -> bool:
    """Whether an import that ended has made its VM."""
    return bool(status.get("importStatus") != FAILED)


def why(status: Mapping[str, Any]) -> tuple[str, str]:
    """Reason and message of the condition Ready."""
    ready: Mapping[str, str] = next((found for found in status.get("conditions") or [] if found["type"] == "Ready"), {})
    return ready.get("reason", ""), ready.get("message", "")
