"""The image controller: VirtualMachineImages become files of bytes.

Conditions, messages and counters as in harvester/harvester, pkg/image/common/operator.go.
"""

import contextlib
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.harvester.crds import DEFAULT_CLASS, LONGHORN, storage_class
from rig.harvester.download import DownloadFailed, Outcome, run
from rig.harvester.kinds import CLAIMS, IMAGES, STORAGE_CLASSES
from rig.harvester.kube import ApiError, Object
from rig.harvester.world import World, conditions, deleting, guarded, is_true, owner, timestamp

DEFAULT_RETRIES = 3
GOLDEN = "harvesterhci.io/goldenImage"
IMAGE_ID = "harvesterhci.io/imageId"


@dataclass(frozen=True, slots=True)
class Download:
    """One attempt to get an image's bytes, as it ended.

    Attributes:
        namespace: the image's.
        name: the image's.
        total: its size in bytes, 0 where it failed before that was known.
        gzip: whether it came compressed.
        message: why it failed; "" where it did not.
    """

    namespace: str
    name: str
    total: int
    gzip: bool
    message: str


class ImageController:
    """Gives each image a thread until it is imported, dead or gone."""

    def __init__(self, world: World) -> None:
        self.downloads: list[Download] = []
        self._world = world
        self._work: dict[str, _Work] = {}
        (world.root / "images").mkdir()

    def step(self) -> None:
        """Start what is new, stop what is gone."""
        present = set()
        for image in self._world.mirror(IMAGES).all():
            uid = image["metadata"]["uid"]
            present.add(uid)
            ended = is_true(image, "Imported") or is_true(image, "RetryLimitExceeded") or deleting(image)
            if not ended and image["spec"]["sourceType"] == "download" and not self._at_work(uid):
                self._work[uid] = _Work(self._world, image, self.downloads)
        for uid in set(self._work) - present:
            self._work.pop(uid).discard()

    def _at_work(self, uid: str) -> bool:
        work = self._work.get(uid)
        return work is not None and not work.broken()

    def stop(self) -> None:
        """Stop every download."""
        for work in self._work.values():
            work.stop()


def file_of(world: World, image: Object) -> Path:
    """Where an image's bytes are."""
    return world.root / "images" / f"{image['metadata']['uid']}.raw"


class _Work:
    """One image, from its first HEAD to its end."""

    def __init__(self, world: World, image: Object, downloads: list[Download]) -> None:
        self._world = world
        self._image = image
        self._downloads = downloads
        self._cdi = image["spec"].get("backend") == "cdi"
        self._file = file_of(world, image)
        self._status: Object = {"failed": 0, "progress": 0} | image.get("status", {})
        self._conditions: dict[str, Object] = {item["type"]: item for item in conditions(image)}
        self._stopped = threading.Event()
        self._finished = False
        self._thread = threading.Thread(target=lambda: guarded(world, self._run), daemon=True)
        self._thread.start()

    def broken(self) -> bool:
        """Whether the API server was away, or something is wrong: it has to begin again."""
        return not self._thread.is_alive() and not self._finished

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def discard(self) -> None:
        """The image was deleted: its class and bytes go, too."""
        self.stop()
        self._file.unlink(missing_ok=True)
        if not self._cdi:
            found = self._world.kube.find(STORAGE_CLASSES, "", self._class())
            if found:
                self._world.kube.delete(STORAGE_CLASSES, found)

    def _run(self) -> None:
        while not self._stopped.is_set() and not self._attempt():
            failed = self._status["failed"]
            if failed > self._image["spec"].get("retry", DEFAULT_RETRIES):
                break
            self._stopped.wait(self._world.pace.image_retry_s * 2 ** (failed - 1))
        self._finished = True

    def _attempt(self) -> bool:
        phase = "Initialized"
        try:
            total = run(["-head", *self._patience(), self._url()], self._stopped, _ignore).total
            self._status["size"] = total
            self._initialize()
            phase = "Imported"
            outcome = self._download()
        except DownloadFailed as failure:
            if not self._stopped.is_set():
                self._note(self._status.get("size", 0), gzip=False, message=str(failure))
                self._fail(phase, str(failure))
            return False
        self._note(outcome.total, gzip=outcome.gzip, message="")
        self._imported(outcome)
        return True

    def _download(self) -> Outcome:
        words = ["-out", str(self._file), *self._patience()]
        cut = self._world.take_cut()
        words += ["-cut-at", str(cut)] if cut is not None else []
        words += ["-rate", str(self._world.faults.rate)] if self._world.faults.rate else []
        words += ["-cdi"] if self._cdi else []
        outcome = run([*words, self._url()], self._stopped, self._progress)
        expected = self._image["spec"].get("checksum", "")
        if expected and not self._cdi and expected != outcome.checksum:
            raise DownloadFailed(f"the expected checksum {expected} doesn't match the file checksum {outcome.checksum}")
        return outcome

    def _patience(self) -> list[str]:
        pace = self._world.pace
        return ["-idle", f"{pace.idle_s}s", "-begin", f"{pace.begin_s}s"]

    def _initialize(self) -> None:
        if not self._cdi:
            base = self._world.mirror(STORAGE_CLASSES).get("", self._target() or DEFAULT_CLASS)
            parameters = dict((base or {}).get("parameters") or {"dataEngine": "v1"})
            parameters["backingImage"] = f"vmi-{self._uid()}"
            self._world.kube.ensure(STORAGE_CLASSES, storage_class(self._class(), LONGHORN, parameters))
        self._status |= {"appliedUrl": self._url(), "storageClassName": self._class(), "progress": 0}
        self._condition("Initialized", "True", "Initialized")
        self._condition("Imported", "Unknown", "Importing")
        self._write()

    def _progress(self, done: int, total: int) -> None:
        # 100 is said only of what is ready
        self._status["progress"] = min(99, done * 100 // total)
        with contextlib.suppress(ApiError, OSError):  # the image may be gone: the next pass stops this thread
            self._write()

    def _imported(self, outcome: Outcome) -> None:
        self._status |= {"progress": 100, "size": outcome.total, "virtualSize": outcome.total}
        if self._cdi:
            self._world.kube.ensure(CLAIMS, self._golden(outcome.total))
        self._condition("Imported", "True", "Imported")
        self._condition("RetryLimitExceeded", "False")
        self._write()

    def _golden(self, size: int) -> Object:
        """With CDI the image is a claim of the same name."""
        meta = self._image["metadata"]
        return {
            "metadata": {
                "name": meta["name"],
                "namespace": meta["namespace"],
                "annotations": {GOLDEN: "true", IMAGE_ID: f"{meta['namespace']}/{meta['name']}"},
                "ownerReferences": [owner(self._image)],
            },
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "volumeMode": "Block",
                "storageClassName": self._class(),
                "resources": {"requests": {"storage": str(size)}},
            },
        }

    def _fail(self, phase: str, message: str) -> None:
        retries = self._image["spec"].get("retry", DEFAULT_RETRIES)
        self._status["failed"] += 1
        self._status["lastFailedTime"] = timestamp()
        failed = self._status["failed"]
        words = f"failed due to error: {message}"
        if failed > 1:
            words = f"retry attempted {failed - 1}/{retries} {words}"
        dead = failed > retries
        self._condition("RetryLimitExceeded", "True" if dead else "False", message=words)
        if dead:
            self._condition(phase, "False", message=words)
        self._write()

    def _condition(self, kind: str, status: str, reason: str = "", message: str = "") -> None:
        old = self._conditions.get(kind, {})
        since = old.get("lastTransitionTime") if old.get("status") == status else timestamp()
        self._conditions[kind] = {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": since,
            "lastUpdateTime": timestamp(),
        }

    def _write(self) -> None:
        change: dict[str, Any] = {"status": {**self._status, "conditions": list(self._conditions.values())}}
        self._world.kube.patch(IMAGES, self._image, {**change, "metadata": {"uid": self._uid()}})

    def _note(self, total: int, *, gzip: bool, message: str) -> None:
        meta = self._image["metadata"]
        self._downloads.append(Download(meta["namespace"], meta["name"], total, gzip, message))

    def _class(self) -> str:
        return self._target() or DEFAULT_CLASS if self._cdi else f"lh-{self._uid()}"

    def _target(self) -> str:
        return str(self._image["spec"].get("targetStorageClassName", ""))

    def _url(self) -> str:
        return str(self._image["spec"]["url"])

    def _uid(self) -> str:
        return str(self._image["metadata"]["uid"])


def _ignore(_done: int, _total: int) -> None:
    """A HEAD has no progress."""
