"""A sparse RAW file that is being written: extents of data go to their place, zeros stay holes."""

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from thresher.model.errors import TargetError, TargetFull
from thresher.model.units import Bytes, human

Buffer = bytes | bytearray | memoryview


class SparseFile:
    """The file ``NAME.part``, which gets its final name only when it is whole. Safe for several threads.

    Attributes:
        path: the final name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self._fd = -1

    def open(self, *, keep: bool) -> None:
        """Open the part for writing: with what it holds if ``keep``, else blank. Raises TargetError."""
        try:
            self.part.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if keep else os.O_TRUNC)
            self._fd = os.open(self.part, flags, 0o600)
        except OSError as error:
            raise target_error(error, self.part, "open") from error

    def size(self, capacity: Bytes) -> None:
        """Give the file its whole length; what is not written stays a hole. Raises TargetError."""
        try:
            os.ftruncate(self._fd, capacity)
        except OSError as error:
            raise target_error(error, self.part, f"make {human(capacity)} long") from error

    def write(self, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write ``buffers`` one after the other from ``offset`` on. Raises TargetError."""
        try:
            written = os.pwritev(self._fd, buffers, offset)
            if written < sum(map(len, buffers)):
                self._write_rest(offset, buffers, written)
        except OSError as error:
            raise target_error(error, self.part, "write to") from error

    def _write_rest(self, offset: int, buffers: Sequence[Buffer], written: int) -> None:
        """Go on behind the first bytes, which were all that the file system took at once. Raises OSError."""
        pending, at = [memoryview(buffer) for buffer in buffers], offset
        while pending:
            at += written
            while pending and written >= len(pending[0]):
                written -= len(pending.pop(0))
            if pending:
                pending[0] = pending[0][written:]
                written = os.pwritev(self._fd, pending, at)

    def flush(self) -> None:
        """Return when all that was written is on the medium. Raises TargetError; then nothing may be believed."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise target_error(error, self.part, "flush") from error

    def finish(self) -> None:
        """Close the file and give it its final name. Raises TargetError."""
        try:
            self._close()
            self.part.replace(self.path)
        except OSError as error:
            raise target_error(error, self.part, "rename") from error

    def close(self) -> None:
        """Close the file and leave it under the name of its part."""
        with suppress(OSError):  # what was flushed is safe, and nobody counts on the rest
            self._close()

    def discard(self) -> None:
        """Close the file and remove it, as far as the file system lets us."""
        self.close()
        with suppress(OSError):
            self.part.unlink()

    def _close(self) -> None:
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            os.close(descriptor)  # a network file system may say only now that it had no space


def target_error(error: OSError, path: Path, verb: str) -> TargetError:
    """Say in words what the file system refused and what to do."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TargetFull(
            f"cannot {verb} {path}: no space is left there; free some and run the same command again,"
            " or choose another folder"
        )
    if error.errno == errno.EFBIG:
        return TargetError(
            f"cannot {verb} {path}: the file system, or a limit on this process, allows no file so large;"
            " choose another folder"
        )
    return TargetError(
        f"cannot {verb} {path}: {error.strerror}; check the folder and its permissions, or choose another"
    )
