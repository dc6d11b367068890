"""Child processes that never outlive the test, whatever ends it."""

import contextlib
import secrets
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

_END_S = 10


def free_ports(count: int) -> list[int]:
    """That many ports of 127.0.0.1 that nobody listens on now.

    They lie below those that Linux gives out by itself (ip(7), ip_local_port_range: from 32768), so that no
    connection takes one before its server does, nor while its server restarts.
    """
    found: list[int] = []
    while len(found) < count:
        port = 20_000 + secrets.randbelow(12_000)
        if port not in found:
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
                found.append(port)
    return found


class Server:
    """A program that serves until it is stopped. Its words go to ``log``, one run after the other.

    util-linux's ``setpriv --pdeathsig`` has the kernel kill it when the thread that started it is gone
    (``prctl(2)``, PR_SET_PDEATHSIG), so that it ends even when Python could not clean up.
    """

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it, unless it runs."""
        if self.pid is None:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, insist where it does not, and wait until it is gone."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def last_words(self) -> str:
        """The end of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-30:])
