"""A copy of a source that cannot be read at random places, in an unnamed file that nothing can leave behind."""

import os
import threading
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from thresher.model.errors import Stopped, StreamCut
from thresher.model.units import Bytes
from thresher.ports import ByteSource, ByteStream
from thresher.transfer.buffers import BUFFER_BYTES, Filler
from thresher.transfer.sparse import target_error

_KEEP = "keep a copy of the disk in"


class Spool:
    """A seekable ByteSource that holds the whole of another one. Close it to free the space.

    Args:
        source: read once, to its end.
        folder: where there is room for it.
        stop: set it, and copying ends with Stopped.

    Raises:
        SourceError: the source failed.
        TargetError: the folder cannot take it.
        Stopped: ``stop`` was set.
    """

    seekable = True
    version = "spooled"

    def __init__(self, source: ByteSource, folder: Path, stop: threading.Event) -> None:
        self.name = source.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115  closed by close()
        except OSError as error:
            raise target_error(error, folder, _KEEP) from error
        try:
            self.size = Bytes(self._copy(source, stop))
        except OSError as error:
            self._drop()
            raise target_error(error, folder, _KEEP) from error
        except BaseException:
            self._drop()
            raise

    def _copy(self, source: ByteSource, stop: threading.Event) -> int:
        buffer = bytearray(BUFFER_BYTES)
        stream = source.open()
        filler = Filler(stream)
        try:
            while count := filler.fill(buffer):
                if stop.is_set():
                    raise Stopped(f"stopped while {self.name} was copied")
                self._file.write(memoryview(buffer)[:count])
            self._file.flush()
        finally:
            stream.close()
        size = self._file.tell()
        if source.size is not None and size != source.size:
            raise StreamCut(f"{self.name} is cut short: {size} of {source.size} bytes came; get it again")
        return size

    def open(self, offset: int = 0) -> ByteStream:
        """Open the copy from ``offset`` on."""
        return _SpoolStream(self._file.fileno(), offset)

    def close(self) -> None:
        """Free the space."""
        self._file.close()

    def _drop(self) -> None:
        """Close a copy that is not whole; what could not be written does not matter any more."""
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _SpoolStream:
    def __init__(self, fd: int, offset: int) -> None:
        self._fd = fd
        self._offset = offset

    def readinto(self, buffer: memoryview) -> int:
        count = os.preadv(self._fd, [buffer], self._offset)
        self._offset += count
        return count

    def close(self) -> None:
        """The file belongs to the spool."""
