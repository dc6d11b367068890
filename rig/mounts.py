"""Small file systems for tests that need a full disk, without being root."""

import subprocess
from collections.abc import Sequence

_SCRIPT = """
mount -t tmpfs -o size="$1" small "$2" || exit 98
folder=$2; shift 2
"$@"; code=$?
ls -A "$folder" >"$folder.left"
exit $code
"""


def on_small_disk(size: str, folder: str) -> Sequence[str]:
    """A command that runs another with a tmpfs of ``size`` (such as "2m") at ``folder``, which only it sees.

    What the command left there is listed, a name a line, in a file called as the folder plus ``.left``.
    """
    return [*_own_mounts(), "sh", "-c", _SCRIPT, "sh", size, folder]


def _own_mounts() -> list[str]:
    """Whoever may make a user namespace needs no more; else it is sudo's task, as in the set-up."""
    plain = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*plain, "true"], check=False, capture_output=True).returncode == 0:
        return plain
    return ["sudo", "--non-interactive", "unshare", "--mount"]
