"""Bytes of this machine: files, regions of files, and standard input."""

import os
from pathlib import Path
from typing import BinaryIO

from thresher.model.errors import SourceDenied, SourceError, SourceNotFound
from thresher.model.units import Bytes
from thresher.ports import ByteStream
from thresher.sources.bytes.reading import cut, opened_past


class _FileStream:
    """An unbuffered file read straight into the caller's buffer, ``remaining`` bytes at most."""

    def __init__(self, handle: BinaryIO, name: str, done: int, size: int) -> None:
        self._handle = handle
        self._name = name
        self._done = done
        self._size = size

    def readinto(self, buffer: memoryview, /) -> int:
        wanted = min(len(buffer), self._size - self._done)
        if wanted <= 0:
            return 0
        try:
            count = os.readv(self._handle.fileno(), [buffer[:wanted]])
        except OSError as error:
            raise _mapped(self._name, error) from error
        if not count:
            raise cut(self._name, self._done, self._size)
        self._done += count
        return count

    def close(self) -> None:
        self._handle.close()


class LocalFile:
    """A file on this machine, or a region of one.

    Args:
        path: the file.
        offset: where the region begins.
        size: how long it is; None for the rest of the file.
        name: what to call it in messages; the path where it is "".
    """

    def __init__(self, path: Path, offset: int = 0, size: int | None = None, name: str = "") -> None:
        self._path = path
        self._offset = offset
        self._size = size
        self._name = name or str(path)

    @property
    def name(self) -> str:
        """The path, or the name it was given."""
        return self._name

    @property
    def size(self) -> Bytes:
        """The region's length. Raises SourceError where the file cannot be looked at."""
        if self._size is not None:
            return Bytes(self._size)
        try:
            return Bytes(max(0, self._path.stat().st_size - self._offset))
        except OSError as error:
            raise _mapped(self._name, error) from error

    @property
    def seekable(self) -> bool:
        """Always."""
        return True

    def region(self, offset: int, size: int, name: str) -> "LocalFile":
        """The ``size`` bytes from ``offset`` on, called ``name`` in messages."""
        return LocalFile(self._path, self._offset + offset, size, name)

    def open(self, offset: int = 0) -> ByteStream:
        """Open the region from ``offset`` on. Raises SourceError."""
        size = self.size
        try:
            handle = self._path.open("rb", buffering=0)
        except OSError as error:
            raise _mapped(self._name, error) from error
        handle.seek(self._offset + offset)
        return _FileStream(handle, self._name, offset, size)


def _mapped(name: str, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return SourceNotFound(f"{name} does not exist; check the path")
    if isinstance(error, PermissionError):
        return SourceDenied(f"{name} may not be read by this user; change its permissions")
    if isinstance(error, IsADirectoryError):
        return SourceError(f"{name} is a folder where a file is expected; name the file in it")
    return SourceError(f"{name} cannot be read: {error.strerror or error}; check the disk it lies on")


class _PipeStream:
    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name

    def readinto(self, buffer: memoryview, /) -> int:
        if not len(buffer):
            return 0
        try:
            return os.readv(self._descriptor, [buffer])
        except OSError as error:
            raise _mapped(self._name, error) from error

    def close(self) -> None:
        """Nothing to give back: the descriptor belongs to whoever started the process."""


class StdinBytes:
    """Standard input: of unknown length, and readable once.

    Args:
        descriptor: the file descriptor to read from.
    """

    name = "standard input"
    seekable = False

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._opened = False

    @property
    def size(self) -> None:
        """Unknown until the end."""
        return

    def open(self, offset: int = 0) -> ByteStream:
        """Begin to read, past the first ``offset`` bytes.

        Raises:
            SourceError: it was opened before: what has passed does not come back.
        """
        if self._opened:
            raise SourceError("standard input can be read only once; save it to a file and name that")
        self._opened = True
        return opened_past(_PipeStream(self._descriptor, self.name), offset, self.name)
