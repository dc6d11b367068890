"""QEMU as a process in the background: starting it, knowing it again, ending it."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from thresher.model.errors import BootError, TargetError

PROGRAM = "qemu-system-x86_64"
_OVMF = Path("/usr/share/OVMF")
"""Where Debian's and Ubuntu's package ``ovmf`` puts EFI firmware."""
_START_TIMEOUT_S = 60
_POLL_S = 0.02


def kvm_works() -> bool:
    """Whether KVM can be used here: the processor has it, and its device is ours to open.

    The device alone proves nothing: containers show it on hosts that have none.
    """
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return not {"vmx", "svm"}.isdisjoint(words) and os.access("/dev/kvm", os.R_OK | os.W_OK)


def firmware_files(*, secure_boot: bool) -> tuple[Path, Path]:
    """EFI's code and the template of its variables, with Microsoft's keys enrolled for Secure Boot.

    Raises:
        TargetError: they are not installed.
    """
    kind = ".ms" if secure_boot else ""
    files = _OVMF / f"OVMF_CODE_4M{kind}.fd", _OVMF / f"OVMF_VARS_4M{kind}.fd"
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise TargetError(f"This VM boots with EFI, but {' and '.join(missing)} is missing: install the package ovmf.")
    return files


def start(arguments: Sequence[str]) -> None:
    """Start QEMU; it goes to the background once its machine stands (``-daemonize``).

    Raises:
        TargetError: QEMU is not installed.
        BootError: with QEMU's own words, or because it did not come up.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise TargetError(f"{PROGRAM} is not installed: install the package qemu-system-x86 to start VMs.")
    command = [program, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments that we made, and no shell
            command, check=False, capture_output=True, timeout=_START_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        words = _words(error.stderr or b"")
        raise BootError(f"QEMU did not start the VM within {_START_TIMEOUT_S} s: {words}") from error
    if done.returncode:
        raise BootError(f"QEMU did not start the VM: {_words(done.stderr)}")


def _words(stderr: bytes) -> str:
    return " / ".join(stderr.decode("utf-8", "replace").split("\n")).strip(" /") or "it gave no reason"


def running_pid(pid_file: Path) -> int | None:
    """The process id of the QEMU that wrote ``pid_file``, or None where it does not run any more.

    A number alone proves nothing, for the system gives it to another process later: its command line must
    name the file.
    """
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(pid_file) in command else None


def stop(pid_file: Path, timeout_s: float) -> None:
    """Switch the VM off: ask QEMU to end, which writes its disks out, and make it end after ``timeout_s``.

    Raises:
        TargetError: it still runs.
    """
    for request in (signal.SIGTERM, signal.SIGKILL):
        pid = running_pid(pid_file)
        if pid is None:
            break
        try:
            os.kill(pid, request)
        except ProcessLookupError:
            break
        _wait_for_end(pid_file, timeout_s)
    pid = running_pid(pid_file)
    if pid is not None:
        raise TargetError(f"QEMU (process {pid}) cannot be ended: end it by hand.")
    pid_file.unlink(missing_ok=True)


def _wait_for_end(pid_file: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while running_pid(pid_file) is not None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
