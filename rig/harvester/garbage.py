"""The garbage collector: what an owner leaves behind goes, too."""

from rig.harvester.kinds import (
    CLAIMS,
    CONFIG_MAPS,
    IMAGES,
    INSTANCES,
    JOBS,
    MACHINES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    Kind,
)
from rig.harvester.kube import ApiError, Object
from rig.harvester.world import World, deleting, guarded

DEPENDENTS = (
    PODS,
    JOBS,
    CLAIMS,
    SECRETS,
    CONFIG_MAPS,
    SERVICE_ACCOUNTS,
    ROLES,
    ROLE_BINDINGS,
    IMAGES,
    MACHINES,
    INSTANCES,
)
"""The kinds that are collected."""
_FOREGROUND = "foregroundDeletion"
_ORPHAN = "orphan"


class GarbageCollector:
    """Background and foreground deletion, and orphans, by ``ownerReferences``."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kinds: dict[tuple[str, str], Kind] = {(kind.api_version, kind.kind): kind for kind in DEPENDENTS}

    def step(self) -> None:
        """Delete every object none of whose owners is left."""
        everything = [(kind, item) for kind in DEPENDENTS for item in self._world.mirror(kind).all()]
        owned: dict[str, list[tuple[Kind, Object]]] = {}
        for kind, item in everything:
            for reference in item["metadata"].get("ownerReferences") or []:
                owned.setdefault(reference["uid"], []).append((kind, item))
        owners = [(kind, item) for kind in self._owner_kinds(everything) for item in self._world.mirror(kind).all()]
        for kind, item in owners:
            if deleting(item):
                mine = owned.get(item["metadata"]["uid"], [])
                guarded(self._world, self._finalize, kind, item, mine)
        present = {item["metadata"]["uid"] for _, item in owners}
        for kind, item in everything:
            references = item["metadata"].get("ownerReferences") or []
            if references and not deleting(item) and not any(each["uid"] in present for each in references):
                guarded(self._world, self._collect, kind, item)

    def stop(self) -> None:
        """Nothing runs here."""

    def _owner_kinds(self, everything: list[tuple[Kind, Object]]) -> set[Kind]:
        found = set(DEPENDENTS)
        for _, item in everything:
            for reference in item["metadata"].get("ownerReferences") or []:
                kind = self._kind(reference)
                if kind is not None:
                    found.add(kind)
        return found

    def _kind(self, reference: Object) -> Kind | None:
        """The kind of an owner, by the API's discovery; None for one that is not served."""
        key = (reference["apiVersion"], reference["kind"])
        if key not in self._kinds:
            root = "/apis/" if "/" in key[0] else "/api/"
            try:
                resources = self._world.kube.request("GET", root + key[0])["resources"]
            except ApiError:
                return None
            for resource in resources:
                if resource["kind"] == key[1] and "/" not in resource["name"]:
                    self._kinds[key] = Kind(key[0], key[1], resource["name"], resource["namespaced"])
        return self._kinds.get(key)

    def _collect(self, kind: Kind, item: Object) -> None:
        meta = item["metadata"]
        for reference in meta["ownerReferences"]:  # our copies may be behind: ask the server itself
            owner_kind = self._kind(reference)
            if owner_kind is None:
                return  # nobody knows whether it is there: nothing is deleted on a guess
            found = self._world.kube.find(owner_kind, meta.get("namespace", ""), reference["name"])
            if found is not None and found["metadata"]["uid"] == reference["uid"]:
                return
        self._delete(kind, item)

    def _finalize(self, kind: Kind, item: Object, mine: list[tuple[Kind, Object]]) -> None:
        finalizers = item["metadata"].get("finalizers") or []
        if _FOREGROUND in finalizers:
            for each, dependent in mine:
                if not deleting(dependent):
                    self._delete(each, dependent, propagationPolicy="Foreground")
            if not mine:
                self._world.kube.drop_finalizer(kind, item, _FOREGROUND)
        elif _ORPHAN in finalizers:
            for each, dependent in mine:
                left = [r for r in dependent["metadata"]["ownerReferences"] if r["uid"] != item["metadata"]["uid"]]
                self._world.kube.patch(each, dependent, {"metadata": {"ownerReferences": left}})
            self._world.kube.drop_finalizer(kind, item, _ORPHAN)

    def _delete(self, kind: Kind, item: Object, **options: object) -> None:
        try:
            self._world.kube.delete(kind, item, **options)
        except ApiError as error:
            # a webhook refuses what is in use: it is tried again, as the real collector does
            self._world.event(item, "FailedDelete", error.message)
