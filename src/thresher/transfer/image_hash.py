"""The hash of a raw image, its holes included, without reading them from the medium."""

import errno
import hashlib
import os
import threading
from pathlib import Path

from thresher.model.errors import Stopped
from thresher.model.units import MIB, Bytes
from thresher.ports import Checksum

_ZEROS = memoryview(bytes(MIB))


def hash_image(path: Path, algorithm: str, stop: threading.Event, size: Bytes) -> Checksum:
    """Hash the first ``size`` bytes of the sparse file or device at ``path``.

    Raises:
        OSError: it cannot be read.
        Stopped: ``stop`` was set.
    """
    digest = hashlib.new(algorithm)
    buffer = bytearray(MIB)
    with path.open("rb", buffering=0) as file:
        position = 0
        while position < size:
            if stop.is_set():
                raise Stopped(f"stopped while the {algorithm} of the image was computed")
            data = min(_next(file.fileno(), position, os.SEEK_DATA, size), size)
            if data > position:
                chunk = _ZEROS[: min(MIB, data - position)]
            else:
                room = min(MIB, _next(file.fileno(), position, os.SEEK_HOLE, size) - position, size - position)
                chunk = memoryview(buffer)[: os.preadv(file.fileno(), [memoryview(buffer)[:room]], position)]
                if not chunk:
                    raise OSError(errno.ENODATA, f"it ends at byte {position} of {size}")
            digest.update(chunk)
            position += len(chunk)
    return Checksum(algorithm, digest.hexdigest())


def _next(descriptor: int, position: int, whence: int, size: int) -> int:
    try:
        return os.lseek(descriptor, position, whence)
    except OSError as error:
        if error.errno == errno.EINVAL:  # a block device, which knows of no holes
            return position if whence == os.SEEK_DATA else size
        if error.errno != errno.ENXIO:
            raise
        return size  # no data up to the end
