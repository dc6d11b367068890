"""Writes the status of imports, and sees that it was kept."""

from thresher.model.errors import TargetError
from thresher.operator.events import WARNING
from thresher.operator.imports.tools import Tools
from thresher.operator.kinds import IMPORT
from thresher.targets.harvester.objects import Object


class DefinitionsOutdated(TargetError):
    """The cluster's definition of the kind has no place for what Thresher has to remember."""

    reason = "DefinitionsOutdated"


async def write_status(tools: Tools, vmi: Object, patch: Object) -> None:
    """Merge ``patch`` into the import's status.

    Raises:
        DefinitionsOutdated: the API server has dropped ``recorded``, as it does with every field that the CRD does not
            have: the add-on's is there in place of Thresher's. To go on would be to forget that a source VM ran.
    """
    meta = vmi["metadata"]
    kept = await tools.kube.merge(IMPORT, meta["namespace"], meta["name"], {"status": patch}, sub="status")
    asked = patch.get("recorded")
    if kept is None or not asked or (kept.get("status") or {}).get("recorded") == asked:
        return
    error = DefinitionsOutdated(
        "This cluster has another definition of VirtualMachineImport, such as the add-on's, and drops what Thresher "
        "must remember, so nothing is done: kubectl apply --server-side --force-conflicts -f deploy/crds."
    )
    await tools.events.tell(vmi, error.reason, str(error), WARNING)
    raise error
