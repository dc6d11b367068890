"""Remembers which grains came, to tell a second one for the same place."""

_PAGE_BITS = 1 << 15


class GrainSet:
    """A set of grain indexes in lazily made pages of 4 KiB; a page that is full costs nothing.

    A disk of 16 TiB in grains of 64 KiB needs at most 32 MiB, and only while its pages are half full.
    """

    def __init__(self) -> None:
        self._pages: dict[int, bytearray | None] = {}
        self._counts: dict[int, int] = {}

    def add(self, index: int) -> bool:
        """Add ``index``; False if it was there already."""
        number, bit = divmod(index, _PAGE_BITS)
        page = self._pages.setdefault(number, bytearray())
        if page is None:
            return False
        if not page:
            page.extend(bytes(_PAGE_BITS // 8))
        at, mask = bit >> 3, 1 << (bit & 7)
        if page[at] & mask:
            return False
        page[at] |= mask
        count = self._counts[number] = self._counts.get(number, 0) + 1
        if count == _PAGE_BITS:
            self._pages[number] = None
            del self._counts[number]
        return True
