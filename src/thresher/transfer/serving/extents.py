"""Where a sparse file holds data and where it has holes, asked of the file system (lseek(2), SEEK_DATA, SEEK_HOLE)."""

import errno
import os
from collections.abc import Iterator


def runs(descriptor: int, size: int) -> Iterator[tuple[int, int, bool]]:
    """Yield ``(offset, length, is data)`` from the beginning to ``size``, each as long as it is. Raises OSError."""
    position = 0
    while position < size:
        data = _seek(descriptor, position, os.SEEK_DATA, size)
        if data > position:
            yield position, data - position, False
        if data < size:
            position = min(_seek(descriptor, data, os.SEEK_HOLE, size), size)
            yield data, position - data, True
        else:
            position = size


def _seek(descriptor: int, position: int, whence: int, size: int) -> int:
    try:
        return min(os.lseek(descriptor, position, whence), size)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size  # no more data up to the end
