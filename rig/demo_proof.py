"""What has to be seen when someone runs ``make demo-cluster``."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from rig.demo_scenes import EXAMPLES

EVENTS = ("Valid", "Copying", "Exported", "Submitted", "ImagesReady", "Created", "Running")
OWN = {"endpoint", "username", "password", "project_name", "domain_name"}
"""What a user writes into an example."""


def prove(tmp_path: Path, source: str, example: str, kind: str, vm: str) -> None:
    """Run the demo of ``source`` and look at all it shows and leaves.

    Raises:
        AssertionError: what was not seen, or what was left in ``tmp_path``.
    """
    done = subprocess.run(
        [sys.executable, "-m", "rig.demo_cluster", source],
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    out = done.stdout
    assert done.returncode == 0, out + done.stderr
    shown = out.partition(f"kubectl apply -f examples/{example}")[2].partition("secret/")[0]
    for line in (EXAMPLES / example).read_text().splitlines():
        told = yaml.safe_load(line.strip().removeprefix("- ")) if line.strip() and not line.startswith("#") else None
        if not isinstance(told, dict) or not OWN & set(told):
            assert f"    {line}\n" in shown, f"the manifests differ from the example: {line}"
    seen, vmi = out.partition(f"==> kubectl get {kind}.migration")[2].split("virtualmachineimport.migration", 1)
    assert re.search(rf"{source} +clusterReady", seen)
    assert re.search(rf"{vm} +virtualMachineRunning +100 +{vm}-imported", vmi)
    events = vmi.partition("Events:")[2].partition("==>")[0]
    assert all(re.search(rf"Normal +{reason} .* thresher +\S", events) for reason in EVENTS), events
    announced = re.search(r"will say '(proof [0-9a-f]{8})'", out)
    assert announced
    assert f"    THRESHER-DEMO {announced[1]}" in vmi, "the guest has not spoken"
    assert re.search(r"^ +\S.* virtualMachineRunning", out, re.MULTILINE), "how far it is was not shown"
    assert list(tmp_path.iterdir()) == []
