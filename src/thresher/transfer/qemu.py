"""Disks in formats that need random access (monolithic and split VMDK, qcow2, VHD, VHDX) go through qemu-img."""

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from thresher.model.errors import ImageError, Stopped, TargetError, TargetFull
from thresher.model.units import Bytes
from thresher.model.vm import DiskFormat
from thresher.ports import ByteSource, DiskStream
from thresher.transfer.buffers import BUFFER_BYTES, fill
from thresher.transfer.digest import Digest
from thresher.transfer.server import SourceServer
from thresher.transfer.spool import Spool

DRIVERS = {
    DiskFormat.VMDK: "vmdk",
    DiskFormat.QCOW2: "qcow2",
    DiskFormat.VHD: "vpc",
    DiskFormat.VHDX: "vhdx",
}
"""Our formats by the names of QEMU's block drivers."""
READAHEAD = 8 << 20
"""What QEMU's curl driver asks for at a time, in bytes; its default of 256 KiB makes 32 times the requests."""
_PERCENT = re.compile(r"\((\d+\.\d+)/100%\)")
_INSTALL = "install it (Debian: qemu-utils and qemu-block-extra)"


def convert(
    stream: DiskStream,
    source: ByteSource,
    part: Path,
    *,
    digest: Digest | None,
    on_percent: Callable[[float, int], None],
    stop: threading.Event,
) -> Bytes:
    """Write the disk as a sparse RAW file to ``part`` and return its capacity in bytes.

    Args:
        stream: what the disk is; its format is one of DRIVERS.
        source: where its bytes come from.
        part: the file to write.
        digest: hashes the whole of ``source`` first, where a checksum is stated.
        on_percent: called with percent done and bytes read so far.
        stop: ends the conversion with Stopped.

    Raises:
        ImageError: qemu-img refuses the image.
        SourceError: the bytes could not be had.
        TargetError: the file cannot be written, or there is no qemu-img.
        Stopped: ``stop`` was set.
    """
    with _seekable(source, part.parent) as main, _siblings(stream, part.parent) as others:
        if digest is not None:
            _hash(main, digest, stop)
        sources = {_file_name(stream): main} | others
        with SourceServer(sources) as server:
            try:
                _run(stream, server, part, on_percent, stop)
            except (ImageError, TargetError):
                if server.failures:
                    raise server.failures[0] from None
                raise
    return Bytes(part.stat().st_size)


def _file_name(stream: DiskStream) -> str:
    return "disk." + DRIVERS[stream.format]


@contextmanager
def _siblings(stream: DiskStream, folder: Path) -> Iterator[dict[str, ByteSource]]:
    """The further files of a split image, each seekable."""
    spools: dict[str, ByteSource] = {}
    opened: list[Spool] = []
    try:
        for name, source in stream.siblings:
            if source.seekable and source.size is not None:
                spools[name] = source
            else:
                opened.append(Spool(source, folder))
                spools[name] = opened[-1]
        yield spools
    finally:
        for spool in opened:
            spool.close()


@contextmanager
def _seekable(source: ByteSource, folder: Path) -> Iterator[ByteSource]:
    """The source itself, or a copy in an unnamed file where it cannot be read at random places."""
    if source.seekable and source.size is not None:
        yield source
        return
    with Spool(source, folder) as spool:
        yield spool


def _hash(source: ByteSource, digest: Digest, stop: threading.Event) -> None:
    buffer = bytearray(BUFFER_BYTES)
    stream = source.open()
    try:
        while count := fill(stream, buffer):
            digest.update(memoryview(buffer)[:count])
            if stop.is_set():
                raise Stopped("stopped while the disk's checksum was computed")
    finally:
        stream.close()


def _command(stream: DiskStream, server: SourceServer, part: Path) -> list[str]:
    driver = DRIVERS[stream.format]
    url = server.url(_file_name(stream))
    options = f"driver={driver},file.driver=http,file.url={url},file.readahead={READAHEAD}"
    return ["qemu-img", "convert", "-p", "--image-opts", options, "-O", "raw", str(part)]


def _run(
    stream: DiskStream,
    server: SourceServer,
    part: Path,
    on_percent: Callable[[float, int], None],
    stop: threading.Event,
) -> None:
    with TemporaryFile() as words:
        try:
            process = subprocess.Popen(  # noqa: S603  our own arguments, no shell
                _command(stream, server, part), stdout=subprocess.PIPE, stderr=words, text=True, bufsize=0
            )
        except FileNotFoundError as error:
            raise TargetError(f"a {stream.format} disk needs qemu-img, which is not here: {_INSTALL}") from error
        with process:
            assert process.stdout is not None  # noqa: S101  it is a pipe
            try:
                _follow(process.stdout, on_percent, server, stop)
            except BaseException:
                process.kill()
                raise
        words.seek(0)
        if process.returncode:
            raise _failure(words.read().decode(errors="replace"), server, stream, part)


def _follow(
    pipe: IO[str], on_percent: Callable[[float, int], None], server: SourceServer, stop: threading.Event
) -> None:
    """Read qemu-img's progress, which it writes over itself on one line."""
    pending = ""
    while text := pipe.read(32):
        if stop.is_set():
            raise Stopped("stopped while qemu-img converted the disk")
        pending = (pending + text)[-64:]
        found = _PERCENT.findall(pending)
        if found:
            on_percent(float(found[-1]), server.read)


def _failure(words: str, server: SourceServer, stream: DiskStream, part: Path) -> ImageError | TargetError:
    line = (words.strip().splitlines() or ["it gave no reason"])[-1].replace(server.url(""), "")
    if "No space left" in line:
        return TargetFull(
            f"cannot write {part}: no space is left there; free some and run the same command again,"
            " or choose another folder"
        )
    if "Unknown protocol" in line or "Unknown driver 'http'" in line:
        return TargetError(f"qemu-img here cannot read over HTTP: {_INSTALL}")
    return ImageError(f"qemu-img cannot read {stream.format} disk {stream.disk.key}: {line}; get the file again")
