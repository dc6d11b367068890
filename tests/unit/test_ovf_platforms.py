"""Descriptors as each platform writes them, against what those platforms say of the VM."""

from pathlib import Path

import pytest

from thresher.formats.ovf import OvfPackage, parse_ovf
from thresher.model.units import GIB
from thresher.model.vm import (
    Bus,
    CpuTopology,
    Disk,
    DiskFormat,
    Firmware,
    FirmwareType,
    OsFamily,
    Severity,
    SourceVM,
)

DATA = Path(__file__).parent.parent / "data" / "ovf"


def read(name: str) -> OvfPackage:
    return parse_ovf((DATA / f"{name}.ovf").read_bytes())


def rules(vm: SourceVM) -> set[str]:
    return {loss.rule for loss in vm.losses}


def places(disks: tuple[Disk, ...]) -> list[tuple[str, Bus, str, int, int]]:
    return [(disk.key, disk.bus, disk.controller, disk.bus_number, disk.unit) for disk in disks]


def test_vmware_linux() -> None:
    package = read("vmware_linux")
    (vm,) = package.vms
    assert (vm.name, vm.id, vm.guest_os, vm.os_family) == ("web01", "web01", "ubuntu64Guest", OsFamily.LINUX)
    assert (vm.cpu, vm.memory, vm.hardware_version) == (CpuTopology(2, 1), 4096, "vmx-19")
    assert vm.firmware == Firmware(FirmwareType.BIOS)
    assert vm.smbios_uuid == "421a6e0c-5b8d-3f21-90aa-01b2c3d4e5f6"
    assert vm.notes == "Front end, owner: Kim Jisoo 김지수"
    assert places(vm.disks) == [
        ("vmdisk1", Bus.SCSI, "pvscsi", 0, 0),
        ("vmdisk2", Bus.SCSI, "pvscsi", 0, 1),
    ]
    assert [disk.capacity for disk in vm.disks] == [40 * GIB, 100 * GIB]
    assert [disk.boot_order for disk in vm.disks] == [1, None]
    assert {disk.format for disk in vm.disks} == {DiskFormat.VMDK_STREAM}
    assert [disk.file for disk in vm.disks] == ["web01-disk1.vmdk", "web01-disk2.vmdk"]
    assert package.files["web01-disk1.vmdk"].size == 1270951936
    assert rules(vm) == {"Floppy", "CdromMedia"}


def test_vmware_nics_come_in_the_order_of_their_slots() -> None:
    first, second = read("vmware_linux").vms[0].nics
    assert first.network is not None
    assert second.network is not None
    assert (first.network.name, first.mac, first.model) == ("VM Network", "00:50:56:9a:1b:01", "vmxnet3")
    assert (second.network.name, second.mac, second.model) == ("prod/db", "00:50:56:9a:1b:02", "e1000")
    assert (first.connected, second.connected) == (True, False)


def test_vmware_windows_with_secure_boot_and_tpm() -> None:
    (vm,) = read("vmware_windows").vms
    assert (vm.os_family, vm.cpu, vm.memory) == (OsFamily.WINDOWS, CpuTopology(8, 4), 16384)
    assert vm.cpu.sockets == 2
    assert vm.firmware == Firmware(FirmwareType.EFI, secure_boot=True, tpm=True)
    assert places(vm.disks) == [
        ("vmdisk2", Bus.SCSI, "lsilogicsas", 0, 0),
        ("vmdisk1", Bus.NVME, "nvme", 0, 0),
    ]
    assert [disk.capacity for disk in vm.disks] == [100 * GIB, 90 * GIB]
    assert [disk.format for disk in vm.disks] == [DiskFormat.VMDK, DiskFormat.VMDK_STREAM]
    # BootOrderSection names the item of the second disk
    assert [disk.boot_order for disk in vm.disks] == [None, 1]
    assert rules(vm) == {"Usb", "PciPassthrough", "TpmState", "EfiVariables"}


def test_virtualbox_1() -> None:
    (vm,) = read("virtualbox_1").vms
    assert (vm.name, vm.guest_os, vm.os_family) == ("deb", "Debian_64", OsFamily.LINUX)
    assert vm.firmware.type is FirmwareType.EFI
    assert vm.smbios_uuid == "8f0a7c31-54c1-4e0c-8c0b-6c6fb2a50a01"
    assert places(vm.disks) == [("vmdisk1", Bus.SATA, "ahci", 0, 0), ("vmdisk2", Bus.IDE, "piix4", 1, 1)]
    assert vm.disks[0].capacity == 20 * GIB
    assert [nic.mac for nic in vm.nics] == ["08:00:27:c4:d5:e6"]
    assert rules(vm) == {"Usb", "Sound"}


def test_virtualbox_2_has_items_of_its_own_for_storage_and_ethernet() -> None:
    (vm,) = read("virtualbox_2").vms
    assert places(vm.disks) == [("vmdisk1", Bus.SATA, "ahci", 0, 0)]
    assert vm.disks[0].capacity == 8 * GIB
    assert [(nic.model, nic.network and nic.network.name) for nic in vm.nics] == [("virtio", "Bridged")]
    assert vm.losses == ()


def test_ovirt() -> None:
    package = read("ovirt")
    (vm,) = package.vms
    assert (vm.name, vm.guest_os, vm.os_family) == ("rhel8-db", "rhel_8x64", OsFamily.LINUX)
    assert (vm.cpu, vm.memory, vm.notes) == (CpuTopology(4, 2), 8192, "the ledger")
    assert vm.firmware == Firmware(FirmwareType.EFI, secure_boot=True, tpm=True)
    assert vm.smbios_uuid == "0e9f4b9c-1f9e-4a8e-bb49-0d5f0a9b1c2d"
    assert [(disk.bus, disk.controller) for disk in vm.disks] == [
        (Bus.SCSI, "virtio-scsi"),
        (Bus.VIRTIO, "virtio"),
    ]
    assert [disk.format for disk in vm.disks] == [DiskFormat.QCOW2, DiskFormat.RAW]
    assert [disk.boot_order for disk in vm.disks] == [None, 1]
    assert [file.size for file in package.files.values()] == [None, 196616]
    assert [(nic.mac, nic.model, nic.connected) for nic in vm.nics] == [
        ("56:6f:1a:2b:00:01", "virtio", True),
        (None, "e1000", False),
    ]
    assert vm.nics[1].network is None
    assert rules(vm) == {"NicWithoutNetwork", "Usb", "TpmState"}


def test_a_collection_gives_every_vm_in_the_default_size() -> None:
    app, database = read("collection").vms
    assert (app.name, app.cpu.vcpus, app.memory) == ("app", 6, 1024)
    assert (database.name, database.cpu.vcpus, database.memory) == ("database", 2, 2048)
    assert database.os_family is OsFamily.OTHER
    assert rules(app) == {"OvfProperties", "DeploymentOption", "StartupOrder"}
    assert rules(database) == {"DeploymentOption", "StartupOrder"}
    assert "admin_password" in next(loss.message for loss in app.losses if loss.rule == "OvfProperties")


def test_a_blank_disk_has_no_file_and_two_controllers_with_one_address_are_told_apart() -> None:
    root, scratch = read("collection").vms[0].disks
    assert (root.capacity, root.file) == (
        30 * GIB,
        "app-disk1.vmdk",
    )  # ${rootsize} is a property with default 30
    assert (scratch.format, scratch.file, scratch.capacity) == (DiskFormat.BLANK, None, 5 * 10**9)
    assert (root.controller, scratch.controller) == ("lsilogic", "buslogic")
    assert (root.bus_number, root.unit) != (scratch.bus_number, scratch.unit)


def test_a_chunked_and_compressed_file_keeps_what_is_needed_to_read_it() -> None:
    package = read("collection")
    file = package.files["db-disk1.vmdk.gz"]
    assert (file.compression, file.chunk_size, file.size) == ("gzip", 1 << 20, 5 << 20)
    (disk,) = package.vms[1].disks
    assert (disk.key, disk.file, disk.format, disk.capacity) == (
        "dbdisk",
        "db-disk1.vmdk.gz",
        DiskFormat.UNKNOWN,
        None,
    )


@pytest.mark.parametrize("name", sorted(path.stem for path in DATA.glob("*.ovf")))
def test_no_two_disks_share_a_place_and_every_file_is_known(name: str) -> None:
    package = read(name)
    for vm in package.vms:
        taken = [(disk.bus, disk.bus_number, disk.unit) for disk in vm.disks]
        assert len(set(taken)) == len(taken)
        assert len({disk.key for disk in vm.disks}) == len(vm.disks)
        assert all(disk.file in package.files for disk in vm.disks if disk.file)
        assert sorted(disk.boot_order for disk in vm.disks if disk.boot_order) == [1]
        assert all(loss.severity is Severity.WARNING for loss in vm.losses)
