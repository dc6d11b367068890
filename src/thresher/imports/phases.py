"""The phases of an import, in one table. Purely computational: no I/O, no clock.

A phase is never remembered. It is where a walk through the table ends: from :data:`START`, along the first
edge whose fact holds, until none does. So a restarted process, or one that lost its memory, stands where the
world stands. The diagram in ``docs/import-phases.md`` is drawn from the same table.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class StatusWord(StrEnum):
    """``status.importStatus`` of ``migration.harvesterhci.io/v1beta1``, in Harvester's words."""

    NONE = ""
    VALID = "virtualMachineImportValid"
    INVALID = "virtualMachineImportInvalid"
    SOURCE_READY = "sourceReady"
    DISKS_EXPORTED = "disksExported"
    IMAGE_SUBMITTED = "diskImageSubmitted"
    IMAGES_READY = "diskImagesReady"
    IMAGE_FAILED = "diskImageFailed"
    VM_CREATED = "virtualMachineCreated"
    VM_RUNNING = "virtualMachineRunning"
    FAILED = "VMMigrationFailed"


class Fact(StrEnum):
    """What moves an import on, in words that a diagram can carry."""

    CHECKS_PASSED = "checks passed"
    CHECKS_FAILED = "something blocks it"
    SOURCE_READY = "source ready"
    DISKS_DONE = "every disk copied and proved"
    IMAGES_SUBMITTED = "every image submitted"
    IMAGE_FAILED = "an image failed"
    IMAGES_READY = "every image ready"
    VM_EXISTS = "new VM exists"
    VM_RUNS = "new VM runs"
    SHALL_NOT_RUN = "not to be started"
    GAVE_UP = "gave up"
    DELETION_ASKED = "deletion asked"
    SUSPENSION_ASKED = "suspension asked"


class Phase(StrEnum):
    """Where an import stands."""

    PENDING = "Pending"
    INVALID = "Invalid"
    VALID = "Valid"
    COPYING = "Copying"
    EXPORTED = "Exported"
    SUBMITTED = "Submitted"
    IMAGE_FAILED = "ImageFailed"
    IMAGES_READY = "ImagesReady"
    CREATED = "Created"
    HALTED = "Halted"
    RUNNING = "Running"
    FAILED = "Failed"
    DELETED = "Deleted"
    SUSPENDED = "Suspended"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    Attributes:
        word: what ``importStatus`` says; None keeps the word that was there.
        waits_for: what has to happen next, to complete the sentence "waiting for ...".
        edges: which fact leads where; the first that holds is taken.
        shifts: phases that the next look may find instead, because the world changed under us.
        terminal: nothing more happens unless somebody changes the spec or the world.
        succeeded: the import did what was asked.
    """

    word: StatusWord | None
    waits_for: str
    edges: tuple[tuple[Fact, Phase], ...] = ()
    shifts: tuple[Phase, ...] = ()
    terminal: bool = False
    succeeded: bool = False


START = Phase.PENDING
_DELETED = (Fact.DELETION_ASKED, Phase.DELETED)
_SUSPENDED = (Fact.SUSPENSION_ASKED, Phase.SUSPENDED)
_FAILED = (Fact.GAVE_UP, Phase.FAILED)

TABLE: Mapping[Phase, Rule] = MappingProxyType(
    {
        Phase.PENDING: Rule(
            StatusWord.NONE,
            "the source, the VM and the checks of what would be lost",
            (_DELETED, _SUSPENDED, (Fact.CHECKS_PASSED, Phase.VALID), _FAILED, (Fact.CHECKS_FAILED, Phase.INVALID)),
        ),
        Phase.INVALID: Rule(
            StatusWord.INVALID,
            "a change of the import or of the source VM",
            shifts=(Phase.PENDING,),
            terminal=True,
        ),
        Phase.VALID: Rule(StatusWord.VALID, "the source to answer", ((Fact.SOURCE_READY, Phase.COPYING), _FAILED)),
        Phase.COPYING: Rule(
            StatusWord.SOURCE_READY,
            "the source VM to be off and its disks to be copied",
            ((Fact.DISKS_DONE, Phase.EXPORTED), _FAILED),
            shifts=(Phase.VALID,),
        ),
        Phase.EXPORTED: Rule(
            StatusWord.DISKS_EXPORTED,
            "the images of the disks to be submitted",
            ((Fact.IMAGES_SUBMITTED, Phase.SUBMITTED), _FAILED),
            shifts=(Phase.COPYING,),
        ),
        Phase.SUBMITTED: Rule(
            StatusWord.IMAGE_SUBMITTED,
            "the images to be imported",
            ((Fact.IMAGE_FAILED, Phase.IMAGE_FAILED), (Fact.IMAGES_READY, Phase.IMAGES_READY), _FAILED),
            shifts=(Phase.EXPORTED,),
        ),
        Phase.IMAGE_FAILED: Rule(
            StatusWord.IMAGE_FAILED,
            "the failed image to be made again",
            (_FAILED,),
            shifts=(Phase.SUBMITTED,),
        ),
        Phase.IMAGES_READY: Rule(
            StatusWord.IMAGES_READY,
            "the new VM to be created",
            ((Fact.VM_EXISTS, Phase.CREATED), _FAILED),
        ),
        Phase.CREATED: Rule(
            StatusWord.VM_CREATED,
            "the new VM to run",
            ((Fact.VM_RUNS, Phase.RUNNING), (Fact.SHALL_NOT_RUN, Phase.HALTED), _FAILED),
        ),
        Phase.HALTED: Rule(
            StatusWord.VM_CREATED,
            "nothing: the new VM is there, and is not to be started",
            shifts=(Phase.IMAGES_READY,),
            terminal=True,
            succeeded=True,
        ),
        Phase.RUNNING: Rule(
            StatusWord.VM_RUNNING,
            "nothing: the new VM runs",
            terminal=True,
            succeeded=True,
        ),
        Phase.FAILED: Rule(
            StatusWord.FAILED,
            "nothing: the import gave up, and the source is left as it was found",
            shifts=(Phase.RUNNING, Phase.HALTED),
            terminal=True,
        ),
        Phase.DELETED: Rule(None, "nothing: what the import made is removed", terminal=True),
        Phase.SUSPENDED: Rule(None, "spec.suspend to be false", (_FAILED,), shifts=(Phase.PENDING,)),
    }
)


def route(facts: AbstractSet[Fact]) -> tuple[Phase, ...]:
    """Walk the table from :data:`START` along the facts that hold; the import stands at the end."""
    phases = [START]
    while True:
        following = next((to for fact, to in TABLE[phases[-1]].edges if fact in facts), None)
        if following is None:
            return tuple(phases)
        phases.append(following)


def phase_of(facts: AbstractSet[Fact]) -> Phase:
    """Where an import stands of which ``facts`` hold."""
    return route(facts)[-1]


def mermaid() -> str:
    """Draw the table as a Mermaid state diagram, in the table's order."""
    lines = ["stateDiagram-v2", f"    [*] --> {START}"]
    for phase, rule in TABLE.items():
        if rule.word:
            lines.append(f"    {phase}: {phase}<br/>{rule.word}")
        lines += [f"    {phase} --> {to}: {fact}" for fact, to in rule.edges]
        lines += [f"    {phase} --> {to}: the world changed" for to in rule.shifts]
        if rule.terminal:
            lines.append(f"    {phase} --> [*]")
    return "\n".join(lines) + "\n"


def table_markdown() -> str:
    """The table for people: phase, status word, what it waits for, whether it ends there."""
    lines = ["| phase | importStatus | waits for | end |", "|---|---|---|---|"]
    for phase, rule in TABLE.items():
        word = "(unchanged)" if rule.word is None else f"`{rule.word}`" if rule.word else "(empty)"
        end = "success" if rule.succeeded else "yes" if rule.terminal else ""
        lines.append(f"| {phase} | {word} | {rule.waits_for} | {end} |")
    return "\n".join(lines) + "\n"


_DOCUMENT = """# The phases of an import

<!-- Generated from thresher.imports.phases by `make diagrams`. -->

A phase is never remembered: it is where a walk from Pending through this table ends, along the facts that
hold now. After a crash an import goes on where the world stands. Every walk begins at Pending, so a deletion
or a suspension takes effect wherever the import stood.

```mermaid
{diagram}```

{table}
## What holds in every phase

- Nothing is touched before every finding of the preflight is known. A blocker makes the import Invalid, with
  all findings at once. `skipPreflightChecks` turns blockers into warnings, except a name that is taken and a
  suspended VM.
- A VM of the target's name that this import did not make is never touched.
- The guest is asked to shut down; after `gracefulShutdownTimeoutSeconds` the VM is switched off. An import that is
  interrupted meanwhile stays for that time and a minute more, to switch a guest on again that obeys late.
- Disks and images are summarised by content: one that failed is never hidden by one that is still coming.
- A disk that is copied is submitted at once, and its image imported while the others still arrive; the phase follows
  when all of them are there. With `diskMode: volume` a volume that holds its disk is its own image.
- A failed image is made again, a few times, ever more slowly.
- If the import fails, is interrupted or deleted before the new VM runs, a source VM that ran is switched on
  again. What was copied of it would be stale from that moment, so it is removed first, the new VM included:
  the two never run at once. A source that was off, or is a file, keeps its copies for the next run.
- `suspend: true` stops what moves before the new VM runs: the worker ends, unfinished images and a VM that does
  not run yet are removed, and the source VM is put back as it was found. What saves work stays: the scratch
  volume with its ledger, finished images, and volumes that are written in place. `suspend: false` goes on from
  there, except where the source VM ran meanwhile: copies of it are stale, and are removed before it is switched on
  again or once it is seen to run.
- `verify: boot` claims success only after a sign of life, which in a cluster is KubeVirt's condition
  AgentConnected. Without one within the boot wait (15 minutes) the import fails and says so. The new VM is then
  left running and the source VM off, as the two must never run at once: whoever looks at the console decides.
- What failed is tried again ever more slowly; the condition `Retrying` says what, why, how often and when next.
- What an export copies at the source for a while (OpenStack) is removed there when the import ends, however it
  ends. Where that fails, the import's own result stands, and the condition `CopiesRemoved` says what may be left.
- A VM that was off is created and not started: the import is then finished, and its status word stays
  `virtualMachineCreated`. An imported OVA is started. `runStrategy` overrides both.
"""


def document() -> str:
    """The whole of ``docs/import-phases.md``."""
    return _DOCUMENT.format(diagram=mermaid(), table=table_markdown())
