"""The namespace controller: empties a namespace that is being deleted, then lets it go."""

from rig.harvester.kinds import NAMESPACES, Kind
from rig.harvester.kube import ApiError, Object
from rig.harvester.world import World, deleting, guarded


class NamespaceController:
    """Deletes everything in a namespace on its way out, of whichever kind."""

    def __init__(self, world: World) -> None:
        self._world = world

    def step(self) -> None:
        """Look at every namespace."""
        for namespace in self._world.mirror(NAMESPACES).all():
            if deleting(namespace):
                guarded(self._world, self._empty, namespace)

    def stop(self) -> None:
        """Nothing runs here."""

    def _empty(self, namespace: Object) -> None:
        name = namespace["metadata"]["name"]
        left = 0
        for kind in self._deletable():
            items = self._world.kube.list(kind, name)["items"]
            left += len(items)
            for item in items:
                if not deleting(item):
                    self._delete(kind, item)
        if not left:
            body = {**namespace, "spec": {"finalizers": []}}
            self._world.kube.request("PUT", NAMESPACES.path("", name, "finalize"), body)

    def _delete(self, kind: Kind, item: Object) -> None:
        try:
            self._world.kube.delete(kind, item, propagationPolicy="Background")
        except ApiError as error:
            # an image is refused while its volumes are there: the next pass finds them gone
            self._world.event(item, "FailedDelete", error.message)

    def _deletable(self) -> list[Kind]:
        """Every namespaced kind that can be listed and deleted, in one version each, by the API's discovery."""
        kube = self._world.kube
        versions = ["v1"] + [
            group["preferredVersion"]["groupVersion"] for group in kube.request("GET", "/apis")["groups"]
        ]
        found = []
        for version in versions:
            root = "/apis/" if "/" in version else "/api/"
            found += [
                Kind(version, resource["kind"], resource["name"])
                for resource in kube.request("GET", root + version)["resources"]
                if resource["namespaced"] and {"list", "delete"} <= set(resource["verbs"])
            ]
        return found
