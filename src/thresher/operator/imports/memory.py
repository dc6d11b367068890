"""What an import's passes must not forget: it stands in ``status.recorded``, and only the operator reads it."""

from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter, ValidationError

from thresher.imports.observed import Recorded
from thresher.imports.phases import Phase
from thresher.model.errors import TargetError
from thresher.model.vm import Loss, SourceVM
from thresher.targets.harvester.objects import Object


@dataclass(frozen=True, slots=True)
class Memory:
    """One import's memory.

    Attributes:
        generation: of the spec that this is about.
        recorded: what cannot be observed again.
        accepted: the spec as it was accepted; None before. From then on it holds, whatever the object says.
        vm: the source VM as it was found, so that a restart needs no source to go on.
        findings: of the preflight; None until it ran.
        phase: what was told last.
        failed_job: the UID of the last Job whose failure is counted.
        over: nothing is to be done any more.
    """

    generation: int = 0
    recorded: Recorded = field(default_factory=Recorded)
    accepted: Object | None = None
    vm: SourceVM | None = None
    findings: tuple[Loss, ...] | None = None
    phase: Phase = Phase.PENDING
    failed_job: str = ""
    over: bool = False

    def forget_checks(self) -> "Memory":
        """Find the VM and check everything anew."""
        return replace(self, vm=None, findings=None)


_CODEC = TypeAdapter(Memory)


def load(text: str | None) -> Memory:
    """Read what :func:`dump` wrote.

    Raises:
        TargetError: it cannot be read. Going on without it could leave a source VM switched off.
    """
    if not text:
        return Memory()
    try:
        return _CODEC.validate_json(text)
    except ValidationError as error:
        raise TargetError(
            "status.recorded cannot be read, so nothing is done: see that the source VM is as it should be, "
            "then delete the import and make it again."
        ) from error


def dump(memory: Memory) -> str:
    """Write it down."""
    return _CODEC.dump_json(memory, exclude_defaults=True).decode()
