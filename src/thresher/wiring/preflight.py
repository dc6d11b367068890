"""A target's preflight, with the rules that a plan judges by."""

from collections.abc import Sequence

from thresher.model.spec import ImportSpec
from thresher.model.vm import Loss, SourceVM
from thresher.plan.rules import machine_findings
from thresher.ports import Preflight


class WithRules:
    """What a target finds, and what the rules of a plan find of the same VM.

    Args:
        target: the target's own preflight.
    """

    def __init__(self, target: Preflight) -> None:
        self._target = target

    async def findings(self, spec: ImportSpec, vm: SourceVM) -> Sequence[Loss]:
        """Every finding at once, blockers and warnings; nothing is touched. Raises TargetError."""
        return (*await self._target.findings(spec, vm), *machine_findings(spec, vm))
