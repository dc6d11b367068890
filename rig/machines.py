"""Machines that are still running when a test is over: found and ended, and no others."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def no_machine_left(folder: Path) -> Iterator[None]:
    """End the QEMU processes that were started for ``folder``, and no others."""
    try:
        yield
    finally:
        for process, words in _processes():
            if b"qemu-system" in words[0] and any(os.fsencode(folder) in word for word in words[1:]):
                os.kill(process, signal.SIGKILL)


def _processes() -> Iterator[tuple[int, list[bytes]]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended by itself
            yield int(entry.name), (entry / "cmdline").read_bytes().split(b"\0")
