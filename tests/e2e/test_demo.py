"""``thresher demo``: what a newcomer sees first."""

import re
import signal
import time
from pathlib import Path

import pytest

from rig import cli


def qemus(folder: Path) -> list[str]:
    """The command lines of the QEMUs that use something below ``folder``."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if "qemu-system" in words and str(folder) in words:
            found.append(words)
    return found


def proved(outcome: cli.Outcome) -> str:
    """The marker of a demo that went well: announced, said by the guest, and no warning on the way."""
    assert outcome.code == 0, outcome.err + outcome.out
    assert "virtualMachineRunning" in outcome.out
    assert "disk-0.raw" in outcome.out
    assert "disk-1.raw" in outcome.out
    assert "warning" not in outcome.out.replace("no warnings", "")
    announced = re.search(r"will say '(proof [0-9a-f]{8})'", outcome.out)
    assert announced
    assert f"    THRESHER-DEMO {announced[1]}" in outcome.out
    return announced[1]


def test_it_shows_the_proof_and_leaves_nothing(tmp_path: Path) -> None:
    proved(cli.run("demo", env={"TMPDIR": str(tmp_path)}, timeout=300))
    assert list(tmp_path.iterdir()) == []
    assert qemus(tmp_path) == []


def test_twice_into_one_folder(tmp_path: Path) -> None:
    home = tmp_path / "kept" / "thresher-sample"
    first = proved(cli.run("demo", "--to", home.parent, timeout=300))
    assert first in (home / "console.log").read_text()
    second = proved(cli.run("demo", "--to", home.parent, timeout=300))
    assert second != first
    assert second in (home / "console.log").read_text()
    assert {"disk-0.raw", "disk-1.raw", "domain.xml", "manifests.yaml"} <= {file.name for file in home.iterdir()}
    assert qemus(tmp_path) == []


@pytest.mark.parametrize("moment", ["thresher-sample/import.json", "thresher-sample/qemu.pid"])
def test_interrupted_it_leaves_no_vm(moment: str, tmp_path: Path) -> None:
    with cli.started("demo", "--to", tmp_path) as process:
        while not (tmp_path / moment).exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) in {0, 130}  # 0 where it was done before it heard
    assert qemus(tmp_path) == []
