"""Everything that an import's preflight finds: of the source, the cluster, the scratch volume and the network."""

from collections.abc import Sequence

from thresher.model.vm import Loss, Severity
from thresher.operator.settings import Scratch
from thresher.targets.harvester.facts import is_default
from thresher.targets.harvester.objects import STORAGE_CLASS, Objects

SETTING = "--scratch-storage-class (scratch.storageClass in the chart's values)"


async def scratch_findings(objects: Objects, scratch: Scratch) -> Sequence[Loss]:
    """Why no scratch volume could ever be had, where that is so. Raises TargetError."""
    name = scratch.storage_class
    if name:
        if await objects.get(STORAGE_CLASS, "", name) is not None:
            return ()
        message = f"Workers' scratch volumes are to be of this class, but there is none: make it, or change {SETTING}."
        return (_blocker(f"storage class {name}", message),)
    if any(is_default(each) for each in await objects.list_all(STORAGE_CLASS)):
        return ()
    message = (
        f"The cluster has none for workers' scratch volumes: mark a class as the default, or name one by {SETTING}."
    )
    return (_blocker("default storage class", message),)


def _blocker(subject: str, message: str) -> Loss:
    return Loss("ScratchUnobtainable", subject, message, Severity.BLOCKER)
