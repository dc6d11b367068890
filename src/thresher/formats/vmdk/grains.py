"""Remembers which grains came, to tell a second one for the same place."""

_PAGE_BITS = 1 << 15
_FULL = (1 << _PAGE_BITS) - 1
_EVERY = -1
"""What a full page is kept as: it has every bit, and costs nothing."""


class GrainSet:
    """A set of grain indexes: the highest run of neighbours by its ends, the others as bits in pages of 4 KiB.

    A disk of 16 TiB in grains of 64 KiB needs at most 32 MiB, and only while its pages are half full.

    Args:
        begin: no index below will come.
    """

    def __init__(self, begin: int = 0) -> None:
        self._pages: dict[int, int] = {}
        self._first = self._next = begin  # the run; every index that was added is below _next

    def add(self, index: int) -> bool:
        """Add ``index``; False if it was there already."""
        if index == self._next:
            self._next += 1
            return True
        self._turn_run_into_pages()
        if index > self._next:
            self._first, self._next = index, index + 1
            return True
        number, bit = divmod(index, _PAGE_BITS)
        if self._pages.get(number, 0) >> bit & 1:
            return False
        self._fill(number, bit, 1)
        return True

    def _turn_run_into_pages(self) -> None:
        while self._first < self._next:
            number, bit = divmod(self._first, _PAGE_BITS)
            count = min(self._next - self._first, _PAGE_BITS - bit)
            self._fill(number, bit, count)
            self._first += count

    def _fill(self, number: int, bit: int, count: int) -> None:
        page = self._pages.get(number, 0) | ((1 << count) - 1) << bit
        self._pages[number] = _EVERY if page == _FULL else page
