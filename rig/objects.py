"""What a cluster holds, for what only looks at it: objects as the API server gives them."""

from collections.abc import Sequence

from thresher.targets.harvester.objects import Kind, Object


class StillObjects:
    """A cluster that holds these objects and may not be touched.

    Args:
        objects: each with its ``kind``, and its namespace where it has one.
    """

    def __init__(self, *objects: Object) -> None:
        self._objects = objects

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, or None where there is none."""
        assert bool(namespace) is kind.namespaced
        found = (one for one in await self.list_all(kind, namespace) if one["metadata"]["name"] == name)
        return next(found, None)

    async def list_all(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Sequence[Object]:
        """All objects that the label selector takes, which is a list of ``key=value``."""
        wanted = dict(pair.split("=", 1) for pair in labels.split(",") if pair)
        return [one for one in self._objects if _is_of(one, kind, namespace) and wanted.items() <= _labels(one)]

    async def apply(self, obj: Object, kind: Kind) -> Object:
        """Nothing is to be written."""
        raise AssertionError(f"who only looks touches nothing, but applies {kind.name} {obj}")

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> bool:
        """Nothing is to be deleted."""
        raise AssertionError(f"who only looks touches nothing, but deletes {kind.name} {namespace}/{name} {uid}")


def _is_of(one: Object, kind: Kind, namespace: str) -> bool:
    here = one["metadata"].get("namespace", "")
    return bool(one["kind"] == kind.name) and (not namespace or here == namespace)


def _labels(one: Object) -> set[tuple[str, str]]:
    return set((one["metadata"].get("labels") or {}).items())
