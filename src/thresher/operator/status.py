"""Conditions and times as Kubernetes' JSON has them, both ways."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from thresher.imports.status import Condition, Truth
from thresher.targets.harvester.objects import Object


def to_json(conditions: Iterable[Condition], generation: int | None = None) -> list[Object]:
    """Conditions as the API has them."""
    return [_condition(condition, generation) for condition in conditions]


def _condition(condition: Condition, generation: int | None) -> Object:
    found: Object = {
        "type": condition.type,
        "status": condition.status.value,
        "reason": condition.reason,
        "message": condition.message,
        "lastUpdateTime": rfc3339(condition.last_update),
        "lastTransitionTime": rfc3339(condition.last_transition),
        "observedGeneration": generation,
    }
    return {key: value for key, value in found.items() if value is not None}


def from_json(conditions: Sequence[Object] | None) -> tuple[Condition, ...]:
    """Conditions as they were written."""
    return tuple(
        Condition(
            type=item["type"],
            status=Truth(item["status"]),
            reason=item.get("reason", ""),
            message=item.get("message", ""),
            last_update=_time(item.get("lastUpdateTime")),
            last_transition=_time(item.get("lastTransitionTime")),
        )
        for item in conditions or ()
    )


def rfc3339(moment: datetime | None) -> str | None:
    """A time as Kubernetes writes it: UTC, whole seconds."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def changes(before: Object, after: Object) -> Object:
    """The merge patch that makes a status ``after`` of ``before`` (RFC 7396: None removes)."""
    patch = {key: value for key, value in after.items() if before.get(key) != value}
    return patch | {key: None for key in before if key not in after}
