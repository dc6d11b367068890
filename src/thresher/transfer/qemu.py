"""Disks in formats that need random access (monolithic and split VMDK, qcow2, VHD, VHDX) go through qemu-img."""

import json
import os
import re
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from thresher.model.errors import ImageError, Stopped, TargetError, TargetFull
from thresher.model.units import Bytes
from thresher.ports import ByteSource, DiskStream
from thresher.transfer.buffers import BUFFER_BYTES, Filler
from thresher.transfer.check import CHECKED_DRIVERS, check_image, image_size
from thresher.transfer.digest import Digest
from thresher.transfer.layout import DRIVERS, Piece, layout
from thresher.transfer.nbd import NbdServer
from thresher.transfer.sparse import SparseFile
from thresher.transfer.spool import Spool

__all__ = ["DRIVERS", "Place", "convert"]

STALL_SECONDS = 900.0
"""How long qemu-img may neither ask for a byte nor get further: beyond what a hung NFS server takes to come back."""
_POLL_SECONDS = 0.2
"""How long ``stop`` may go unseen."""
_PERCENT = re.compile(rb"\((\d+\.\d+)/100%\)")
_INSTALL = "install it (Debian: qemu-utils)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a disk is written.

    Attributes:
        sink: the file or volume; already open.
        folder: where there is room for a copy of a source that cannot be read at random places.
        in_place: whether it is a volume of zeros, which has its size and keeps it.
    """

    sink: SparseFile
    folder: Path
    in_place: bool = False

    @property
    def path(self) -> Path:
        """What qemu-img opens."""
        return self.sink.part


def convert(
    stream: DiskStream,
    source: ByteSource,
    place: Place,
    *,
    digest: Digest | None,
    on_percent: Callable[[float, int], None],
    stop: threading.Event,
) -> Bytes:
    """Write the disk as sparse RAW to ``place`` and return its capacity in bytes.

    Args:
        stream: what the disk is; its format is one of DRIVERS.
        source: where its bytes come from.
        place: where to.
        digest: hashes the whole of ``source`` first, where a checksum is stated.
        on_percent: called with percent done and bytes read so far.
        stop: ends the conversion with Stopped.

    Raises:
        FormatError: qemu-img refuses the image, or its files do not fit together.
        SourceError: the bytes could not be had.
        TargetError: the file cannot be written, there is no qemu-img, or it stands still.
        Stopped: ``stop`` was set.
    """
    with _seekable(source, place.folder, stop) as main, _siblings(stream, place.folder, stop) as others:
        if digest is not None:
            _hash(main, digest, stop)
        plan = layout(stream, main, others)
        if plan.capacity is not None:
            place.sink.size(plan.capacity)
        capacity = plan.capacity
        with NbdServer(plan.exports, stop) as server:
            done, total = 0, sum(piece.length for piece in plan.pieces)
            for piece in plan.pieces:
                run = _Run(stream, server, piece, place, stop)
                size = run.convert(_share(on_percent, done / total, piece.length / total))
                capacity = capacity or size
                done += piece.length
    return capacity or Bytes(place.path.stat().st_size)


def _share(on_percent: Callable[[float, int], None], before: float, weight: float) -> Callable[[float, int], None]:
    """Progress of the whole disk by the progress of a piece of it."""
    return lambda percent, read: on_percent(100 * before + percent * weight, read)


@contextmanager
def _siblings(stream: DiskStream, folder: Path, stop: threading.Event) -> Iterator[dict[str, ByteSource]]:
    """The further files of a split image, each seekable."""
    spools: dict[str, ByteSource] = {}
    opened: list[Spool] = []
    try:
        for name, source in stream.siblings:
            if source.seekable and source.size is not None:
                spools[name] = source
            else:
                opened.append(Spool(source, folder, stop))
                spools[name] = opened[-1]
        yield spools
    finally:
        for spool in opened:
            spool.close()


@contextmanager
def _seekable(source: ByteSource, folder: Path, stop: threading.Event) -> Iterator[ByteSource]:
    """The source itself, or a copy in an unnamed file where it cannot be read at random places."""
    if source.seekable and source.size is not None:
        yield source
        return
    with Spool(source, folder, stop) as spool:
        yield spool


def _hash(source: ByteSource, digest: Digest, stop: threading.Event) -> None:
    buffer = bytearray(BUFFER_BYTES)
    stream = source.open()
    filler = Filler(stream)
    try:
        while count := filler.fill(buffer):
            digest.update(memoryview(buffer)[:count])
            if stop.is_set():
                raise Stopped("stopped while the disk's checksum was computed")
    finally:
        stream.close()


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of qemu-img."""

    stream: DiskStream
    server: NbdServer
    piece: Piece
    place: Place
    stop: threading.Event

    def convert(self, on_percent: Callable[[float, int], None]) -> Bytes | None:
        """Convert the piece; the size of a whole disk that is written in place.

        Raises:
            ImageError, SourceError, TargetError or Stopped.
        """
        try:
            self._check()
            size = self._size() if self.place.in_place and self.piece.place is None else None
            self._convert(self._command(size), on_percent)
        except FileNotFoundError as error:
            raise TargetError(f"a {self.stream.format} disk needs qemu-img, which is not here: {_INSTALL}") from error
        return size

    def _check(self) -> None:
        if self.piece.driver in CHECKED_DRIVERS:
            check_image(self._image(), self.stream.format, self.stream.disk.key, self.stop)
            self._raise_source_failure()

    def _size(self) -> Bytes:
        """The size of the whole disk, for which the volume has to have room."""
        size = image_size(self._image(), self.stream.format, self.stream.disk.key, self.stop)
        self._raise_source_failure()
        self.place.sink.size(size)
        return size

    def _raise_source_failure(self) -> None:
        if self.server.failures:
            raise self.server.failures[0]

    def _image(self) -> str:
        return "json:" + json.dumps(self.piece.options(str(self.server.path)))

    def _convert(self, command: list[str], on_percent: Callable[[float, int], None]) -> None:
        with TemporaryFile() as words:
            process = subprocess.Popen(  # noqa: S603  our own arguments, no shell
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words, bufsize=0
            )
            with process:
                assert process.stdout is not None  # noqa: S101  it is a pipe
                try:
                    self._follow(process.stdout.fileno(), on_percent)
                except BaseException:
                    process.kill()
                    raise
            self._raise_source_failure()
            if process.returncode:
                words.seek(0)
                raise self._failure(words.read().decode(errors="replace"))

    def _command(self, size: Bytes | None) -> list[str]:
        image = self._image()
        target = str(self.place.path.absolute())  # a relative name with a colon would be taken for a URL
        command = ["qemu-img", "convert", "-p"]
        if self.piece.place is None and size is None:
            return [*command, "-O", "raw", image, target]
        driver = "host_device" if self.place.path.is_block_device() else "file"
        begin, length = self.piece.place or 0, size or self.piece.length
        options = f"driver=raw,offset={begin},size={length},file.driver={driver},file.filename="
        return [
            *command, "-n", "--target-is-zero", "--target-image-opts", image, options + target.replace(",", ",,")
        ]  # fmt: skip

    def _follow(self, pipe: int, on_percent: Callable[[float, int], None]) -> None:
        """Read qemu-img's progress, which it writes over itself on one line, until it ends."""
        pending, seen, since = b"", (b"", 0), time.monotonic()
        while True:
            ready, _, _ = select.select([pipe], [], [], _POLL_SECONDS)
            if self.stop.is_set():
                raise Stopped(f"stopped while qemu-img converted disk {self.stream.disk.key}")
            if ready:
                text = os.read(pipe, 4096)
                if not text:
                    return
                pending = (pending + text)[-64:]
                found = _PERCENT.findall(pending)
                if found:
                    on_percent(float(found[-1]), self.server.read)
            now = (pending, self.server.asked)
            if now != seen or self.server.busy:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                raise TargetError(
                    f"qemu-img stood still for {STALL_SECONDS:.0f} seconds while it wrote {self.place.path}: see"
                    " whether that file system hangs, and run the same command again"
                )

    def _failure(self, words: str) -> ImageError | TargetError:
        line = (words.strip().splitlines() or ["it gave no reason"])[-1]
        if "No space left" in line:
            return TargetFull(
                f"cannot write {self.place.path}: no space is left there; free some and run the same command again,"
                " or choose another folder"
            )
        reason = line.rpartition("}': ")[2].removeprefix("qemu-img: ")  # without our own options, which it repeats
        return ImageError(
            f"qemu-img cannot read {self.stream.format} disk {self.stream.disk.key}: {reason}; get the file again"
        )
