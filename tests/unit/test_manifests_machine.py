"""The VirtualMachine: what the source platform says is what Harvester gets. Expectations are written by
hand."""

import json
from dataclasses import replace
from typing import Any

import pytest

from rig.golden import refs
from rig.source_vms import (
    DV_SPEC,
    FOUR_NICS,
    FOUR_NICS_SPEC,
    HALTED,
    LINUX_BIOS,
    LINUX_EFI,
    ODD_NAME,
    OVERRIDES_SPEC,
    SIX_DISKS,
    SPEC,
    UID,
    UUID,
    WINDOWS,
)
from thresher.model.spec import DiskBus, ImportSpec, RunStrategy
from thresher.model.units import MiB
from thresher.model.vm import CpuTopology, Firmware, FirmwareType, PowerState, SourceVM
from thresher.targets import manifests


def made(spec: ImportSpec, vm: SourceVM) -> Any:
    return json.loads(json.dumps(manifests.virtual_machine(spec, vm, refs(spec, vm))))


def domain(spec: ImportSpec, vm: SourceVM) -> Any:
    return made(spec, vm)["spec"]["template"]["spec"]["domain"]


@pytest.mark.parametrize(
    ("vcpus", "per_socket", "sockets", "cores"),
    [(8, 2, 4, 2), (8, 4, 2, 4), (8, 8, 1, 8), (4, 2, 2, 2), (1, 1, 1, 1)],
)
def test_defect_01_cpu_topology_is_the_sources(vcpus: int, per_socket: int, sockets: int, cores: int) -> None:
    vm = replace(LINUX_BIOS, cpu=CpuTopology(vcpus, per_socket))
    assert domain(SPEC, vm)["cpu"] == {"sockets": sockets, "cores": cores, "threads": 1}
    assert domain(SPEC, vm)["resources"]["limits"]["cpu"] == str(vcpus)
    assert sockets * cores == vcpus


@pytest.mark.parametrize("memory", [4096, 3001, 1, 1023])
@pytest.mark.parametrize("source", [LINUX_BIOS, WINDOWS], ids=["linux", "windows"])
def test_defect_02_memory_is_binary_and_whole_after_harvester_took_its_share(source: SourceVM, memory: int) -> None:
    vm = replace(source, memory=MiB(memory))
    assert domain(SPEC, vm)["memory"]["guest"] == f"{memory}Mi"
    # Harvester's webhook: memory.guest = limits.memory - reservedMemory
    limit = int(domain(SPEC, vm)["resources"]["limits"]["memory"].removesuffix("Mi"))
    reserved = made(SPEC, vm)["metadata"]["annotations"]["harvesterhci.io/reservedMemory"]
    assert limit - int(reserved.removesuffix("Mi")) == memory


def test_defect_03_a_nic_without_a_mapping_goes_to_the_management_network() -> None:
    vm = made(FOUR_NICS_SPEC, FOUR_NICS)["spec"]["template"]["spec"]
    assert vm["networks"] == [
        {"name": "nic-0", "multus": {"networkName": "prod/vlan1"}},
        {"name": "nic-1", "multus": {"networkName": "net/blue"}},
        {"name": "nic-2", "multus": {"networkName": "net/nsx"}},
        {"name": "nic-3", "pod": {}},
    ]
    nics = vm["domain"]["devices"]["interfaces"]
    assert [nic["name"] for nic in nics] == ["nic-0", "nic-1", "nic-2", "nic-3"]
    assert ["bridge" in nic for nic in nics] == [True, True, True, False]
    assert ["masquerade" in nic for nic in nics] == [False, False, False, True]


def test_every_nic_keeps_its_mac_and_a_model_its_guest_drives() -> None:
    nics = domain(FOUR_NICS_SPEC, FOUR_NICS)["devices"]["interfaces"]
    assert [nic["macAddress"] for nic in nics] == [f"00:50:56:00:00:0{i}" for i in range(4)]
    # row's model over e1000; vmxnet3 is virtio; sriov is unknown, so the default; pcnet32 is pcnet
    assert [nic["model"] for nic in nics] == ["rtl8139", "virtio", "virtio", "pcnet"]


def test_a_vm_without_nics_gets_none() -> None:
    devices = domain(SPEC, HALTED)["devices"]
    assert devices["interfaces"] == []
    assert devices["autoattachPodInterface"] is False


def test_defect_04_and_05_port_groups_and_opaque_networks_are_mapped_by_any_of_their_names() -> None:
    assert made(DV_SPEC, LINUX_EFI)["spec"]["template"]["spec"]["networks"] == [
        {"name": "nic-0", "multus": {"networkName": "prod/blue"}}
    ]


def test_defect_06_uefi_state_uuid_and_tpm_are_kept() -> None:
    assert domain(DV_SPEC, LINUX_EFI)["firmware"] == {
        "uuid": UUID,
        "bootloader": {"efi": {"secureBoot": False, "persistent": True}},
    }
    assert "smm" not in domain(DV_SPEC, LINUX_EFI)["features"]
    assert domain(SPEC, LINUX_BIOS)["firmware"] == {"uuid": UUID}
    windows = domain(SPEC, WINDOWS)
    assert windows["firmware"]["bootloader"]["efi"] == {"secureBoot": True, "persistent": True}
    assert windows["features"]["smm"] == {"enabled": True}
    assert windows["devices"]["tpm"] == {"persistent": True}


def test_defect_06_a_tpm_on_bios_is_kept() -> None:
    bios = domain(SPEC, replace(LINUX_BIOS, firmware=Firmware(FirmwareType.BIOS, tpm=True)))
    assert bios["devices"]["tpm"] == {"persistent": True}
    assert bios["features"]["smm"] == {"enabled": True}
    assert "bootloader" not in bios["firmware"]


@pytest.mark.parametrize(
    ("power", "strategy"),
    [(PowerState.ON, "RerunOnFailure"), (PowerState.OFF, "Halted"), (PowerState.SUSPENDED, "Halted")],
)
def test_defect_06_a_vm_that_was_off_stays_off(power: PowerState, strategy: str) -> None:
    assert made(SPEC, replace(HALTED, power=power))["spec"]["runStrategy"] == strategy


def test_the_run_strategy_asked_for_wins() -> None:
    assert made(replace(SPEC, run_strategy=RunStrategy.ALWAYS), HALTED)["spec"]["runStrategy"] == "Always"


def test_windows_gets_hyperv_and_timers_and_linux_does_not() -> None:
    windows, linux = domain(SPEC, WINDOWS), domain(SPEC, LINUX_BIOS)
    assert windows["features"]["hyperv"]["spinlocks"] == {"spinlocks": 8191}
    assert windows["clock"]["timer"]["hpet"] == {"present": False}
    assert "hyperv" not in linux["features"]
    assert "clock" not in linux


def test_six_disks_keep_their_buses_and_their_boot_order() -> None:
    disks = domain(SPEC, SIX_DISKS)["devices"]["disks"]
    assert [disk["name"] for disk in disks] == [f"disk-{i}" for i in range(6)]
    # lsilogic is scsi; pvscsi cannot boot from virtio-scsi, so sata; KubeVirt has no NVMe, so virtio
    assert [disk["disk"]["bus"] for disk in disks] == ["scsi", "sata", "sata", "sata", "virtio", "virtio"]
    # the source boots from disk 2, then disk 4; the rest follow as they come
    assert [disk["bootOrder"] for disk in disks] == [3, 4, 1, 5, 2, 6]


def test_the_default_bus_is_for_disks_whose_bus_nobody_knows() -> None:
    spec = replace(SPEC, disk_bus=DiskBus.SCSI)
    assert domain(spec, ODD_NAME)["devices"]["disks"][0]["disk"]["bus"] == "scsi"
    assert domain(SPEC, ODD_NAME)["devices"]["disks"][0]["disk"]["bus"] == "virtio"
    assert domain(spec, LINUX_EFI)["devices"]["disks"][0]["disk"]["bus"] == "sata"


def test_the_metadata_is_what_harvesters_pages_need() -> None:
    vm = made(SPEC, LINUX_BIOS)
    assert (vm["apiVersion"], vm["kind"]) == ("kubevirt.io/v1", "VirtualMachine")
    assert vm["metadata"]["labels"]["harvesterhci.io/creator"] == "harvester"
    assert vm["metadata"]["labels"]["harvesterhci.io/os"] == "linux"
    assert vm["metadata"]["labels"]["migration.harvesterhci.io/imported"] == "true"
    assert vm["metadata"]["annotations"]["network.harvesterhci.io/ips"] == "[]"
    notes = vm["metadata"]["annotations"]["field.cattle.io/description"]
    assert notes == "The shop's web server\nasked for by Kim"
    template = vm["spec"]["template"]
    assert template["metadata"] == {
        "labels": {"harvesterhci.io/vmName": "web"},
        "annotations": {"harvesterhci.io/sshNames": "[]"},
    }
    assert template["spec"]["evictionStrategy"] == "LiveMigrateIfPossible"
    assert "harvesterhci.io/os" not in made(SPEC, HALTED)["metadata"]["labels"]
    assert "field.cattle.io/description" not in made(SPEC, HALTED)["metadata"]["annotations"]


def test_defect_10_a_vm_says_which_import_made_it() -> None:
    assert made(SPEC, LINUX_BIOS)["metadata"]["labels"]["migration.harvesterhci.io/import-uid"] == UID


def test_issue_6456_and_10797_name_cpu_and_memory_can_be_asked_for() -> None:
    vm = made(OVERRIDES_SPEC, LINUX_BIOS)
    assert vm["metadata"]["name"] == "shop-web"
    assert vm["spec"]["template"]["metadata"]["labels"] == {"harvesterhci.io/vmName": "shop-web"}
    asked = domain(OVERRIDES_SPEC, LINUX_BIOS)
    assert asked["cpu"] == {"sockets": 3, "cores": 2, "threads": 1}
    assert asked["memory"] == {"guest": "6144Mi"}


def test_issue_10797_a_name_with_spaces_dots_and_other_scripts_works() -> None:
    assert made(SPEC, ODD_NAME)["metadata"]["name"].startswith("my-vm-01-ao-")
