"""What a run says of each phase: what happens now, where the import's status says what it waits for."""

from collections.abc import Mapping
from types import MappingProxyType

from thresher.imports.phases import TABLE, Phase
from thresher.imports.status import ImportStatus
from thresher.model.units import human

_PHRASES: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.PENDING: "looking at the source and at what would be lost",
        Phase.VALID: "checked, {warnings}",
        Phase.COPYING: "copying {disks}{size}",
        Phase.EXPORTED: "{disks} copied and proved",
        Phase.SUBMITTED: "the raw files are the images here: nothing to upload",
        Phase.IMAGES_READY: "describing the new VM: domain.xml, manifests.yaml",
        Phase.CREATED: "the new VM is described; starting it with QEMU",
        Phase.HALTED: "the new VM is ready, and not started: --boot starts it",
        Phase.RUNNING: "the new VM runs",
    }
)
"""For imports on this machine; a phase that is not here speaks for itself."""
_ENDS: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.INVALID: "it cannot be done as asked, and nothing was touched",
        Phase.FAILED: "it gave up; the same command again goes on",
    }
)
"""The reason is not repeated: it was told when it happened, and is told once more at the end."""


def phrase(status: ImportStatus) -> str:
    """A sentence's worth on ``status``: what is being done, or what went wrong."""
    if status.phase in _ENDS:
        return _ENDS[status.phase]
    rule = TABLE[status.phase]
    all_is_well = rule.succeeded or status.message == f"Waiting for {rule.waits_for}."
    if not all_is_well or status.phase not in _PHRASES:
        return status.message
    return _PHRASES[status.phase].format(
        warnings=_count(len(status.findings), "warning"),
        disks=_count(len(status.disks), "disk"),
        size=_size(status),
    )


def _size(status: ImportStatus) -> str:
    """How large the disks are together, where that is known of all."""
    known = [row.size for row in status.disks if row.size is not None]
    return f", {human(sum(known))}" if known and len(known) == len(status.disks) else ""


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'s' * (number != 1)}"
