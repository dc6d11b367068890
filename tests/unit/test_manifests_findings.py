"""Nothing is dropped silently: each loss is named, and what would break the VM blocks the import."""

from dataclasses import replace

import pytest

from rig.source_vms import (
    DV_PORT_GROUP,
    DV_SPEC,
    FOUR_NICS,
    FOUR_NICS_SPEC,
    LINUX_BIOS,
    LINUX_EFI,
    ODD_NAME,
    SIX_DISKS,
    SPEC,
    VM_NETWORK,
    WINDOWS,
    disk,
    nic,
)
from thresher.model.matching import match_network
from thresher.model.spec import ImportSpec, NetworkMapping, NicModel
from thresher.model.vm import Bus, Firmware, FirmwareType, Loss, Network, PowerState, Severity, SourceVM
from thresher.targets.manifests import findings


def rules(spec: ImportSpec, vm: SourceVM) -> list[tuple[str, str]]:
    return [(loss.rule, loss.subject) for loss in findings(spec, vm)]


def blockers(spec: ImportSpec, vm: SourceVM) -> list[Loss]:
    return [loss for loss in findings(spec, vm) if loss.severity is Severity.BLOCKER]


def test_a_vm_that_comes_over_whole_has_no_findings() -> None:
    assert findings(SPEC, LINUX_BIOS) == ()


def test_defect_03_a_second_unmapped_nic_blocks_and_is_named() -> None:
    vm = replace(LINUX_BIOS, nics=(nic(0, Network("red")), nic(1, VM_NETWORK), nic(2, Network("green"))))
    (blocker,) = blockers(SPEC, vm)
    assert (blocker.rule, blocker.subject) == ("NetworkUnmapped", "NIC 4002")
    assert "'green'" in blocker.message
    assert ("NetworkUnmapped", "NIC 4000") in rules(SPEC, vm)


def test_one_unmapped_nic_is_only_told() -> None:
    assert blockers(FOUR_NICS_SPEC, FOUR_NICS) == []
    assert ("NetworkUnmapped", "NIC 4003") in rules(FOUR_NICS_SPEC, FOUR_NICS)
    assert ("NicModelReplaced", "NIC 4002") in rules(FOUR_NICS_SPEC, FOUR_NICS)  # sriov


def test_a_model_that_was_chosen_is_not_told_as_replaced() -> None:
    spec = replace(SPEC, networks=(NetworkMapping("VM Network", "vlan1", NicModel.E1000),))
    assert rules(spec, replace(LINUX_BIOS, nics=(nic(0, VM_NETWORK, "sriov"),))) == []


def test_issue_6491_a_row_that_maps_nothing_is_told_with_what_there_is() -> None:
    spec = replace(SPEC, networks=(*SPEC.networks, NetworkMapping("VM Netwrok", "vlan2")))
    (loss,) = findings(spec, LINUX_BIOS)
    assert (loss.rule, loss.severity) == ("MappingUnused", Severity.WARNING)
    assert "'VM Netwrok'" in loss.message
    assert "VM Network" in loss.message


@pytest.mark.parametrize(
    ("bus", "controller", "told"),
    [
        (Bus.IDE, "", True),
        (Bus.NVME, "nvme", True),
        (Bus.SCSI, "pvscsi", True),
        (Bus.SCSI, "VirtualSCSI", True),
        (Bus.SCSI, "lsilogicsas", False),
        (Bus.SATA, "ahci", False),
        (Bus.VIRTIO, "", False),
        (Bus.USB, "", False),
    ],
)
def test_a_disk_whose_bus_changes_is_told(bus: Bus, controller: str, told: bool) -> None:  # noqa: FBT001 - a column
    vm = replace(LINUX_BIOS, disks=(disk(0, bus, controller),))
    assert rules(SPEC, vm) == ([("DiskBusChanged", "disk 2000")] if told else [])


def test_every_disk_that_changes_is_told() -> None:
    changed = [subject for rule, subject in rules(SPEC, SIX_DISKS) if rule == "DiskBusChanged"]
    assert changed == ["disk 2001", "disk 2004", "disk 2005"]


def test_a_blank_disk_without_a_size_blocks() -> None:
    vm = replace(SIX_DISKS, disks=(replace(SIX_DISKS.disks[5], capacity=None),))
    assert [loss.rule for loss in blockers(SPEC, vm)] == ["DiskSizeUnknown"]


def test_a_suspended_vm_blocks_unless_its_memory_may_be_lost() -> None:
    vm = replace(LINUX_BIOS, power=PowerState.SUSPENDED)
    assert [loss.rule for loss in blockers(SPEC, vm)] == ["Suspended"]
    assert rules(replace(SPEC, force_power_off=True), vm) == [("Suspended", "VM")]
    assert blockers(replace(SPEC, force_power_off=True), vm) == []


def test_defect_06_what_firmware_cannot_carry_is_told() -> None:
    assert rules(DV_SPEC, LINUX_EFI) == [("EfiVariablesReset", "firmware")]
    bios = replace(LINUX_BIOS, firmware=Firmware(FirmwareType.BIOS, secure_boot=True, tpm=True))
    assert rules(SPEC, bios) == [("SecureBootWithoutEfi", "firmware"), ("TpmStateReset", "TPM")]


def test_issue_4281_windows_is_told_of_drivers_and_clock() -> None:
    assert {rule for rule, _ in rules(SPEC, WINDOWS)} >= {"WindowsDrivers", "WindowsClock", "TpmStateReset"}
    sata = replace(WINDOWS, disks=(disk(0, Bus.SATA, "ahci"),))
    assert "WindowsDrivers" not in {rule for rule, _ in rules(SPEC, sata)}


def test_two_nics_with_one_mac_are_told() -> None:
    twin = replace(nic(1, VM_NETWORK), mac="00:50:56:00:00:00")
    vm = replace(LINUX_BIOS, nics=(nic(0, VM_NETWORK), twin))
    assert rules(SPEC, vm) == [("MacDuplicate", "MAC 00:50:56:00:00:00")]


def test_a_nic_that_is_unplugged_or_nameless_is_told() -> None:
    vm = replace(LINUX_BIOS, nics=(replace(nic(0, VM_NETWORK), connected=False, mac=None),))
    assert rules(SPEC, vm) == [("NicDisconnected", "NIC 4000"), ("MacUnknown", "NIC 4000")]


def test_a_changed_name_is_told_and_an_invalid_one_blocks() -> None:
    assert ("NameChanged", "VM") in rules(SPEC, ODD_NAME)
    asked = replace(SPEC, target_name="Not Valid")
    assert [loss.rule for loss in blockers(asked, ODD_NAME)] == ["TargetNameInvalid"]
    assert ("NameChanged", "VM") not in rules(replace(SPEC, target_name="fine"), ODD_NAME)


def test_vcpus_that_cannot_be_grouped_as_before_are_told() -> None:
    assert rules(replace(SPEC, vcpus=3), LINUX_BIOS) == [("CpuTopologyChanged", "CPU")]
    assert rules(replace(SPEC, vcpus=6), LINUX_BIOS) == []


@pytest.mark.parametrize(
    "written", ["pg-blue", "DSwitch/pg-blue", "DSwitch%2fpg-blue", "DSwitch%2Fpg-blue", "dvportgroup-11"]
)
def test_defect_04_a_network_is_found_by_each_of_its_names(written: str) -> None:
    row = NetworkMapping(written, "vlan1")
    assert match_network([row], DV_PORT_GROUP) == row


@pytest.mark.parametrize("written", ["blue", "Other/pg-blue", "PG-BLUE", "DSwitch", "", "pg"])
def test_defect_04_a_network_is_not_found_by_a_part_of_a_name(written: str) -> None:
    assert match_network([NetworkMapping(written, "vlan1")], DV_PORT_GROUP) is None


def test_issue_6451_a_nic_is_mapped_once_and_by_the_most_exact_row() -> None:
    by_name, by_path = NetworkMapping("pg-blue", "a"), NetworkMapping("DSwitch/pg-blue", "b")
    assert match_network([by_name, by_path], DV_PORT_GROUP) == by_path
    assert match_network([by_name, NetworkMapping("pg-blue", "c")], DV_PORT_GROUP) == by_name
    assert match_network([by_name], Network("pg-blue", "Other/pg-blue")) == by_name
    assert match_network([by_name], None) is None


def test_an_escaped_name_of_the_source_is_found_too() -> None:
    row = NetworkMapping("a/b%", "vlan1")
    assert match_network([row], Network("a%2fb%25")) == row
