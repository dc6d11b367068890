"""An error as a fact, for whoever has to remember it or send it elsewhere."""

from dataclasses import dataclass
from typing import Self

from thresher.model.errors import Fault, ThresherError


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a fact, free of tracebacks, which can be written down and read again.

    Attributes:
        reason: the CamelCase word of the error tree.
        message: what happened, to what, and what to do.
        retryable: whether the same step may succeed later.
        fault: where the user has to look.
        exit_code: what a command line ends with.
    """

    reason: str
    message: str
    retryable: bool = False
    fault: Fault = Fault.THRESHER
    exit_code: int = 1

    @classmethod
    def of(cls, error: ThresherError) -> Self:
        """The facts of ``error``."""
        return cls(error.reason, str(error), error.retryable, error.fault, error.exit_code)
