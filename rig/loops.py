"""Real block devices on files of this machine, where it lets us have them: that takes root and loop devices."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from thresher.model.units import MIB


@contextmanager
def block_device(file: Path, size: int) -> Iterator[Path]:
    """A block device of that size, all zeros; ``file`` has its bytes.

    Raises:
        OSError: this machine has none for us.
    """
    with file.open("wb") as made:
        made.truncate(size)
    done = subprocess.run(["losetup", "--find", "--show", str(file)], capture_output=True, check=False, text=True)
    if done.returncode:
        raise OSError(f"no loop device: {done.stderr.strip()}")
    device = Path(done.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", str(device)], check=True)


@cache
def are_to_be_had() -> bool:
    """Whether this machine has block devices for us."""
    if os.geteuid() != 0:
        return False
    try:
        with TemporaryDirectory() as folder, block_device(Path(folder, "probe"), MIB):
            return True
    except OSError:
        return False
