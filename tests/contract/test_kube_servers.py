import signal
import subprocess
import sys
import time
from pathlib import Path

_DIES = """
import os, signal, sys
from pathlib import Path
from rig.kube.process import Server
server = Server(["sleep", "600"], Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_servers_end_with_a_test_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _DIES, str(tmp_path / "log")]
    child = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- Python itself
    assert child.returncode == -signal.SIGKILL, child.stderr
    while _runs(int(child.stdout)):
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether that process is there, and no zombie (proc(5): the state follows the name in brackets)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
