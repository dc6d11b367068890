"""The controller of imports: each pass looks, decides, acts once, and derives the status at the end of it."""

import logging

from pydantic import ValidationError

from thresher.api.convert import import_spec
from thresher.api.virtualmachineimport import VirtualMachineImport
from thresher.imports.observed import Failure
from thresher.imports.phases import Phase
from thresher.imports.status import Condition, Truth, stamp
from thresher.model.errors import UsageError
from thresher.operator.events import WARNING
from thresher.operator.imports.look import deleted_at
from thresher.operator.imports.memory import Memory, load
from thresher.operator.imports.passes import Pass
from thresher.operator.imports.predecessor import begun_by_addon, tell
from thresher.operator.imports.tools import Tools
from thresher.operator.imports.written import write_status
from thresher.operator.kinds import FINALIZER, IMPORT
from thresher.operator.status import changes, from_json, to_json
from thresher.targets.harvester.objects import Object

log = logging.getLogger(__name__)

SUSPEND = "suspend"


class ImportController:
    """Drives imports, one pass at a time.

    Args:
        tools: what passes work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._uids: dict[str, str] = {}

    async def reconcile(self, key: str) -> float | None:
        """One pass of ``namespace/name``.

        Returns:
            Seconds until the next one is due; None where only a change can help.

        Raises:
            TargetError: the API server did not answer; nothing was decided.
        """
        namespace, name = key.split("/")
        vmi = await self._tools.kube.get(IMPORT, namespace, name)
        if vmi is None:
            self._forget(key)
            return None
        if begun_by_addon(vmi):
            await tell(self._tools.events, vmi)
            return None
        self._uids[key] = vmi["metadata"]["uid"]
        if not await self._has_finalizer(vmi):
            return None
        try:
            memory = self._taken_up(vmi, load((vmi.get("status") or {}).get("recorded")))
            typed = VirtualMachineImport.model_validate(_held_to(vmi, memory))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
            return await self._invalid(vmi, f"The import cannot be carried out as written: {wrong}.")
        held, late = _held_to(vmi, memory), 0
        if held["spec"] != vmi["spec"]:
            late = vmi["metadata"].get("generation", 0)
        return await Pass(self._tools, held, import_spec(typed), typed.source_ref, memory, late).run()

    def _forget(self, key: str) -> None:
        uid = self._uids.pop(key, None)
        if uid is not None:
            self._tools.slots.give_back(uid)
            self._tools.bandwidth.ends(uid)
            self._tools.power.forget(uid)
            self._tools.metrics.forget(uid)

    async def _has_finalizer(self, vmi: Object) -> bool:
        """Whether the import is ours to care for; the finalizer comes before anything that it has to undo."""
        meta = vmi["metadata"]
        there = meta.get("finalizers") or []
        if FINALIZER in there:
            return True
        if deleted_at(vmi) is not None:
            return False
        patch = {"metadata": {"finalizers": [*there, FINALIZER], "resourceVersion": meta["resourceVersion"]}}
        return await self._tools.kube.merge(IMPORT, meta["namespace"], meta["name"], patch) is not None

    def _taken_up(self, vmi: Object, memory: Memory) -> Memory:
        """A changed spec is taken up until the checks have passed; what failed under the old one is forgotten."""
        generation = vmi["metadata"].get("generation", 0)
        if memory.accepted is None and memory.generation != generation:
            return Memory(generation=generation)
        if memory.accepted is None and memory.phase is Phase.INVALID:
            return memory.forget_checks()  # the VM or the cluster may have changed meanwhile
        return memory

    async def _invalid(self, vmi: Object, message: str) -> float | None:
        meta, before = vmi["metadata"], vmi.get("status") or {}
        failure = Failure.of(UsageError(message))
        ready = (Condition("Ready", Truth.FALSE, failure.reason, failure.message),)
        stamped = stamp(ready, from_json(before.get("conditions")), self._tools.clock())
        after = {
            **before,
            "importStatus": "virtualMachineImportInvalid",
            "conditions": to_json(stamped, meta.get("generation")),
            "observedGeneration": meta.get("generation"),
        }
        patch = changes(before, after)
        if patch:
            await write_status(self._tools, vmi, patch)
            await self._tools.events.tell(vmi, failure.reason, failure.message, WARNING)
        return None


def _held_to(vmi: Object, memory: Memory) -> Object:
    """The import with the spec that holds: the accepted one, from when there is one. ``suspend`` is always heard."""
    if memory.accepted is None:
        return vmi
    asked = {key: value for key, value in vmi["spec"].items() if key == SUSPEND}
    return {**vmi, "spec": {**{k: v for k, v in memory.accepted.items() if k != SUSPEND}, **asked}}
