"""What the figures were taken on."""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from thresher.model.units import KIB, human


def facts() -> dict[str, str]:
    """The machine and the programs that take part, by name."""
    model = _first("/proc/cpuinfo", r"model name\s*:\s*(.+)", platform.machine())
    system = _first("/etc/os-release", r'PRETTY_NAME="(.+)"', platform.system())
    found = {
        "processor": f"{os.cpu_count()} x {model}",
        "memory": human(int(_first("/proc/meminfo", r"MemTotal:\s+(\d+)", "0")) * KIB),
        "system": f"{system}, Linux {'.'.join(platform.release().split('.')[:2])}",
        "python": f"Python {platform.python_version()}",
    }
    programs = {"curl": ["curl", "--version"], "qemu-img": ["qemu-img", "--version"], "nginx": ["nginx", "-v"]}
    return found | {name: f"{name} {_version(words)}" for name, words in programs.items()}


def _first(path: str, pattern: str, otherwise: str) -> str:
    """What the pattern's group finds first in a file."""
    file = Path(path)
    match = re.search(pattern, file.read_text(encoding="utf-8")) if file.exists() else None
    return match[1].strip() if match else otherwise


def _version(words: Sequence[str]) -> str:
    """The first number with dots that a program says of itself."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=os.environ | {"PATH": path})
    match = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return match[0] if match else "of an unknown version"
