"""What is tried again, why, how often and when next: by the times that decisions are made by. Purely computational."""

from datetime import UTC, datetime

from thresher.imports.observed import ImageState, Observed, Step, Tries
from thresher.imports.policy import Policy
from thresher.model.spec import ImportSpec

PUTS_RIGHT = frozenset({Step.RESTORE, Step.SWEEP})
"""What puts the source right once the import is over."""


def next_attempt(tries: Tries, spec: ImportSpec, policy: Policy) -> datetime:
    """When a step that failed is tried again."""
    return tries.last + policy.delay(tries.count, f"{spec.uid}:{tries.step}")


def most_tries(tries: Tries, policy: Policy) -> int:
    """After how many failures in a row a step is given up."""
    if not tries.failure.retryable:
        return policy.refused_sweeps if tries.step is Step.SWEEP else 1
    return policy.restore_attempts if tries.step in PUTS_RIGHT else policy.attempts


def next_remake(spec: ImportSpec, observed: Observed, policy: Policy) -> datetime | None:
    """When failed images are made again; None where none failed at a known time."""
    failed = [image.since for image in observed.images if image.state is ImageState.FAILED and image.since]
    return max(failed) + policy.delay(observed.recorded.remakes + 1, spec.uid) if failed else None


def retries(spec: ImportSpec, observed: Observed, policy: Policy) -> tuple[str, ...]:
    """A sentence or two on each thing that failed and is tried again."""
    said = [_step(tries, spec, policy) for tries in observed.recorded.tries if most_tries(tries, policy) > 1]
    if observed.retry is not None and observed.retry.failure.retryable:
        again = observed.retry
        due = f" The next one begins at {_clock(again.due)}." if again.due else " The next one is under way."
        said.append(f"Attempt {again.attempt} to {again.what} failed: {again.failure.message}{due}")
    failed = next((i for i in observed.images if i.state is ImageState.FAILED and i.failure is not None), None)
    if failed is not None and failed.failure is not None and failed.failure.retryable:
        made, due_at = observed.recorded.remakes, next_remake(spec, observed, policy)
        due = f" It is made again at {_clock(due_at)}," if due_at else " It is made again,"
        said.append(f"{failed.failure.message}{due} which is time {made + 1} of {policy.remakes}.")
    return tuple(said)


def _step(tries: Tries, spec: ImportSpec, policy: Policy) -> str:
    limit = most_tries(tries, policy)
    due = _clock(next_attempt(tries, spec, policy))
    return f"Attempt {tries.count} of {limit} to {tries.step} failed: {tries.failure.message} The next one is at {due}."


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
