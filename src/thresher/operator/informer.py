"""List and watch: tells which objects changed, and never misses one for good.

A pass reads the objects it decides on itself, fresh from the API server; a watch only says whose turn it is.
So nothing is cached here but names and versions, and a stale cache can never cause a wrong decision.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from thresher.model.errors import TargetError
from thresher.operator.kube import Kube, WatchExpired
from thresher.targets.harvester.objects import Kind, Object

log = logging.getLogger(__name__)

RESYNC_S = 600.0
"""How often everything is listed anew, whatever the watch said: a change that was missed heals by itself."""
RETRY_S = 2.0

OnChange = Callable[[Object, bool], None]
"""Called with an object and whether it is gone."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is watched.

    Attributes:
        kind: of the objects.
        namespace: "" for all.
        labels: the label selector; "" for all.
        metadata: whether metadata is all that is wanted: Secrets stay where they are.
    """

    kind: Kind
    namespace: str = ""
    labels: str = ""
    metadata: bool = True


@dataclass(slots=True)
class Informer:
    """The watch over one kind.

    Attributes:
        synced: set once everything there was has been told.
    """

    kube: Kube
    watched: Watched
    on_change: OnChange
    resync_s: float = RESYNC_S
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    _known: dict[str, Object] = field(default_factory=dict)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self.resync_s):
                    await self._list_and_watch()
            except (TimeoutError, WatchExpired):
                continue
            except TargetError as error:
                log.warning("watching %s: %s", self.watched.kind.plural, error)
                await asyncio.sleep(RETRY_S)

    async def _list_and_watch(self) -> None:
        watched = self.watched
        items, version = await self.kube.list_from(
            watched.kind, watched.namespace, labels=watched.labels, metadata=watched.metadata
        )
        gone = dict(self._known)
        for item in items:
            gone.pop(item["metadata"]["uid"], None)
            self._tell(item, gone=False)
        for item in gone.values():
            self._tell(item, gone=True)
        self.synced.set()
        while True:
            stream = self.kube.watch(
                watched.kind, version, watched.namespace, labels=watched.labels, metadata=watched.metadata
            )
            async for kind, item in stream:
                version = item["metadata"]["resourceVersion"]
                if kind != "BOOKMARK":
                    self._tell(item, gone=kind == "DELETED")

    def _tell(self, item: Object, *, gone: bool) -> None:
        uid = item["metadata"]["uid"]
        if gone:
            self._known.pop(uid, None)
        else:
            self._known[uid] = {"metadata": _identity(item["metadata"])}
        self.on_change(item, gone)


def _identity(metadata: Object) -> Object:
    """What is needed to say later that it is gone."""
    return {key: metadata[key] for key in ("name", "namespace", "uid", "labels") if key in metadata}
