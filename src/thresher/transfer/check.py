"""Has qemu-img check an image's own tables: an image that was cut short converts without a word, to wrong bytes."""

import json
import subprocess
import threading
from tempfile import TemporaryFile

from thresher.model.errors import ImageError, Stopped
from thresher.model.units import Bytes
from thresher.model.vm import DiskFormat

CHECKED_DRIVERS = frozenset({"vmdk", "qcow2", "vhdx"})
"""The drivers that ``qemu-img check`` knows; the others have no tables or are judged when they are opened."""
_POLL_SECONDS = 0.2
_LEAKS_ONLY = 3
"""qemu-img's exit code for clusters that are allocated and not used, which harm no byte (man qemu-img, "check")."""


def check_image(image: str, disk_format: DiskFormat, key: str, stop: threading.Event) -> None:
    """Let ``qemu-img check`` read the tables of ``image``.

    Args:
        image: the image, as qemu-img takes it.
        disk_format: for the message.
        key: of the disk, likewise.
        stop: ends the check with Stopped.

    Raises:
        ImageError: the tables point beyond the file, or contradict each other.
        Stopped: ``stop`` was set.
        FileNotFoundError: there is no qemu-img.
    """
    code, words = _said(["check", image], key, stop, with_errors=True)
    if code not in {0, _LEAKS_ONLY}:
        reason = _reason(words)
        raise ImageError(f"the {disk_format} disk {key} is damaged or was cut short: {reason}; get the file again")


def image_size(image: str, disk_format: DiskFormat, key: str, stop: threading.Event) -> Bytes:
    """How large the disk in ``image`` is, by ``qemu-img info``.

    Raises:
        ImageError: it cannot be opened.
        Stopped: ``stop`` was set.
        FileNotFoundError: there is no qemu-img.
    """
    code, words = _said(["info", "--output=json", image], key, stop)
    try:
        return Bytes(int(json.loads(words)["virtual-size"]))
    except (ValueError, KeyError, TypeError) as error:
        reason = f"qemu-img ended with {code} and does not say its size"
        raise ImageError(f"qemu-img cannot read {disk_format} disk {key}: {reason}; get the file again") from error


def _said(command: list[str], key: str, stop: threading.Event, *, with_errors: bool = False) -> tuple[int, str]:
    """Run qemu-img; its exit code and what it wrote."""
    with TemporaryFile() as words:
        process = subprocess.Popen(  # noqa: S603  our own arguments, no shell
            ["qemu-img", *command],  # noqa: S607  the one of the PATH, as for the conversion
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT if with_errors else subprocess.DEVNULL,
        )
        with process:
            while process.poll() is None:
                if stop.wait(_POLL_SECONDS):
                    process.kill()
                    raise Stopped(f"stopped while disk {key} was checked")
        words.seek(0)
        return process.returncode, words.read().decode(errors="replace")


def _reason(words: str) -> str:
    said = words.strip().splitlines() or ["it gave no reason"]
    return said[0].rpartition("}': ")[2].removeprefix("qemu-img: ").removeprefix("ERROR: ")
