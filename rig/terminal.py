"""Runs a program on a terminal of its own, as a person does."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Sequence

_SIZE = struct.pack("HHHH", 24, 80, 0, 0)


def run(command: Sequence[str], timeout: float = 120) -> tuple[int, str]:
    """Run ``command`` on a terminal of 24 lines and 80 columns.

    Returns:
        Its exit code, and everything it wrote, control sequences included.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, _SIZE)
    environment = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS", "LINES"}}
    environment["TERM"] = "xterm-256color"
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = bytearray()
        try:
            while block := _read(ours):
                written += block
        finally:
            os.close(ours)
        return process.wait(timeout), written.decode(errors="replace")


def _read(terminal: int) -> bytes:
    """What was written next; b"" once nobody holds the other end any more, which Linux reports as EIO."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
