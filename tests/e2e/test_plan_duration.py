"""What a plan says a queue will take is what it takes: ten imports from the simulated vCenter under a bandwidth limit.

The limit is so low that transfers are nearly all of it, whatever else the machine does meanwhile.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import cli
from rig.vcenter import POWERED_OFF, Datacenter, Disk, Inventory, Nic, VCenter, Vm, vcenter
from rig.vcenter_source import source_manifests
from thresher.formats.vmdk import write_stream
from thresher.model.units import MIB, Bytes
from thresher.samples.disk import sample_disk

CAPACITY = Bytes(64 * MIB)
MIBS = (1, 1, 2, 2, 3, 4, 5, 6, 8, 12)
"""Of data on each VM's disk: unlike ones, so that the queue matters."""
LIMITS = ("--bandwidth", "400Ki", "--imports", "3")
WITHIN = 0.2


@pytest.fixture
def vc(tmp_path: Path) -> Iterator[VCenter]:
    vms = []
    for number, size in enumerate(MIBS):
        stream = tmp_path / f"{number}.vmdk"
        stream.write_bytes(b"".join(write_stream(sample_disk(CAPACITY, number, data=Bytes(size * MIB)), CAPACITY)))
        disk = Disk(CAPACITY, stream=stream, controller="ahci")
        card = Nic(mac=f"00:50:56:80:01:{number:02x}")
        vms.append(Vm(f"vm-{number}", (disk,), (card,), power=POWERED_OFF))
    with vcenter(Inventory(tuple(vms), (Datacenter(),))) as running:
        yield running


def test_ten_imports_take_what_the_plan_says(vc: VCenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    source, plan = tmp_path / "source.yaml", tmp_path / "plan"
    source.write_text(source_manifests(vc))
    words = ("--pilots", "0", "--prepare", "1", "--write", plan, *LIMITS)
    told = cli.here("plan", "-f", source, "-o", "json", *words).json
    assert told["totals"]["blocked"] == 0
    assert len(told["waves"]) == 1
    predicted = told["totals"]["duration_s"]

    began = time.monotonic()
    done = cli.here("run", "-f", source, "-f", plan / "wave-01.yaml", "--to", tmp_path / "out", "-o", "json", *LIMITS)
    measured = time.monotonic() - began
    assert done.code == 0, done.err
    assert len(json.loads(done.out)) == len(MIBS)
    assert abs(predicted - measured) <= WITHIN * measured, (predicted, measured)
