"""The faults as deeds: each says whether it hit something, and what puts it right again comes later by itself."""

import http.client
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rig.chaos.load import AWAY
from rig.chaos.plan import Fault, Kind
from rig.chaos.stage import NAMESPACE, RATE, Stage
from rig.harvester.kinds import CLAIMS, PODS
from rig.harvester.kube import ApiError, Object
from rig.webserver import Faults as WebFaults
from thresher.model.units import KIB, MIB

DOWN_S = 4.0
"""The longest that something stays down before it is started again, which takes its own time."""
SLOW_S = 6.0
_NEEDS_API = frozenset({Kind.DRAIN, Kind.FULL})
LEAST_FULL_S, FULL_S = 5.0, 12.0
LEAST = 40 * MIB
"""The size of the smallest disk: each download reaches a byte of it."""
ROOM = 64 * KIB


@dataclass
class Striker:
    """Does what a plan says.

    Attributes:
        on: what it hits.
        repairs: what is due when, by the time of ``time.monotonic``.
        restarts: how often the operator ended by itself and was started again, as a Deployment does.
    """

    on: Stage
    repairs: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    restarts: int = 0

    def strike(self, fault: Fault) -> bool:
        """Do it; whether there was anything to hit."""
        if "api" in self.on.down and fault.kind in _NEEDS_API:
            return False
        try:
            return self._deeds[fault.kind](fault)
        except (*AWAY, ApiError, LookupError):  # what it was to hit is down, or has just ended
            return False

    def repair(self, *, all_of_it: bool = False) -> None:
        """Put right what is due, and start the operator again where it ended by itself."""
        now = time.monotonic()
        due = [repair for repair in self.repairs if all_of_it or repair[0] <= now]
        self.repairs = [repair for repair in self.repairs if repair not in due]
        for _, mend in due:
            mend()
        if "operator" not in self.on.down and not self.on.operator.running:
            self.restarts += 1
            self.on.operator.launch()

    @property
    def _deeds(self) -> Mapping[Kind, Callable[[Fault], bool]]:
        return {
            Kind.WORKER: self._worker,
            Kind.DRAIN: self._drain,
            Kind.CUT: self._cut,
            Kind.SLOW: self._slow,
            Kind.SESSIONS: self._sessions,
            Kind.LEASES: self._leases,
            Kind.SOAP: self._soap,
            Kind.VCENTER: self._vcenter,
            Kind.DOWNLOAD: self._download,
            Kind.FULL: self._full,
            Kind.OPERATOR: self._operator,
            Kind.API: self._api,
            Kind.ETCD: self._etcd,
        }

    def _later(self, seconds: float, mend: Callable[[], None]) -> None:
        self.repairs.append((time.monotonic() + seconds, mend))

    def _pod(self, fault: Fault) -> tuple[str, str]:
        pods = self.on.harvester.running_pods
        return pods[int(fault.choice * len(pods))]

    def _worker(self, fault: Fault) -> bool:
        self.on.harvester.kill_pod(*self._pod(fault))
        return True

    def _drain(self, fault: Fault) -> bool:
        kube = self.on.harvester.kube
        kube.delete(PODS, kube.get(PODS, *self._pod(fault)), gracePeriodSeconds=5)
        return True

    def _cut(self, fault: Fault) -> bool:
        """Of one source or the other, whichever sends something."""
        if not self._from_vcenter() or (self._from_web() and fault.choice < 1 / 3):
            self.on.web.cut()
            return self._from_web()
        self.on.mortal.vc.cut()
        return True

    def _from_vcenter(self) -> bool:
        return "vcenter" not in self.on.down and any(self.on.mortal.vc.log().streams.values())

    def _from_web(self) -> bool:
        before = self.on.web.sent
        time.sleep(0.2)
        return self.on.web.sent > before

    def _slow(self, fault: Fault) -> bool:
        if "vcenter" in self.on.down or not self.on.harvester.running_pods:
            return False
        self.on.vcenter_faults(bytes_per_second=RATE // 16)
        self.on.web.faults = WebFaults(rate=RATE // 16)
        self._later(1 + fault.size * SLOW_S, self._fast)
        return True

    def _fast(self) -> None:
        self.on.web.faults = WebFaults(rate=RATE)
        if "vcenter" not in self.on.down:
            self.on.vcenter_faults()

    def _sessions(self, _: Fault) -> bool:
        there = "vcenter" not in self.on.down and bool(self.on.mortal.vc.sessions())
        if there:
            self.on.mortal.vc.expire_sessions()
        return there

    def _leases(self, _: Fault) -> bool:
        there = "vcenter" not in self.on.down and bool(self.on.mortal.vc.leases())
        if there:
            self.on.mortal.vc.time_out_leases()
        return there

    def _soap(self, fault: Fault) -> bool:
        if "vcenter" in self.on.down:
            return False
        self.on.vcenter_faults(soap_status=503, soap_status_times=1 + int(fault.size * 6))
        return True

    def _vcenter(self, fault: Fault) -> bool:
        if "vcenter" in self.on.down:
            return False
        self.on.served += self.on.mortal.vc.log().bytes
        self.on.mortal.kill()
        self.on.down.add("vcenter")
        self._later(fault.size * DOWN_S, self._vcenter_again)
        return True

    def _vcenter_again(self) -> None:
        self.on.mortal.start()
        self.on.down.discard("vcenter")
        self.on.vcenter_faults()

    def _download(self, fault: Fault) -> bool:
        """The next one: most last for less than a second."""
        self.on.harvester_faults(cut_downloads=1, cut_at=int(fault.size * LEAST))
        return True

    def _full(self, fault: Fault) -> bool:
        kube = self.on.harvester.kube
        claims = [claim for claim in kube.list(CLAIMS, NAMESPACE)["items"] if _is_scratch(claim)]
        if not claims:
            return False
        claim = claims[int(fault.choice * len(claims))]
        folder: Path = self.on.harvester.disk_bytes(NAMESPACE, claim["metadata"]["name"])
        if not self.on.harvester.shrink(NAMESPACE, claim["metadata"]["name"], ROOM):
            return False
        self._later(LEAST_FULL_S + fault.size * FULL_S, lambda: self.on.harvester.grow(folder))
        return True

    def _operator(self, fault: Fault) -> bool:
        if "operator" in self.on.down or not self.on.operator.running:
            return False
        self.on.down.add("operator")
        self.on.operator.stop(signal.SIGKILL)
        self._later(fault.size * DOWN_S, self._operator_again)
        return True

    def _operator_again(self) -> None:
        self.on.down.discard("operator")
        self.on.operator.launch()

    def _api(self, fault: Fault) -> bool:
        if self._no_api():
            return False
        self.on.cluster.stop()
        return self._api_for(fault)

    def _etcd(self, fault: Fault) -> bool:
        if self._no_api():
            return False
        self.on.cluster.kill_etcd()
        return self._api_for(fault)

    def _no_api(self) -> bool:
        return "api" in self.on.down or not self._answers()

    def _answers(self) -> bool:
        try:
            return self.on.api.request("GET", "/api/v1/namespaces/default").status == http.client.OK
        except AWAY:
            return False

    def _api_for(self, fault: Fault) -> bool:
        self.on.down.add("api")
        self._later(fault.size * DOWN_S, self._api_again)
        return True

    def _api_again(self) -> None:
        self.on.cluster.launch()
        self.on.down.discard("api")


def _is_scratch(claim: Object) -> bool:
    """Whether a worker's volume, by its name or its owner; those of images belong to VMs."""
    owners = {owner["kind"] for owner in claim["metadata"].get("ownerReferences") or []}
    return bool(owners & {"Pod", "VirtualMachineImport"})
