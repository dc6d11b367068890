"""A copy of all objects of one kind, kept by list and watch."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence

from rig.harvester.kinds import Kind
from rig.harvester.kube import ApiError, Kube, Object, hang_up

_AGAIN_S = 0.2
Key = tuple[str, str]


class Mirror:
    """What the API server holds of one kind, a moment ago. Its objects are not to be changed."""

    def __init__(self, kube: Kube, kind: Kind, changed: Callable[[], None]) -> None:
        self.kind = kind
        self._kube = kube
        self._changed = changed
        self._objects: dict[Key, Object] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._synced = threading.Event()
        self._connection: http.client.HTTPSConnection | None = None
        self._thread = threading.Thread(target=self._run, name=f"mirror-{kind.plural}", daemon=True)
        self._thread.start()

    def all(self) -> Sequence[Object]:
        """Every object."""
        with self._lock:
            return list(self._objects.values())

    def get(self, namespace: str, name: str) -> Object | None:
        """One object."""
        with self._lock:
            return self._objects.get((namespace, name))

    def uids(self) -> set[str]:
        """The UIDs of all objects."""
        return {item["metadata"]["uid"] for item in self.all()}

    def wait(self) -> None:
        """Wait for the first list."""
        if not self._synced.wait(30):
            raise TimeoutError(f"no list of {self.kind.plural} within 30 s")

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()
        if self._connection is not None:
            hang_up(self._connection)
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._watch(self._list())
            except (ApiError, OSError, http.client.HTTPException, ValueError):
                time.sleep(_AGAIN_S)  # the API server restarts, or the version is gone: list anew

    def _list(self) -> str:
        found = self._kube.list(self.kind)
        with self._lock:
            self._objects = {_key(item): _named(item, self.kind) for item in found["items"]}
        self._synced.set()
        self._changed()
        version: str = found["metadata"]["resourceVersion"]
        return version

    def _watch(self, version: str) -> None:
        connection = self._connection = self._kube.connection()
        connection.timeout = 400
        try:
            target = f"{self.kind.path()}?watch=1&timeoutSeconds=300&resourceVersion={version}"
            connection.request("GET", target, headers=self._kube.headers())
            if self._stopped.is_set():
                return
            with connection.getresponse() as reply:  # a server that goes away says Connection: close
                while not self._stopped.is_set() and (line := reply.readline()):
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    self._take(event["type"], event["object"])
        finally:
            connection.close()

    def _take(self, what: str, item: Object) -> None:
        with self._lock:
            if what == "DELETED":
                self._objects.pop(_key(item), None)
            else:
                self._objects[_key(item)] = _named(item, self.kind)
        self._changed()


def _key(item: Object) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _named(item: Object, kind: Kind) -> Object:
    """An item of a list does not say what it is."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, **item}
