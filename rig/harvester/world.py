"""What the controllers share: the API server, their copies of its objects, the folder and the faults."""

import contextlib
import http.client
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from rig.harvester.faults import Faults, Pace
from rig.harvester.kinds import EVENTS, Kind
from rig.harvester.kube import CONFLICT, NOT_FOUND, ApiError, Kube, Object
from rig.harvester.mirror import Mirror

_PAUSE_S = 0.02
_RESYNC_S = 0.5


class World:
    """The state of the simulation outside the API server."""

    def __init__(self, kube: Kube, root: Path, pace: Pace) -> None:
        self.kube = kube
        self.root = root
        self.pace = pace
        self.faults = Faults()
        self.problems: list[str] = []
        """Tracebacks of the rig's own defects: a test fails when there are any."""
        self._mirrors: dict[Kind, Mirror] = {}
        self._wakes: list[threading.Event] = []
        self._told: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()

    def mirror(self, kind: Kind) -> Mirror:
        """The copy of a kind's objects; the first to ask waits for the first list."""
        with self._lock:
            found = self._mirrors.get(kind)
            if found is None:
                found = self._mirrors[kind] = Mirror(self.kube, kind, self.wake)
        found.wait()
        return found

    def wake(self) -> None:
        """Something changed: every controller looks again."""
        for wake in self._wakes:
            wake.set()

    def register(self, wake: threading.Event) -> None:
        """Set this event whenever something changes."""
        self._wakes.append(wake)

    def close(self) -> None:
        """End the watches."""
        for mirror in list(self._mirrors.values()):
            mirror.stop()
        self.kube.close()

    def take_cut(self) -> int | None:
        """The byte at which the download that begins now breaks off, if it is one of those that do."""
        with self._lock:
            if not self.faults.cut_downloads:
                return None
            self.faults = replace(self.faults, cut_downloads=self.faults.cut_downloads - 1)
            return self.faults.cut_at

    def event(self, item: Object, reason: str, message: str, *, warning: bool = True) -> None:
        """Record an event of an object, once for each message."""
        meta = item["metadata"]
        told = (meta["uid"], reason, message)
        if told in self._told:
            return
        self._told.add(told)
        now = timestamp()
        namespace = meta.get("namespace", "default")
        body = {
            "metadata": {"generateName": f"{meta['name'][:50]}.", "namespace": namespace},
            "involvedObject": {
                "apiVersion": item["apiVersion"],
                "kind": item["kind"],
                "namespace": meta.get("namespace", ""),
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "source": {"component": "simulated-harvester"},
        }
        with contextlib.suppress(ApiError):  # its namespace may be going
            self.kube.create(EVENTS, body)


class Controller(Protocol):
    """One pass over the world: observe everything, do what is missing."""

    def step(self) -> None:
        """Look and act; never wait long."""
        ...

    def stop(self) -> None:
        """End what it started."""
        ...


class Loop:
    """Runs a controller's passes whenever something changed, and now and then."""

    def __init__(self, world: World, controller: Controller) -> None:
        self._world = world
        self._controller = controller
        self._wake = threading.Event()
        self._stopped = threading.Event()
        world.register(self._wake)
        self._thread = threading.Thread(target=self._run, name=type(controller).__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the passes, then the controller."""
        self._stopped.set()
        self._wake.set()
        self._thread.join()
        self._controller.stop()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            guarded(self._world, self._controller.step)
            time.sleep(_PAUSE_S)  # so that a burst of changes is one pass
            self._wake.wait(_RESYNC_S)


def guarded(world: World, action: Callable[..., None], *args: object) -> bool:
    """Do something that a change in the meantime may spoil: then the next pass does it.

    Returns:
        whether it was done.
    """
    try:
        action(*args)
    except ApiError as error:
        passing = (
            error.status in {CONFLICT, NOT_FOUND, http.HTTPStatus.TOO_MANY_REQUESTS}
            or error.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR
        )
        if not passing and "being terminated" not in error.message:
            world.problems.append(traceback.format_exc())
        return False
    except (OSError, http.client.HTTPException):
        return False  # the API server is away
    except Exception:  # noqa: BLE001 - a defect of the rig is a test's to report, from a thread
        world.problems.append(traceback.format_exc())
        return False
    return True


def timestamp() -> str:
    """Now, as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_true(item: Object, kind: str) -> bool:
    """Whether an object's condition of that type is True."""
    return any(c["type"] == kind and c["status"] == "True" for c in conditions(item))


def conditions(item: Object) -> Sequence[Object]:
    """An object's conditions."""
    found: Sequence[Object] = (item.get("status") or {}).get("conditions") or []
    return found


def deleting(item: Object) -> bool:
    """Whether an object is on its way out."""
    return "deletionTimestamp" in item["metadata"]


def owner(item: Object, *, controller: bool = True) -> Object:
    """A reference to the owner of something."""
    meta = item["metadata"]
    reference = {"apiVersion": item["apiVersion"], "kind": item["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {**reference, "controller": controller, "blockOwnerDeletion": controller}
