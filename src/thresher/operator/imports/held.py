"""Why an action has to wait."""

from dataclasses import dataclass

QUEUED = "TransferQueued"
"""Why a transfer is held that waits for a free slot."""


@dataclass(frozen=True, slots=True)
class Held:
    """The action could not be begun yet; nothing failed.

    Attributes:
        reason: CamelCase.
        message: what is waited for.
    """

    reason: str
    message: str
