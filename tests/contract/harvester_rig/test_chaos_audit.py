"""The last look of ``make chaos`` finds what it is for: real leftovers, real damage."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.chaos import audit
from rig.chaos.stage import NAMESPACE, SourceDisk, SourceVm
from rig.disks import noise
from rig.harvester import DEFAULT_CLASS, Harvester, eventually
from rig.harvester.kinds import CLAIMS, CONFIG_MAPS, IMAGES, NAMESPACES
from rig.harvester.samples import image
from rig.vcenter import POWERED_OFF, POWERED_ON, Disk, Inventory, MortalVCenter, Vm
from rig.vcenter.client import connected, find, finished, ready
from rig.webserver import WebServer

MIB = 1 << 20
RAW = noise(MIB, 1)
GOOD = {"importStatus": "virtualMachineCreated", "diskImportStatus": [{"VirtualMachineImage": "disk"}]}
FAILED: dict[str, Any] = {"importStatus": "VMMigrationFailed", "conditions": []}


def vm(name: str, power: str, sha512: str = "") -> SourceVm:
    return SourceVm(name, "VmwareSource", (SourceDisk(Path(), MIB, sha512),), power)


@pytest.fixture
def chaos(harvester: Harvester) -> Iterator[Harvester]:
    harvester.kube.ensure(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    yield harvester
    for kind in (CONFIG_MAPS, CLAIMS, IMAGES):
        for item in harvester.kube.list(kind, NAMESPACE)["items"]:
            harvester.kube.delete(kind, item)


def test_what_is_left_in_the_namespace_is_named(chaos: Harvester) -> None:
    kube = chaos.kube
    assert not [found for found in audit.cluster(kube, {}) if not found.startswith("PersistentVolume ")]
    kube.create(CONFIG_MAPS, {"metadata": {"name": "thresher-1", "namespace": NAMESPACE}})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    spec["storageClassName"] = DEFAULT_CLASS
    kube.create(CLAIMS, {"metadata": {"name": "scratch", "namespace": NAMESPACE}, "spec": spec})
    found = list(audit.cluster(kube, {"vm": GOOD}))
    assert "ConfigMap thresher-1 is left" in found
    assert "PersistentVolumeClaim scratch is left" in found
    assert "VirtualMachine vm is missing" in found
    assert "VirtualMachineImage disk is missing" in found


def test_one_wrong_byte_is_found(chaos: Harvester, web: WebServer, folder: Path) -> None:
    (folder / "disk").write_bytes(RAW)
    chaos.kube.create(IMAGES, image(NAMESPACE, "disk", f"{web.url}disk"))
    vms = {"vm": vm("vm", POWERED_OFF, hashlib.sha512(RAW).hexdigest())}
    path = chaos.image_bytes(NAMESPACE, "disk")
    eventually(lambda: chaos.kube.get(IMAGES, NAMESPACE, "disk").get("status", {}).get("progress") == 100)
    assert list(audit.disks(chaos, vms, {"vm": GOOD})) == []
    with path.open("r+b") as file:
        file.write(bytes([RAW[0] ^ 1]))
    assert list(audit.disks(chaos, vms, {"vm": GOOD})) == ["import vm: its disks disk are not those of the source"]


def test_what_is_left_at_the_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.vmdk").write_bytes(RAW)
    disk = Disk(MIB, stream=tmp_path / "one.vmdk")
    machines = tuple(
        Vm(name, disks=(disk,), power=POWERED_ON if name == "on" else POWERED_OFF) for name in ("on", "off")
    )
    mortal = MortalVCenter(Inventory(vms=machines), tmp_path / "vcenter")
    vms = [vm("on", POWERED_ON), vm("off", POWERED_OFF)]
    mortal.start()
    try:
        assert list(audit.source(mortal.vc, vms, {})) == []
        with connected(mortal.vc) as si:
            finished(find(si, "DC0/vm/on").PowerOffVM_Task())
            finished(find(si, "DC0/vm/off").CreateSnapshot_Task("s", "", memory=False, quiesce=False))
            ready(find(si, "DC0/vm/off").ExportVm())
            assert list(audit.source(mortal.vc, vms, {"on": GOOD})) == [
                "an export lease on off is left",
                f"a session of {mortal.vc.username} is left",
                "snapshots s of off are left",
            ]
        assert "on is poweredOff at its source and should be poweredOn" in audit.source(mortal.vc, vms, {"on": FAILED})
    finally:
        mortal.kill()
