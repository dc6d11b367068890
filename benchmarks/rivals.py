"""The rivals that are no program of the system: Python libraries in an environment of their own, and a floor in C.

What cannot be had here is told with its reason, and the benchmark goes on without it.
"""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rig.golang import cache_dir, locked

HERE = Path(__file__).parent / "programs"
PACKAGES = {"pyvmdk": "libvmdk-python==20260714", "dissect": "dissect.hypervisor==3.21"}
"""By the word that reader.py knows. Rivals only: neither is a dependency, and neither licence is ours."""
CODECS = (("libdeflate", "-DLIBDEFLATE -ldeflate"), ("zlib", "-lz"))
"""What inflate.c can be built with, the fastest first."""


@dataclass(frozen=True, slots=True)
class Had:
    """A program that could be had.

    Attributes:
        words: the front of its command line.
        note: what it is, more exactly.
    """

    words: tuple[str, ...]
    note: str = ""


class Missing(Exception):
    """It cannot be had here; the message says why."""


@cache
def reader(library: str) -> Had:
    """A Python that copies a VMDK by that library. Raises Missing."""
    package = PACKAGES[library]
    home = cache_dir("bench") / f"rival-{package.replace('==', '-')}"
    with locked(cache_dir("bench") / ".rivals"):
        if not (home / "done").exists():
            print(f"==> installing {package} in an environment of its own (once)", flush=True)
            _run([sys.executable, "-m", "venv", str(home)])
            _run([str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", package])
            (home / "done").touch()
    return Had((str(home / "bin" / "python"), str(HERE / "reader.py"), library), package)


@cache
def inflate() -> Had:
    """The program that inflates every grain and drops it. Raises Missing."""
    source = HERE / "inflate.c"
    why = ""
    for codec, flags in CODECS:
        key = hashlib.sha256(source.read_bytes() + flags.encode()).hexdigest()[:16]
        out = cache_dir("bench") / f"inflate-{codec}-{key}"
        try:
            if not out.exists():
                _run(["cc", "-O2", "-o", str(out), str(source), *flags.split()])
        except Missing as missing:
            why = str(missing)
        else:
            return Had((str(out),), codec)
    raise Missing(why)


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {error}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        wrong = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "it failed")
        raise Missing(f"{Path(command[0]).name}: {wrong.strip()}")
