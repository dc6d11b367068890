"""``make demo-cluster``: what someone sees first who wonders what the operator does."""

from pathlib import Path

from rig.demo_proof import prove


def test_the_example_becomes_a_running_vm_and_nothing_is_left(tmp_path: Path) -> None:
    prove(tmp_path, "vcenter", "vmware.yaml", "vmwaresource", "web-1")
