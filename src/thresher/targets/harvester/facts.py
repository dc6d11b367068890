"""What is seen of Harvester's objects, as frozen facts. Purely computational.

Sources: harvester/harvester (pkg/apis/harvesterhci.io/v1beta1/image.go) and KubeVirt's API reference.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from thresher.model.units import Bytes
from thresher.targets.harvester.objects import Object
from thresher.targets.manifests import Backend, ImageRef
from thresher.targets.manifests.values import IMPORT_UID

_NONE = Bytes(0)
DEFAULT_CLASS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
"""The annotations of the cluster's default class; Kubernetes' own admission still heeds both ("Storage Classes")."""
LONGHORN = "driver.longhorn.io"
DISK_KEY = "thresher.harvesterhci.io/disk"
"""Our annotation on an image: which disk it was made of."""
ATTEMPT = "thresher.harvesterhci.io/attempt"
"""Our annotation on an image: how many were made of the disk before it."""


class ImageWord(StrEnum):
    """How far a VirtualMachineImage is."""

    SUBMITTED = "submitted"
    IMPORTING = "importing"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One VirtualMachineImage of an import.

    Attributes:
        name: in the import's namespace.
        uid: of this very object.
        key: of the disk it was made of.
        attempt: how many were made of the disk before.
        word: how far it is.
        percent: 0 to 100.
        message: Harvester's own words, where it failed.
        failed_at: when it failed.
        size: its virtual size.
        storage_class: what its volumes have to use.
        backend: how it is stored.
        leaving: whether it is being deleted.
    """

    name: str
    uid: str
    key: str
    attempt: int
    word: ImageWord
    percent: int = 0
    message: str = ""
    failed_at: datetime | None = None
    size: Bytes = _NONE
    storage_class: str | None = None
    backend: Backend = Backend.BACKING_IMAGE
    leaving: bool = False

    @property
    def ref(self) -> ImageRef:
        """As the translation wants it."""
        return ImageRef(self.name, self.size, self.storage_class, self.backend)


def image_facts(image: Object) -> ImageFacts:
    """Read a VirtualMachineImage.

    ``Imported`` True: done. ``RetryLimitExceeded`` True: dead, and its message says why. No controller sets
    a reason ``ImportFailed``, so that nothing here looks for it.
    """
    meta, spec, status = image["metadata"], image.get("spec") or {}, image.get("status") or {}
    notes = meta.get("annotations") or {}
    conditions = {c.get("type"): c for c in status.get("conditions") or []}
    imported, dead = conditions.get("Imported") or {}, conditions.get("RetryLimitExceeded") or {}
    progress = int(status.get("progress") or 0)
    if imported.get("status") == "True":
        word = ImageWord.READY
    elif dead.get("status") == "True":
        word = ImageWord.FAILED
    else:
        word = ImageWord.IMPORTING if progress or imported else ImageWord.SUBMITTED
    failed = word is ImageWord.FAILED
    said = dead.get("message") or imported.get("message") or imported.get("reason") or ""
    return ImageFacts(
        name=meta["name"],
        uid=meta["uid"],
        key=notes.get(DISK_KEY, ""),
        attempt=int(notes.get(ATTEMPT, "0")),
        word=word,
        percent=100 if word is ImageWord.READY else max(0, min(progress, 100)),
        message=said if failed else "",
        failed_at=_when(dead) if failed else None,
        size=Bytes(int(status.get("virtualSize") or status.get("size") or 0)),
        storage_class=status.get("storageClassName") or None,
        backend=Backend(spec.get("backend") or Backend.BACKING_IMAGE.value),
        leaving="deletionTimestamp" in meta,
    )


def _when(condition: Object) -> datetime | None:
    text = condition.get("lastTransitionTime") or condition.get("lastUpdateTime") or ""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def backend_of(storage_class: Object) -> Backend:
    """Which backend a storage class needs: Longhorn's first engine takes backing images, all else CDI."""
    parameters = storage_class.get("parameters") or {}
    first = storage_class.get("provisioner") == LONGHORN and parameters.get("dataEngine") == "v1"
    return Backend.BACKING_IMAGE if first else Backend.CDI


def is_default(storage_class: Object) -> bool:
    """Whether claims that name no class take this one."""
    annotations = storage_class["metadata"].get("annotations") or {}
    return any(annotations.get(key) == "true" for key in DEFAULT_CLASS)


def belongs_to(obj: Object, uid: str) -> bool:
    """Whether the import of that UID made it."""
    return (obj["metadata"].get("labels") or {}).get(IMPORT_UID) == uid


def agent_connected(machine: Object) -> bool:
    """Whether the guest agent talks to KubeVirt.

    The condition AgentConnected of the VirtualMachineInstance, which virt-controller copies to its VirtualMachine
    (kubevirt/kubevirt, pkg/virt-controller/watch, syncConditions), so that no right on instances is needed.
    """
    conditions = (machine.get("status") or {}).get("conditions") or []
    return any(c.get("type") == "AgentConnected" and c.get("status") == "True" for c in conditions)


def machine_message(machine: Object) -> str:
    """Why a VirtualMachine does not run, in KubeVirt's words; "" where it says nothing."""
    status = machine.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("type") in ("Failure", "Ready", "PodScheduled") and condition.get("message"):
            return str(condition["message"])
    return str(status.get("printableStatus") or "")
