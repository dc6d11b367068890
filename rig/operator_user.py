"""A user of Harvester who imports an OVA with kubectl."""

import json
import re
from dataclasses import dataclass
from typing import Any

from rig.kubectl_user import KubectlUser
from rig.webserver import Faults, WebServer
from thresher.model.units import MIB
from thresher.samples.manifests import sample_manifests

MARKER = "it is me"
SLOW = Faults(rate=MIB // 4)
"""A source that is slow enough for something to happen meanwhile."""


@dataclass(frozen=True)
class User(KubectlUser):
    """One with an OVA on a web server."""

    web: WebServer

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

    def copying(self, **spec: Any) -> None:
        """Have half a MiB of the OVA copied, slowly."""
        self.web.faults = SLOW
        self.import_changed(**spec)
        self.wait_for("sourceReady")
        self.wait(
            lambda: any(row.get("bytesTransferred", 0) > MIB // 2 for row in self.status().get("diskImportStatus", [])),
            "nothing is copied",
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
