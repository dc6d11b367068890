"""The new VM's volumes, where the worker writes them itself: what is made, and what is seen of them. Pure.

A volume is not the import's own, so that a VM that is there keeps it; a label says which import made it. What cannot be
seen of a block volume stands in its annotations.
"""

from dataclasses import dataclass

from thresher.model.spec import ImportSpec
from thresher.model.vm import SourceVM
from thresher.targets.harvester.facts import DISK_KEY
from thresher.targets.harvester.objects import Object
from thresher.targets.manifests import volume

COPIED = "thresher.harvesterhci.io/copied"
"""Our annotation on a volume: it holds its whole disk, proved and flushed."""
HANDED_OVER = "thresher.harvesterhci.io/handed-over"
"""Our annotation on a volume: a VM may have written to it since."""
SHA512 = "thresher.harvesterhci.io/sha512"
"""Our annotation on a volume: of the disk in it, where ``verify: sha512`` asks for it."""


@dataclass(frozen=True, slots=True)
class VolumeFacts:
    """One volume of an import.

    Attributes:
        name: of its claim, in the import's namespace.
        uid: of this very claim.
        key: of the disk in it.
        copied: whether it holds the whole disk.
        handed_over: whether a VM was made of it.
        leaving: whether it is being deleted.
        pending: what is waited for, ``10Gi from fast``; "" where the volume is there.
    """

    name: str
    uid: str
    key: str
    copied: bool = False
    handed_over: bool = False
    leaving: bool = False
    pending: str = ""


def volume_facts(claim: Object) -> VolumeFacts:
    """Read a claim."""
    meta = claim["metadata"]
    notes = meta.get("annotations") or {}
    return VolumeFacts(
        name=meta["name"],
        uid=meta["uid"],
        key=notes.get(DISK_KEY, ""),
        copied=COPIED in notes,
        handed_over=HANDED_OVER in notes,
        leaving="deletionTimestamp" in meta,
        pending=asked_for(claim) if (claim.get("status") or {}).get("phase") == "Pending" else "",
    )


def asked_for(claim: Object) -> str:
    """The size and the class that a claim asks for."""
    spec = claim["spec"]
    named = spec.get("storageClassName") or "the default storage class"
    return f"{spec['resources']['requests']['storage']} from {named}"


def new_volume(spec: ImportSpec, vm: SourceVM, index: int) -> Object:
    """The claim of disk ``index``, as it is made."""
    made: Object = dict(volume(spec, vm, index))
    return {**made, "metadata": {**made["metadata"], "annotations": {DISK_KEY: vm.disks[index].key}}}


def noted(found: VolumeFacts, **notes: str) -> Object:
    """A merge patch that adds annotations to this very claim, and to no other one of its name."""
    return {"metadata": {"uid": found.uid, "annotations": notes}}
