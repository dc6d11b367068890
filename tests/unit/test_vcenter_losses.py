"""What a VM of vCenter would lose, and how much that matters, is told of it before anything is touched."""

from typing import Any

import pytest
from pyVmomi import vim

from rig.source_vms import SPEC
from rig.vcenter.objects import AROUND, card, controller, device, disk, flat, on_network, rdm, snapshots, vm_row
from thresher.model.vm import Loss, Severity
from thresher.sources.vcenter.translate import source_vm
from thresher.targets.manifests import findings

SCSI = controller("ParaVirtualSCSIController", 1000, sharedBus="noSharing")


def found(devices: Any = (), **values: Any) -> list[tuple[str, str, bool]]:
    """Rule, subject, and whether it stops the import."""
    losses = source_vm(vm_row(devices, **values), AROUND).losses
    assert all(loss.message.endswith(".") for loss in losses)
    return [(loss.rule, loss.subject, loss.severity is Severity.BLOCKER) for loss in losses]


def told(devices: Any = (), **values: Any) -> Loss:
    (loss,) = source_vm(vm_row(devices, **values), AROUND).losses
    return loss


@pytest.mark.parametrize(
    ("backing", "rule", "blocks"),
    [
        (rdm("physicalMode"), "RawDeviceMapping", True),
        (rdm("virtualMode"), "RawDeviceMapping", False),
        (device.VirtualDisk.RawDiskVer2BackingInfo(deviceName="vmhba1"), "RawDeviceMapping", True),
        (device.VirtualDisk.PartitionedRawDiskVer2BackingInfo(deviceName="vmhba1"), "RawDeviceMapping", True),
        (flat(sharing="sharingMultiWriter"), "SharedDisk", True),
        (flat(diskMode="independent_persistent"), "IndependentDisk", False),
        (flat(diskMode="independent_nonpersistent"), "IndependentDisk", False),
        (flat(parent=flat(fileName="[gold] golden/golden.vmdk")), "LinkedClone", False),
    ],
)
def test_disks_that_are_more_than_a_file_of_their_own(backing: Any, rule: str, blocks: bool) -> None:  # noqa: FBT001
    assert found([SCSI, disk(2000, 1000, 0, backing)]) == [(rule, "disk 2000", blocks)]


def test_an_ordinary_disk_loses_nothing() -> None:
    assert found([SCSI, disk(2000, 1000, 0, flat(sharing="sharingNone"))]) == []


@pytest.mark.parametrize("sharing", ["virtualSharing", "physicalSharing"])
def test_disks_on_a_shared_bus_are_shared(sharing: str) -> None:
    shared = controller("VirtualLsiLogicSASController", 1001, 1, sharedBus=sharing)
    devices = [SCSI, shared, disk(2000, 1000, 0), disk(2016, 1001, 0)]
    assert found(devices) == [("SharedDisk", "disk 2016", True)]


def test_a_non_persistent_disk_says_what_changes() -> None:
    backing = flat(diskMode="independent_nonpersistent")
    assert "independent_nonpersistent" in told([SCSI, disk(2000, 1000, 0, backing)]).message


# Snapshots and linked clones


def chain(*names: str) -> Any:
    backing = None
    for name in names:
        backing = flat(fileName=f"[gold] web/{name}.vmdk", parent=backing)
    return backing


def test_snapshots_are_consolidated_and_are_no_linked_clone() -> None:
    devices = [SCSI, disk(2000, 1000, 0, chain("web", "web-000001", "web-000002"))]
    tree = snapshots("snapshot-2", "snapshot-1", "snapshot-2", beside=["snapshot-9"])
    assert found(devices, snapshot=tree) == [("Snapshots", "VM", False)]
    assert "3 snapshots" in told(devices, snapshot=tree).message


def test_a_linked_clone_with_snapshots_is_both() -> None:
    devices = [SCSI, disk(2000, 1000, 0, chain("golden", "web", "web-000001"))]
    tree = snapshots("snapshot-1", "snapshot-1")
    assert found(devices, snapshot=tree) == [("Snapshots", "VM", False), ("LinkedClone", "disk 2000", False)]


def test_only_the_snapshots_below_the_present_state_explain_a_disks_files() -> None:
    devices = [SCSI, disk(2000, 1000, 0, chain("golden", "web", "web-000003"))]
    tree = snapshots("snapshot-9", "snapshot-1", "snapshot-2", beside=["snapshot-9"])
    assert ("LinkedClone", "disk 2000", False) in found(devices, snapshot=tree)


def test_leftovers_of_snapshots_are_consolidated() -> None:
    assert found(runtime__consolidationNeeded=True) == [("Snapshots", "VM", False)]


# The machine


def test_an_encrypted_vm_cannot_be_exported() -> None:
    key = vim.encryption.CryptoKeyId(keyId="1")
    assert found(config__keyId=key) == [("EncryptedVm", "VM", True)]


def test_a_vtpm_encrypts_the_configuration_only_unless_a_disk_has_a_key() -> None:
    key = vim.encryption.CryptoKeyId(keyId="1")
    tpm = device.VirtualTPM(key=11000)
    assert found([tpm], config__keyId=key) == [("EncryptedVm", "VM", False)]
    devices = [tpm, SCSI, disk(2000, 1000, 0, flat(keyId=key))]
    assert found(devices, config__keyId=key) == [("EncryptedVm", "VM", True)]


@pytest.mark.parametrize(("version", "warned"), [("vmx-13", False), ("vmx-21", False), ("vmx-22", True)])
def test_newer_hardware_than_is_known_is_told(version: str, warned: bool) -> None:  # noqa: FBT001
    assert found(config__version=version) == ([("HardwareVersionNew", "VM", False)] if warned else [])


@pytest.mark.parametrize("state", ["running", "enabled", "disabled", "needSecondary", "starting"])
def test_fault_tolerance_is_not_carried_over(state: str) -> None:
    assert found(runtime__faultToleranceState=state) == [("FaultTolerance", "VM", False)]


def test_a_template_becomes_a_vm() -> None:
    assert found(config__template=True, runtime__powerState="poweredOff") == [("Template", "VM", False)]


# VMware Tools


def test_without_tools_a_guest_cannot_be_asked_to_shut_down() -> None:
    missing = {
        "guest__toolsRunningStatus": "guestToolsNotRunning",
        "guest__toolsVersionStatus2": "guestToolsNotInstalled",
    }
    assert found(**missing) == [("ToolsMissing", "guest", False)]
    assert "not installed" in told(**missing).message
    assert found(**missing, runtime__powerState="poweredOff") == []


def test_tools_that_do_not_run_are_of_no_use() -> None:
    assert "do not run" in told(guest__toolsRunningStatus="guestToolsNotRunning").message


# Devices


@pytest.mark.parametrize(
    ("extra", "rule", "blocks"),
    [
        (device.VirtualPCIPassthrough(key=13000), "PciPassthrough", False),
        (device.VirtualUSB(key=23000), "UsbPassthrough", False),
        (device.VirtualSCSIPassthrough(key=2100), "ScsiPassthrough", False),
        (device.VirtualSerialPort(key=9000), "SerialPort", False),
        (device.VirtualParallelPort(key=10000), "ParallelPort", False),
        (device.VirtualFloppy(key=8000), "Floppy", False),
        (device.VirtualHdAudioCard(key=5000), "Sound", False),
        (device.VirtualEnsoniq1371(key=5001), "Sound", False),
        (device.VirtualNVDIMM(key=33000), "Nvdimm", True),
        (device.VirtualDevice(key=99000), "UnknownHardware", False),
    ],
)
def test_devices_that_are_not_carried_over(extra: Any, rule: str, blocks: bool) -> None:  # noqa: FBT001
    extra.deviceInfo = vim.Description(label="Thing 1", summary="")
    assert found([extra]) == [(rule, "device Thing 1", blocks)]


def test_devices_that_every_vm_has_are_no_loss() -> None:
    kinds = ["VirtualVideoCard", "VirtualKeyboard", "VirtualPointingDevice", "VirtualVMCIDevice", "VirtualWDT"]
    kinds += ["VirtualPCIController", "VirtualPS2Controller", "VirtualSIOController", "VirtualUSBXHCIController"]
    kinds += ["VirtualTPM", "VirtualPrecisionClock"]
    assert found([getattr(device, kind)(key=key) for key, kind in enumerate(kinds)]) == []


def test_the_card_behind_sr_iov_becomes_a_plain_one() -> None:
    nic = card("VirtualSriovEthernetCard", 4003, on_network("VM Network", "network-7"))
    assert found([nic]) == [("SriovNic", "NIC 4003", False)]


def test_a_medium_in_the_drive_is_named_and_an_empty_drive_is_not() -> None:
    drive = device.VirtualCdrom
    iso = drive(key=3002, backing=drive.IsoBackingInfo(fileName="[gold] iso/setup.iso"))
    assert found([iso]) == [("CdromMedia", "CD drive 3002", False)]
    assert "[gold] iso/setup.iso" in told([iso]).message
    assert found([drive(key=3002, backing=drive.RemotePassthroughBackingInfo(deviceName=""))]) == []


# What depends on the target is told by its translation, once


def test_the_rest_is_told_by_the_translation() -> None:
    row = vm_row(
        [device.VirtualTPM(key=11000), card("VirtualVmxnet3", 4000, on_network("VM Network", "network-7"))],
        config__firmware="efi",
        config__guestId="windows2019srvNext_64Guest",
        runtime__powerState="suspended",
    )
    vm = source_vm(row, AROUND)
    assert vm.losses == ()
    rules = {(loss.rule, loss.subject) for loss in findings(SPEC, vm)}
    assert rules >= {
        ("TpmStateReset", "TPM"),
        ("EfiVariablesReset", "firmware"),
        ("Suspended", "VM"),
        ("WindowsDrivers", "NICs"),
    }
