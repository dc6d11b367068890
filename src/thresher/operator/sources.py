"""The controller of sources: each is looked at again and again, and at once when it or its Secret changes."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from thresher.imports.observed import Failure
from thresher.imports.source_status import Look, SourceStatus, SourceWord, derive_source
from thresher.imports.source_watch import Interval
from thresher.model.errors import SourceError, ThresherError
from thresher.operator.events import NORMAL, WARNING, Events
from thresher.operator.kinds import SOURCES
from thresher.operator.kube import Kube
from thresher.operator.sessions import Sessions, with_secret
from thresher.operator.status import changes, from_json, to_json
from thresher.targets.harvester.objects import Object

log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SourceController:
    """Looks at one source a pass."""

    kube: Kube
    events: Events
    sessions: Sessions
    interval: Interval = field(default_factory=Interval)
    clock: Callable[[], datetime] = _utc_now

    async def reconcile(self, key: str) -> float | None:
        """Look at ``Kind/namespace/name`` and write down what was seen.

        Returns:
            Seconds until the next look; None where the source is gone.
        """
        kind, namespace, name = key.split("/")
        source = await self.kube.get(SOURCES[kind], namespace, name)
        if source is None or "deletionTimestamp" in source["metadata"]:
            return None
        before = source.get("status") or {}
        previous = SourceStatus(
            status=SourceWord(before.get("status") or ""),
            fingerprint=before.get("fingerprint") or "",
            conditions=from_json(before.get("conditions")),
        )
        found = derive_source(await self._look(source), previous, self.clock())
        generation = source["metadata"].get("generation")
        after: Object = {
            "status": found.status.value,
            "conditions": to_json(found.conditions, generation),
            "observedGeneration": generation,
        }
        if found.fingerprint:
            after["fingerprint"] = found.fingerprint
        patch = changes(before, after)
        if patch:
            await self.kube.merge(SOURCES[kind], namespace, name, {"status": patch}, sub="status")
        await self._tell(source, previous, found)
        return self.interval.after(found.status)

    async def _look(self, source: Object) -> Look:
        try:
            objects = await with_secret(self.kube, source)
            async with self.sessions.use(objects) as opened:
                facts = await opened.source.check()
        except ThresherError as error:
            return Look(failure=Failure.of(error))
        except OSError as error:  # what no adapter has foreseen must not end the controller
            return Look(failure=Failure.of(SourceError(f"The source could not be looked at: {error}.")))
        return Look(facts.detail, facts.fingerprint)

    async def _tell(self, source: Object, previous: SourceStatus, found: SourceStatus) -> None:
        was = {condition.type: condition.reason for condition in previous.conditions}
        is_ = {condition.type: condition.reason for condition in found.conditions}
        if previous.status is found.status and was == is_:
            return
        kind = NORMAL if found.status is SourceWord.READY else WARNING
        await self.events.tell(source, found.conditions[0].reason, found.message or found.status.value, kind)
        log.info("%s %s: %s", source["kind"], source["metadata"]["name"], found.status.value)
