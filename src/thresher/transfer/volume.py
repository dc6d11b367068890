"""A volume that a disk is written to in place: a block device, or a file of fixed size that stands for one.

It has its size and its name already, and nobody may take them away: it is not truncated, not renamed and not removed.
What it does not get back by that is a blank start: see :meth:`VolumeFile.blank`.
"""

import ctypes
import errno
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from thresher.model.errors import Stopped, TargetError, TargetFull
from thresher.model.units import GIB, MIB, Bytes, human
from thresher.transfer.sparse import Buffer, SparseFile, target_error

_KEEP_SIZE, _PUNCH_HOLE, _ZERO_RANGE = 0x01, 0x02, 0x10
"""Linux' falloc.h. On a block device (block/fops.c, blkdev_fallocate) a hole is only punched where the device promises
that it reads as zeros, and else refused; a range is zeroed by the device, or by the kernel that writes zeros."""
_REFUSED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_STEP = GIB
"""How much is zeroed at a time: between two steps a stop is heard."""
_ZEROS = memoryview(bytes(MIB))


class VolumeFile(SparseFile):
    """The volume at ``path``. Safe for several threads.

    Args:
        path: of the device, or of the file.
        dirty: whether anything may have been written to it before, so that what is not written is no hole.
        stop: set it, and blanking ends with Stopped.

    Attributes:
        path: where it is.
        part: the same: there is no other name before it is whole.
    """

    def __init__(self, path: Path, *, dirty: bool, stop: threading.Event) -> None:
        super().__init__(path)
        self.part = path
        self._dirty = dirty
        self._stop = stop

    def open(self, *, keep: bool) -> None:
        """Open it for writing: with what it holds if ``keep``, else blank. Raises TargetError or Stopped."""
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError as error:
            raise TargetError(
                f"the volume {self.path} cannot be opened: {error.strerror}. A worker is not root, so containerd has to"
                " give it its devices: set device_ownership_from_security_context (Harvester does so from 1.5 on), or"
                " import with diskMode: image"
            ) from error
        except OSError as error:
            raise target_error(error, self.path, "open") from error
        if not keep and self._dirty:
            self.blank()

    def size(self, capacity: Bytes) -> None:
        """See that there is room for so much; a volume may be larger than its disk. Raises TargetError."""
        room = self._room()
        if room < capacity:
            raise TargetError(
                f"the volume {self.path} has {human(room)}, and the disk {human(capacity)}: it is larger than its"
                " description says; import it with diskMode: image"
            )

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write ``buffers`` one after the other from ``offset`` on. Raises TargetError."""
        with self._storage_full():
            super().write(offset, buffers)

    def flush(self) -> None:
        """Return when all that was written is on the medium. Raises TargetError; then nothing may be believed."""
        with self._storage_full():
            super().flush()

    @contextmanager
    def _storage_full(self) -> Iterator[None]:
        """Another error than a full folder: no room is waited for that nobody can see from here."""
        try:
            yield
        except TargetFull as error:
            raise TargetError(
                f"the storage behind the volume {self.path} has no room left: make some, and import again"
            ) from error

    def blank(self) -> None:
        """Make all of it zeros, as a new one is. Raises TargetError or Stopped."""
        room = self._room()
        try:
            for begin in range(0, room, _STEP):
                if self._stop.is_set():
                    raise Stopped(f"stopped while the volume {self.path} was zeroed")
                _zero(self._fd, begin, min(_STEP, room - begin))
        except OSError as error:
            raise target_error(error, self.path, "zero") from error

    def finish(self) -> None:
        """Close it; it has its name. Raises TargetError."""
        try:
            self._close()
        except OSError as error:
            raise target_error(error, self.path, "close") from error

    def discard(self) -> None:
        """Close it; whoever made it removes it."""
        self.close()

    def _room(self) -> Bytes:
        return Bytes(os.lseek(self._fd, 0, os.SEEK_END))


def _zero(descriptor: int, begin: int, length: int) -> None:
    """Make a range read as zeros, by the cheapest way that is to be had. Raises OSError."""
    for mode in (_PUNCH_HOLE | _KEEP_SIZE, _ZERO_RANGE | _KEEP_SIZE):
        try:
            _fallocate(descriptor, mode, begin, length)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
        else:
            return
    for at in range(begin, begin + length, MIB):
        chunk = _ZEROS[: min(MIB, begin + length - at)]
        while chunk:
            written = os.pwrite(descriptor, chunk, at)
            chunk, at = chunk[written:], at + written  # noqa: PLW2901 - a short write goes on where it ended


def _fallocate(descriptor: int, mode: int, begin: int, length: int) -> None:
    """fallocate(2), which Python's os module has only in its POSIX form. Raises OSError."""
    call = _library().fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call(descriptor, mode, begin, length):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
