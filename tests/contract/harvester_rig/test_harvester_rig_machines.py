import os
import signal
from pathlib import Path

import pytest

from rig.harvester import DEFAULT_CLASS, Faults, Harvester, Object, eventually
from rig.harvester.kinds import CLAIMS, INSTANCES, MACHINES, NETWORKS
from rig.harvester.samples import MIB, bound, claim, disk, events, image, imported, machine, vm_status
from rig.webserver import WebServer
from thresher.samples.boot import boot_sector


@pytest.fixture
def made(harvester: Harvester, namespace: str, web: WebServer, folder: Path) -> Object:
    """An image of a disk that boots and says ``alive``."""
    disk(folder / "a.raw", head=boot_sector("alive", 3 * MIB // 512))
    return imported(harvester, image(namespace, "a", web.url + "a.raw"))


def _running(harvester: Harvester, namespace: str, made: Object) -> None:
    vm = machine(namespace, "vm", ["v"], templates=[claim(namespace, "v", made)])
    harvester.kube.create(MACHINES, vm)
    eventually(lambda: vm_status(harvester, namespace, "vm").get("ready"), what="the VM is not ready")


def test_a_volume_is_its_own_copy_of_the_images_bytes(
    harvester: Harvester, namespace: str, made: Object, folder: Path
) -> None:
    harvester.kube.create(CLAIMS, claim(namespace, "v", made))
    eventually(lambda: bound(harvester, namespace, "v"))
    path = harvester.disk_bytes(namespace, "v")
    data = (folder / "a.raw").read_bytes()
    with path.open("rb+") as file:
        assert file.read(len(data)) == data
        file.write(b"guest")
    assert path.stat().st_size == 1 << 30
    assert path.stat().st_blocks * 512 < len(data)
    harvester.kube.create(CLAIMS, claim(namespace, "w", made))
    eventually(lambda: bound(harvester, namespace, "w"))
    with harvester.disk_bytes(namespace, "w").open("rb") as file:
        file.seek(len(data))
        assert file.read(5) == bytes(5)
    found = harvester.kube.get(CLAIMS, namespace, "v")
    assert found["status"]["capacity"]["storage"] == "1Gi"
    assert found["spec"]["volumeName"]


def test_a_claim_without_a_class_is_a_blank_volume_of_the_default_one(harvester: Harvester, namespace: str) -> None:
    spec = {"accessModes": ["ReadWriteMany"], "volumeMode": "Block", "resources": {"requests": {"storage": "1Mi"}}}
    made = harvester.kube.create(CLAIMS, {"metadata": {"name": "v", "namespace": namespace}, "spec": spec})
    assert made["spec"]["storageClassName"] == DEFAULT_CLASS
    eventually(lambda: bound(harvester, namespace, "v"))
    assert harvester.disk_bytes(namespace, "v").read_bytes() == bytes(MIB)


def test_a_claim_of_a_class_that_is_not_there_stays_pending(harvester: Harvester, namespace: str, made: Object) -> None:
    harvester.kube.create(CLAIMS, claim(namespace, "v", made, storageClassName="none"))
    eventually(lambda: "'none' not found" in events(harvester, namespace))
    assert not bound(harvester, namespace, "v")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"storage": "1Mi"}, "virtual size"),
        ({"volumeMode": "Filesystem"}, "volumeMode Block"),
        ({"storageClassName": DEFAULT_CLASS}, "needs the storage class lh-"),
    ],
)
def test_a_claim_that_does_not_fit_its_image_stays_pending_with_an_event(
    harvester: Harvester, namespace: str, made: Object, change: dict[str, str], words: str
) -> None:
    harvester.kube.create(CLAIMS, claim(namespace, "v", made, **change))
    eventually(lambda: words in events(harvester, namespace))
    assert not bound(harvester, namespace, "v")


def test_refused_volumes_stay_pending_until_they_are_not(harvester: Harvester, namespace: str, made: Object) -> None:
    harvester.fail(Faults(refuse_volumes="*"))
    harvester.kube.create(MACHINES, machine(namespace, "vm", ["v"], templates=[claim(namespace, "v", made)]))
    eventually(lambda: vm_status(harvester, namespace, "vm").get("printableStatus") == "WaitingForVolumeBinding")
    eventually(lambda: "ProvisioningFailed" in events(harvester, namespace))
    harvester.fail()
    eventually(lambda: vm_status(harvester, namespace, "vm").get("ready"))


def test_a_vm_boots_from_the_images_bytes_with_what_its_manifest_says(
    harvester: Harvester, namespace: str, made: Object
) -> None:
    _running(harvester, namespace, made)
    eventually(lambda: "THRESHER-DEMO alive" in harvester.console(namespace, "vm"), what="the guest says nothing")
    command = " ".join(harvester.qemu(namespace, "vm"))
    assert "-m 64 " in command
    assert "sockets=1,cores=2,threads=1" in command
    assert "-uuid 4210c0de-1111-2222-3333-444455556666" in command
    assert "virtio-blk-pci,drive=d0" in command
    assert str(harvester.disk_bytes(namespace, "v")) in command
    assert "e1000e" in command
    status = vm_status(harvester, namespace, "vm")
    assert (status["created"], status["printableStatus"]) == (True, "Running")
    assert harvester.kube.get(INSTANCES, namespace, "vm")["metadata"]["ownerReferences"][0]["kind"] == "VirtualMachine"


def test_halting_a_vm_stops_it_and_a_deleted_vm_keeps_its_volume(
    harvester: Harvester, namespace: str, made: Object
) -> None:
    _running(harvester, namespace, made)
    vm = harvester.kube.get(MACHINES, namespace, "vm")
    harvester.kube.patch(MACHINES, vm, {"spec": {"runStrategy": "Halted"}})
    eventually(lambda: vm_status(harvester, namespace, "vm")["printableStatus"] == "Stopped")
    assert not vm_status(harvester, namespace, "vm")["ready"]
    eventually(lambda: harvester.kube.find(INSTANCES, namespace, "vm") is None)
    with pytest.raises(KeyError):
        harvester.qemu(namespace, "vm")
    harvester.kube.patch(MACHINES, vm, {"spec": {"runStrategy": "RerunOnFailure"}})
    eventually(lambda: vm_status(harvester, namespace, "vm")["ready"])
    harvester.kube.delete(MACHINES, vm)
    eventually(lambda: harvester.kube.find(INSTANCES, namespace, "vm") is None)
    assert bound(harvester, namespace, "v")


def test_a_vm_can_be_kept_from_becoming_ready(harvester: Harvester, namespace: str, made: Object) -> None:
    harvester.fail(Faults(never_ready=True))
    harvester.kube.create(MACHINES, machine(namespace, "vm", ["v"], templates=[claim(namespace, "v", made)]))
    eventually(lambda: "alive" in harvester.console(namespace, "vm"))
    assert vm_status(harvester, namespace, "vm") | {"printableStatus": "Starting", "ready": False} == vm_status(
        harvester, namespace, "vm"
    )
    harvester.fail()
    eventually(lambda: vm_status(harvester, namespace, "vm")["ready"])


def test_a_guest_that_is_killed_is_started_again(harvester: Harvester, namespace: str, made: Object) -> None:
    _running(harvester, namespace, made)
    before = harvester.qemu_pid(namespace, "vm")
    os.kill(before, signal.SIGKILL)
    eventually(lambda: vm_status(harvester, namespace, "vm")["printableStatus"] == "CrashLoopBackOff")
    eventually(lambda: vm_status(harvester, namespace, "vm")["ready"])
    assert harvester.qemu_pid(namespace, "vm") != before


def test_a_vm_without_its_claim_says_so(harvester: Harvester, namespace: str) -> None:
    harvester.kube.create(MACHINES, machine(namespace, "vm", ["missing"]))
    eventually(lambda: vm_status(harvester, namespace, "vm").get("printableStatus") == "ErrorPvcNotFound")


def test_a_vm_whose_network_is_not_there_does_not_start(harvester: Harvester, namespace: str, made: Object) -> None:
    vm = machine(namespace, "vm", ["v"], templates=[claim(namespace, "v", made)])
    spec = vm["spec"]["template"]["spec"]
    spec["networks"] = [{"name": "nic-0", "multus": {"networkName": f"{namespace}/vlan1"}}]
    spec["domain"]["devices"]["interfaces"] = [{"name": "nic-0", "model": "virtio", "bridge": {}}]
    harvester.kube.create(MACHINES, vm)
    eventually(lambda: f"attachment definition {namespace}/vlan1" in events(harvester, namespace))
    assert not vm_status(harvester, namespace, "vm").get("ready")
    harvester.kube.create(NETWORKS, {"metadata": {"name": "vlan1", "namespace": namespace}, "spec": {"config": "{}"}})
    eventually(lambda: vm_status(harvester, namespace, "vm")["ready"])


@pytest.mark.parametrize("bus", ["sata", "scsi", "usb"])
def test_every_bus_boots(harvester: Harvester, namespace: str, made: Object, bus: str) -> None:
    vm = machine(namespace, "vm", ["v"], templates=[claim(namespace, "v", made)])
    vm["spec"]["template"]["spec"]["domain"]["devices"]["disks"][0]["disk"]["bus"] = bus
    harvester.kube.create(MACHINES, vm)
    eventually(lambda: "alive" in harvester.console(namespace, "vm"), what=f"no boot from {bus}")


def test_secure_boot_has_its_firmware_and_needs_smm(harvester: Harvester, namespace: str, made: Object) -> None:
    vm = machine(namespace, "vm", ["v"], templates=[claim(namespace, "v", made)])
    domain = vm["spec"]["template"]["spec"]["domain"]
    domain["firmware"]["bootloader"] = {"efi": {"secureBoot": True, "persistent": True}}
    harvester.kube.create(MACHINES, vm)
    eventually(lambda: "SMM" in events(harvester, namespace))
    harvester.kube.patch(
        MACHINES, vm, {"spec": {"template": {"spec": {"domain": {"features": {"smm": {"enabled": True}}}}}}}
    )
    eventually(lambda: vm_status(harvester, namespace, "vm")["ready"])
    assert "OVMF_CODE_4M.secboot.fd" in " ".join(harvester.qemu(namespace, "vm"))
