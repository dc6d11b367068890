"""The status of a source, derived in this one place from what a look at it found. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from thresher.imports.observed import Failure
from thresher.imports.status import Condition, Truth, stamp


class SourceWord(StrEnum):
    """The words that Harvester's users know; None yet is the empty one."""

    NONE = ""
    READY = "clusterReady"
    NOT_READY = "clusterNotReady"


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a source found.

    Attributes:
        detail: what was seen there: a version, a fingerprint.
        fingerprint: of a certificate that is trusted because it was the first one seen; "" where there is none.
        failure: why it is not ready; None where it is.
    """

    detail: str = ""
    fingerprint: str = ""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The whole status of a source.

    Attributes:
        status: the word that ``kubectl get`` shows.
        message: what was seen, or what is wrong and what to do.
        fingerprint: the pinned one, kept also while the source is not ready: it is what the next look compares.
        conditions: Kubernetes' way; ``Ready`` is the only one there is.
    """

    status: SourceWord = SourceWord.NONE
    message: str = ""
    fingerprint: str = ""
    conditions: tuple[Condition, ...] = ()


def derive_source(look: Look, previous: SourceStatus, now: datetime) -> SourceStatus:
    """Derive a source's status from what was seen now; ``previous`` tells when it changed and what is pinned."""
    failure = look.failure
    ready = Condition("Ready", Truth.TRUE, "Reachable", look.detail)
    if failure is not None:
        ready = Condition("Ready", Truth.FALSE, failure.reason, failure.message)
    return SourceStatus(
        status=SourceWord.READY if failure is None else SourceWord.NOT_READY,
        message=ready.message,
        fingerprint=look.fingerprint or previous.fingerprint,
        conditions=stamp((ready,), previous.conditions, now),
    )
