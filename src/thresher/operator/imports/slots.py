"""At most so many transfers at a time, fair to every namespace. Purely computational."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    created: str
    uid: str
    namespace: str = field(compare=False)


class Slots:
    """Who transfers and who waits.

    A free slot goes to the namespace that was served the longest ago, and there to the oldest import.

    Args:
        limit: how many may run at a time.
        wake: called with the UID of an import that has waited and has got a slot.
    """

    def __init__(self, limit: int, wake: Callable[[str], None]) -> None:
        self._limit = limit
        self._wake = wake
        self._holding: set[str] = set()
        self._waiting: dict[str, _Place] = {}
        self._served: dict[str, int] = {}
        self._count = 0

    @property
    def running(self) -> int:
        """How many slots are taken."""
        return len(self._holding)

    @property
    def waiting(self) -> int:
        """How many imports wait for one."""
        return len(self._waiting)

    @property
    def limit(self) -> int:
        """How many there are."""
        return self._limit

    def holds(self, uid: str) -> bool:
        """Whether the import has a slot."""
        return uid in self._holding

    def take(self, uid: str) -> None:
        """A transfer of an earlier process is seen to run: it has its slot, limit or not."""
        self._waiting.pop(uid, None)
        self._holding.add(uid)

    def ask(self, uid: str, namespace: str, created: str) -> bool:
        """Whether the import has a slot now; if not, it waits, and is woken once it has."""
        if uid in self._holding:
            return True
        self._waiting[uid] = _Place(created, uid, namespace)
        granted = self._fill()
        for other in granted:
            if other != uid:
                self._wake(other)
        return uid in granted

    def give_back(self, uid: str) -> None:
        """The import needs no slot any more; doing it twice is doing it once."""
        self._waiting.pop(uid, None)
        self._holding.discard(uid)
        for other in self._fill():
            self._wake(other)

    def _fill(self) -> list[str]:
        granted = []
        while self._waiting and len(self._holding) < self._limit:
            namespaces = {place.namespace for place in self._waiting.values()}
            turn = min(namespaces, key=lambda name: (self._served.get(name, 0), name))
            place = min(place for place in self._waiting.values() if place.namespace == turn)
            self._count += 1
            self._served[turn] = self._count
            del self._waiting[place.uid]
            self._holding.add(place.uid)
            granted.append(place.uid)
        return granted
