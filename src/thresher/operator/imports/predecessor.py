"""Imports that Harvester's own add-on had begun, or carried out, before Thresher took its place."""

from thresher.api.status import ImportStatus
from thresher.operator.events import WARNING, Events
from thresher.operator.kinds import FINALIZER
from thresher.targets.harvester.objects import Object

UNTOUCHED = frozenset({"", ImportStatus.VALID, ImportStatus.INVALID})
"""Words under which the add-on has touched neither the source VM nor Harvester."""
REASON = "ImportedByAddon"


def begun_by_addon(vmi: Object) -> bool:
    """Whether somebody else has gone beyond the checks with this import.

    Thresher has its finalizer and its memory on what it begins; the add-on (vm-import-controller, which only reacts to
    changes) has neither, and leaves its last word. To begin a finished import anew would switch the source VM off
    again, and make a second VM with the same MAC addresses.
    """
    status = vmi.get("status") or {}
    ours = FINALIZER in (vmi["metadata"].get("finalizers") or []) or status.get("recorded")
    return not ours and status.get("importStatus", "") not in UNTOUCHED


async def tell(events: Events, vmi: Object) -> None:
    """Say that it is left alone, and what to do where that is not wanted."""
    message = (
        f"Another controller has brought this import to {vmi['status']['importStatus']}, so it is left as it is. "
        "To have it done anew, see that the source VM and what is in Harvester are as they should be, "
        "then delete the import and make it again."
    )
    await events.tell(vmi, REASON, message, WARNING)
