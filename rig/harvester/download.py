"""Runs the downloader and reads what it says."""

import json
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rig import golang


class DownloadFailed(Exception):
    """A download ended early; the message is the status's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a download, or only its HEAD, gave.

    Attributes:
        total: the size in bytes that HEAD announced.
        checksum: SHA-512 of all bytes in hexadecimal digits.
        gzip: whether the bytes came compressed on the wire.
    """

    total: int
    checksum: str = ""
    gzip: bool = False


@cache
def build() -> Path:
    """Build the downloader, unless it is in the cache already."""
    return golang.build("downloader", Path(__file__).parent / "downloader")


def run(words: list[str], stop: threading.Event, progress: Callable[[int, int], None]) -> Outcome:
    """Run the downloader to its end, or until ``stop`` is set.

    Args:
        words: its arguments.
        stop: kills it.
        progress: is told the bytes so far and in all.

    Raises:
        DownloadFailed: it says why.
    """
    last: dict[str, object] = {}
    with subprocess.Popen([str(build()), *words], stdout=subprocess.PIPE, text=True) as process:
        killer = threading.Thread(target=_kill, args=(process, stop), daemon=True)
        killer.start()
        assert process.stdout is not None
        for text in process.stdout:
            last = json.loads(text)
            if last["event"] == "progress":
                progress(int(str(last["bytes"])), int(str(last["total"])))
    killer.join()
    if last.get("event") != "done":
        raise DownloadFailed(str(last.get("message") or "the download was stopped"))
    return Outcome(int(str(last["total"])), str(last.get("checksum", "")), bool(last.get("gzip")))


def _kill(process: subprocess.Popen[str], stop: threading.Event) -> None:
    while process.poll() is None:
        if stop.wait(0.05):
            process.kill()
            return
