"""``make demo-cluster``: what someone sees first who wonders what the operator does."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from rig.demo_cluster import EXAMPLE

EVENTS = ("Valid", "Copying", "Exported", "Submitted", "ImagesReady", "Created", "Running")


def test_the_example_becomes_a_running_vm_and_nothing_is_left(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rig.demo_cluster"],
        check=False,
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    out = done.stdout
    assert done.returncode == 0, out + done.stderr
    shown = out.partition("kubectl apply -f examples/vmware.yaml")[2].partition("secret/")[0]
    for line in EXAMPLE.read_text().splitlines():
        told = yaml.safe_load(line.strip().removeprefix("- ")) if line.strip() and not line.startswith("#") else None
        if not isinstance(told, dict) or not {"endpoint", "password"} & set(told):
            assert f"    {line}\n" in shown, f"the manifests differ from the example: {line}"
    source, vmi = out.partition("==> kubectl get vmwaresource.migration")[2].split("virtualmachineimport.migration", 1)
    assert re.search(r"vcenter +clusterReady", source)
    assert re.search(r"web-1 +virtualMachineRunning +100 +web-1-imported", vmi)
    events = vmi.partition("Events:")[2].partition("==>")[0]
    assert all(re.search(rf"Normal +{reason} .* thresher +\S", events) for reason in EVENTS), events
    announced = re.search(r"will say '(proof [0-9a-f]{8})'", out)
    assert announced
    assert f"    THRESHER-DEMO {announced[1]}" in vmi, "the guest has not spoken"
    assert re.search(r"^ +\S.* virtualMachineRunning", out, re.MULTILINE), "how far it is was not shown"
    assert list(tmp_path.iterdir()) == []
