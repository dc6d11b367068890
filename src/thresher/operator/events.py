"""Events (core/v1), as ``kubectl describe`` shows them: the same thing said again is counted, not repeated."""

import hashlib
import logging
from datetime import UTC, datetime

from thresher.model.errors import TargetError
from thresher.operator.kinds import EVENT
from thresher.operator.kube import Kube
from thresher.targets.harvester.objects import Object

log = logging.getLogger(__name__)

NORMAL, WARNING = "Normal", "Warning"
COMPONENT = "thresher"
MAX_MESSAGE = 1024
"""Of an event's message (core/v1 Event: "note" of events.k8s.io/v1 is at most 1 kB)."""


class Events:
    """Writes events. One that cannot be written is logged: nothing depends on it."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def tell(self, about: Object, reason: str, message: str, kind: str = NORMAL) -> None:
        """Say that ``reason`` happened to the object ``about``."""
        text = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
        try:
            await self._write(about, reason, text, kind)
        except TargetError as error:
            log.warning("event %s of %s: %s", reason, about["metadata"]["name"], error)

    async def _write(self, about: Object, reason: str, message: str, kind: str) -> None:
        meta = about["metadata"]
        namespace = meta["namespace"]
        name = _name(meta, reason, message)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        before = await self._kube.get(EVENT, namespace, name)
        if before is not None:
            patch = {"count": int(before.get("count") or 1) + 1, "lastTimestamp": now}
            if await self._kube.merge(EVENT, namespace, name, patch) is not None:
                return
        event: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": meta["name"],
                "namespace": namespace,
                "uid": meta["uid"],
                "resourceVersion": meta.get("resourceVersion", ""),
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": COMPONENT,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        await self._kube.create(event, EVENT)


def _name(meta: Object, reason: str, message: str) -> str:
    digest = hashlib.sha256(f"{meta['uid']}\0{reason}\0{message}".encode()).hexdigest()[:16]
    return f"{meta['name'][:200].rstrip('.-')}.{digest}"
