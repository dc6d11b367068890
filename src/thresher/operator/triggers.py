"""Whose turn it is when something changed."""

from collections.abc import Iterator

from thresher.operator.informer import OnChange, Watched
from thresher.operator.kinds import CONFIG_MAP, IMPORT, IMPORT_LABEL, JOB, POD, SECRET, SOURCES
from thresher.operator.queue import WorkQueue
from thresher.targets.harvester.objects import CLAIM, IMAGE, MACHINE, Object
from thresher.targets.manifests.values import IMPORT_UID

REPORT_DELAY_S = 0.1
"""Changes of state come in bursts, of which one pass takes all. Mere progress comes every other second."""


class Triggers:
    """Turns changes into keys.

    Args:
        imports: the queue of ``namespace/name``.
        sources: the queue of ``Kind/namespace/name``.
        on_source: told each source that changed, before anything else is.
    """

    def __init__(self, imports: WorkQueue, sources: WorkQueue, on_source: OnChange | None = None) -> None:
        self._imports = imports
        self._sources = sources
        self._on_source = on_source
        self._keys: dict[str, str] = {}
        self._seen: dict[str, object] = {}
        self._secrets: dict[str, set[str]] = {}
        self._users: dict[str, set[str]] = {}

    def wake(self, uid: str) -> None:
        """It is the turn of the import of that UID, if there is one."""
        key = self._keys.get(uid)
        if key is not None:
            self._imports.add(key)

    def watches(self, namespaces: tuple[str, ...]) -> Iterator[tuple[Watched, OnChange]]:
        """What has to be watched, and what to do then."""
        for namespace in namespaces or ("",):
            yield Watched(IMPORT, namespace, metadata=False), self._import
            for kind in SOURCES.values():
                yield Watched(kind, namespace, metadata=False), self._source
            yield Watched(SECRET, namespace), self._secret
            yield Watched(CONFIG_MAP, namespace, IMPORT_LABEL), self._later
            for kind in (JOB, POD):
                yield Watched(kind, namespace, IMPORT_LABEL), self._soon
            yield Watched(CLAIM, namespace, IMPORT_LABEL), self._soon
            for kind in (IMAGE, MACHINE):
                yield Watched(kind, namespace, IMPORT_UID), self._soon

    def _import(self, vmi: Object, gone: bool) -> None:  # noqa: FBT001 -- OnChange
        meta = vmi["metadata"]
        key = f"{meta['namespace']}/{meta['name']}"
        if gone:
            self._keys.pop(meta["uid"], None)
            self._seen.pop(key, None)
            self._imports.add(key)
            return
        self._keys[meta["uid"]] = key
        ref = (vmi.get("spec") or {}).get("sourceCluster") or {}
        source = f"{str(ref.get('kind')).lower()}/{ref.get('namespace') or meta['namespace']}/{ref.get('name')}"
        self._users.setdefault(source, set()).add(key)
        # our own changes of the status are no reason for another pass
        seen = (meta["uid"], meta.get("generation"), meta.get("deletionTimestamp"))
        if self._seen.get(key) != seen:
            self._seen[key] = seen
            self._imports.add(key)

    def _source(self, source: Object, gone: bool) -> None:  # noqa: FBT001 -- OnChange
        if self._on_source is not None:
            self._on_source(source, gone)
        meta = source["metadata"]
        key = f"{source['kind']}/{meta['namespace']}/{meta['name']}"
        ref = (source.get("spec") or {}).get("credentials") or {}
        if ref.get("name"):
            secret = f"{ref.get('namespace') or meta['namespace']}/{ref['name']}"
            self._secrets.setdefault(secret, set()).add(key)
        spec = (meta["uid"], meta.get("generation"), gone)
        if self._seen.get(key) != spec:
            self._seen[key] = spec
            self._sources.add(key)
        status = (source.get("status") or {}).get("status")
        if self._seen.get(f"{key}/status") != (status, gone):
            self._seen[f"{key}/status"] = (status, gone)
            for user in self._users.get(f"{source['kind'].lower()}/{meta['namespace']}/{meta['name']}", ()):
                self._imports.add(user)

    def _secret(self, secret: Object, _gone: bool) -> None:  # noqa: FBT001 -- OnChange
        meta = secret["metadata"]
        for source in self._secrets.get(f"{meta['namespace']}/{meta['name']}", ()):
            self._sources.add(source)

    def _soon(self, obj: Object, _gone: bool) -> None:  # noqa: FBT001 -- OnChange
        self.wake(_uid(obj))

    def _later(self, obj: Object, _gone: bool) -> None:  # noqa: FBT001 -- OnChange
        key = self._keys.get(_uid(obj))
        if key is not None:
            self._imports.add_after(key, REPORT_DELAY_S)


def _uid(obj: Object) -> str:
    labels = obj["metadata"].get("labels") or {}
    return str(labels.get(IMPORT_LABEL) or labels.get(IMPORT_UID) or "")
