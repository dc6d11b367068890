"""One leader at a time, by a Lease (coordination.k8s.io/v1), as client-go's leader election does it."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from thresher.model.errors import TargetConflict, TargetError
from thresher.operator.kinds import LEASE
from thresher.operator.kube import Kube
from thresher.targets.harvester.objects import Object

log = logging.getLogger(__name__)


class LeadershipLost(TargetError):
    """Another process may lead now, so this one has to end."""

    reason = "LeadershipLost"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a lead lasts, in seconds; client-go's defaults (tools/leaderelection).

    Attributes:
        duration: after so long without a sign of life another may lead.
        deadline: after so long without being able to renew, this process ends: before ``duration`` is over.
        retry: between two attempts.
    """

    duration: float = 15.0
    deadline: float = 10.0
    retry: float = 2.0


@dataclass(slots=True)
class Leader:
    """A candidate.

    Attributes:
        identity: unique among the candidates.
    """

    kube: Kube
    namespace: str
    name: str
    identity: str
    terms: Terms = Terms()
    _seen: tuple[str, float] = ("", 0.0)

    async def acquire(self) -> None:
        """Wait until this process leads."""
        while True:
            if await self._try():
                break
            await asyncio.sleep(self.terms.retry)
        log.info("leading as %s", self.identity)

    async def hold(self) -> None:
        """Renew for ever. Raises LeadershipLost."""
        clock = asyncio.get_running_loop().time
        renewed = clock()
        while True:
            await asyncio.sleep(self.terms.retry)
            try:
                async with asyncio.timeout(self.terms.deadline):
                    held = await self._try()
            except TimeoutError:
                held = False
            if held:
                renewed = clock()
            elif clock() - renewed >= self.terms.deadline or await self._is_anothers():
                raise LeadershipLost(f"{self.identity} does not hold the Lease {self.name} any more; it ends.")

    async def release(self) -> None:
        """Let the next one lead at once."""
        try:
            lease = await self.kube.get(LEASE, self.namespace, self.name)
            if lease and lease["spec"].get("holderIdentity") == self.identity:
                lease["spec"] = {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self.kube.replace(lease, LEASE)
        except TargetError as error:
            log.warning("the Lease could not be released: %s", error)

    async def _is_anothers(self) -> bool:
        try:
            lease = await self.kube.get(LEASE, self.namespace, self.name)
        except TargetError:
            return False
        return lease is not None and lease["spec"].get("holderIdentity") != self.identity

    async def _try(self) -> bool:
        try:
            lease = await self.kube.get(LEASE, self.namespace, self.name)
            if lease is None:
                await self.kube.create(self._lease(None), LEASE)
                return True
            if not self._may_take(lease):
                return False
            await self.kube.replace(self._lease(lease), LEASE)
        except TargetConflict:
            return False  # another was faster
        except TargetError as error:
            log.warning("the Lease %s: %s", self.name, error)
            return False
        return True

    def _may_take(self, lease: Object) -> bool:
        """Whether it is ours or nobody's; another's counts as long as it changes, by our own clock."""
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder in ("", self.identity):
            return True
        now = asyncio.get_running_loop().time()
        version = lease["metadata"]["resourceVersion"]
        if self._seen[0] != version:
            self._seen = (version, now)
        return bool(now - self._seen[1] >= float(spec.get("leaseDurationSeconds") or self.terms.duration))

    def _lease(self, before: Object | None) -> Object:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        old = (before or {}).get("spec") or {}
        ours = old.get("holderIdentity") == self.identity
        metadata = before["metadata"] if before else {"name": self.name, "namespace": self.namespace}
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self.terms.duration)),
            "acquireTime": old.get("acquireTime") if ours else now,
            "renewTime": now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if ours or before is None else 1),
        }
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
