"""What a VM says on its serial console, and waiting for it."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

from thresher.model.errors import BootError

_TAIL = 1 << 20
"""How much of a console is looked at: a guest may write without end."""
_POLL_S = 0.05
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
"""Terminal control sequences (ECMA-48, sections 5.3 and 5.4)."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_FIRMWARE = re.compile(
    r"\s*(?:BdsDxe: |>>Start |>>End of |PXE-|"
    r"UEFI |EDK II|Shell>|FS\d+:|BLK\d+:|PciRoot\(|Mapping table|Press )"
)
"""How lines begin that EFI firmware writes before or instead of a guest (edk2: BdsDxe and the UEFI Shell)."""


def console_text(path: Path, *, firmware: bool = False) -> str:
    """What the guest said so far, as plain text without terminal control; "" where there is nothing yet.

    What EFI firmware says of itself does not count, for it speaks even where nothing boots.

    Args:
        path: the console's file.
        firmware: whether its words are wanted too.
    """
    try:
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - _TAIL))
            raw = handle.read(_TAIL)
    except FileNotFoundError:
        return ""
    text = _CONTROLS.sub("", _ESCAPES.sub("", raw.decode("utf-8", "replace").replace("\r", "\n")))
    lines = [line.rstrip() for line in text.split("\n")]
    return "\n".join(line for line in lines if line and (firmware or not _FIRMWARE.match(line)))


def last_words(path: Path, lines: int = 3) -> str:
    """The last lines that the guest said, joined for a message; "" if it said nothing."""
    return " / ".join(console_text(path).split("\n")[-lines:])


async def wait_for_console(path: Path, marker: str | None, timeout_s: float, is_running: Callable[[], bool]) -> str:
    """Wait for a sign of life and return what the guest said.

    Args:
        path: the console's file.
        marker: what has to appear in it; None takes any output.
        timeout_s: how long to wait, in seconds.
        is_running: whether the VM still runs. One that spoke and then ended did run.

    Raises:
        BootError: it did not appear in time, or the VM ended before.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        running = is_running()  # asked first: what it said before it ended is then already written
        text = console_text(path, firmware=marker is not None)  # a marker may look like firmware's words
        if (marker in text) if marker is not None else text:
            return text
        wanted = "anything" if marker is None else repr(marker)
        if not running:
            raise BootError(f"The VM ended before it said {wanted} on its console. {_evidence(path)}")
        if time.monotonic() >= deadline:
            late = f"The VM did not say {wanted} on its console within {timeout_s:g} s."
            raise BootError(f"{late} {_evidence(path)}")
        await asyncio.sleep(_POLL_S)


def _evidence(path: Path) -> str:
    words = last_words(path)
    return f"Its last words, in {path}: {words}" if words else f"It said nothing ({path}); does it use ttyS0?"
