"""Where OpenStack is installed: a virtual environment of its own in the user's cache, keyed by the pinned versions."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from rig.golang import cache_dir, locked

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
INSIDE = HERE / "inside"
"""Modules that run in the services' processes."""


def key() -> str:
    """A name for the pinned versions with this Python."""
    digest = hashlib.sha256(sys.version.encode() + REQUIREMENTS.read_bytes())
    return digest.hexdigest()[:16]


def environment() -> Path:
    """The folder of the virtual environment; made unless it is in the cache already.

    Raises:
        subprocess.CalledProcessError: a package could not be installed; pip's words are on standard error.
    """
    folder = cache_dir("rig") / f"openstack-{key()}"
    done = folder / "installed"
    with locked(folder.with_suffix(".lock")):
        if not done.exists():
            print("==> installing OpenStack's services from PyPI (two minutes at first, 700 MB)", flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
            uv = [_uv(), "pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder / "bin" / "python")]
            subprocess.run([*uv, "-r", str(REQUIREMENTS)], check=True)
            done.touch()
    return folder


def _uv() -> str:
    """The uv that made our own environment."""
    return str(Path(sys.executable).parent / "uv")
