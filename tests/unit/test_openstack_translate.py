"""What OpenStack's services state of a server, and what the model has to say of it."""

from dataclasses import replace

import pytest

from rig.openstack_rows import (
    DATA,
    IMAGE,
    NET_A,
    NET_B,
    ROOT,
    SERVER,
    address,
    around,
    attachment,
    flavor,
    from_volume,
    image,
    port,
    server,
    volume,
)
from thresher.model.units import GIB, Bytes
from thresher.model.vm import (
    Bus,
    CpuTopology,
    Disk,
    DiskFormat,
    Firmware,
    FirmwareType,
    Network,
    Nic,
    OsFamily,
    PowerState,
    Severity,
)
from thresher.sources.openstack.rows import Surroundings
from thresher.sources.openstack.translate import source_vm

A, B, C = "fa:16:3e:00:00:0a", "fa:16:3e:00:00:0b", "fa:16:3e:00:00:0c"


def test_a_server_that_boots_from_an_image() -> None:
    vm = source_vm(server(description="the shop's front"), around(image(os_distro="ubuntu", os_version="24.04")))
    assert (vm.id, vm.name, vm.notes) == (SERVER, "web-1", "the shop's front")
    assert vm.smbios_uuid == SERVER
    assert (vm.cpu, vm.memory) == (CpuTopology(2, 1), 4096)
    assert (vm.guest_os, vm.os_family) == ("ubuntu 24.04", OsFamily.LINUX)
    assert vm.firmware == Firmware()
    assert vm.power is PowerState.ON
    assert vm.disks == (Disk("root", Bytes(20 * GIB), boot_order=1),)
    assert vm.losses == ()


def test_defect_16_sizes_are_in_gib_and_a_server_from_an_image_keeps_its_root_disk() -> None:
    attached = [{"id": DATA}]
    vm = source_vm(
        server(**{"os-extended-volumes:volumes_attached": attached}), around(image(), volume(DATA, "/dev/vdb", 3))
    )
    assert [(disk.key, disk.capacity) for disk in vm.disks] == [("root", 20 * 2**30), (DATA, 3 * 2**30)]


def test_volumes_come_in_the_order_of_their_devices_and_the_root_volume_first() -> None:
    keys = ["v-aa", "v-c", "v-b", "v-a"]
    devices = ["/dev/vdaa", "/dev/vdc", "/dev/vdb", "/dev/vda"]
    rows = [volume(key, device, size) for size, (key, device) in enumerate(zip(keys, devices, strict=True), start=1)]
    vm = source_vm(from_volume(*keys), around(*rows))
    assert [disk.key for disk in vm.disks] == ["v-a", "v-b", "v-c", "v-aa"]
    assert [disk.boot_order for disk in vm.disks] == [1, None, None, None]
    assert vm.disks[0] == Disk(
        "v-a", Bytes(4 * GIB), unit=0, boot_order=1, format=DiskFormat.RAW, datastore="ssd", bus=Bus.UNKNOWN
    )


def test_a_root_volume_without_a_device_is_the_bootable_one() -> None:
    vm = source_vm(from_volume(DATA, ROOT), around(volume(DATA, ""), volume(ROOT, "", bootable="true")))
    assert [disk.key for disk in vm.disks] == [ROOT, DATA]


def test_a_root_device_that_nova_names_goes_before_the_first_device() -> None:
    named = from_volume(DATA, ROOT, **{"OS-EXT-SRV-ATTR:root_device_name": "/dev/vdb"})
    vm = source_vm(named, around(volume(DATA, "/dev/vdc"), volume(ROOT, "/dev/vdb")))
    assert [disk.key for disk in vm.disks] == [ROOT, DATA]


def test_a_server_that_names_an_image_and_boots_from_a_volume_of_it_has_no_root_disk_besides() -> None:
    made = volume(ROOT, "/dev/vda", 5, bootable="true", volume_image_metadata={"image_id": IMAGE})
    both = from_volume(ROOT, image={"id": IMAGE, "links": []})
    assert [disk.key for disk in source_vm(both, around(made, image())).disks] == [ROOT]


def test_a_volume_of_the_same_image_that_is_only_attached_is_no_root_disk() -> None:
    copy = volume(DATA, "/dev/vdb", 5, bootable="true", volume_image_metadata={"image_id": IMAGE})
    both = from_volume(DATA, image={"id": IMAGE, "links": []})
    assert [disk.key for disk in source_vm(both, around(copy, image())).disks] == ["root", DATA]


def test_the_device_of_another_server_does_not_count() -> None:
    shared = volume(DATA, "/dev/vdb", attachments=[attachment("/dev/vda", "other"), attachment("/dev/vdc")])
    vm = source_vm(from_volume(DATA, ROOT), around(shared, volume(ROOT, "/dev/vdb", bootable="true")))
    assert [disk.key for disk in vm.disks] == [ROOT, DATA]


@pytest.mark.parametrize(
    ("stated", "capacity"),
    [
        ({"virtual_size": 2_361_393_152}, 2_361_393_152),
        ({"virtual_size": None, "disk_format": "raw", "size": 1_073_741_824}, 1_073_741_824),
        ({"virtual_size": None, "disk_format": "qcow2", "size": 500_000_000, "min_disk": 8}, 8 * GIB),
        ({"virtual_size": None, "disk_format": "qcow2", "size": 500_000_000}, None),
    ],
)
def test_a_flavor_without_a_disk_takes_the_image_s_size(stated: dict[str, object], capacity: int | None) -> None:
    vm = source_vm(server(flavor=flavor(disk=0)), around(image(**stated)))
    assert vm.disks[0].capacity == capacity


@pytest.mark.parametrize(
    ("stated", "bus", "controller"),
    [
        ({"hw_disk_bus": "virtio"}, Bus.VIRTIO, ""),
        ({"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi"}, Bus.SCSI, "virtio-scsi"),
        ({"hw_disk_bus": "sata"}, Bus.SATA, ""),
        ({"hw_disk_bus": "ide"}, Bus.IDE, ""),
        ({"hw_disk_bus": "usb"}, Bus.USB, ""),
        ({"vmware_adaptertype": "paraVirtual"}, Bus.SCSI, "paravirtual"),
        ({"vmware_adaptertype": "ide"}, Bus.IDE, ""),
        ({}, Bus.UNKNOWN, ""),
    ],
)
def test_the_bus_is_what_the_image_says(stated: dict[str, str], bus: Bus, controller: str) -> None:
    (disk,) = source_vm(server(), around(image(**stated))).disks
    assert (disk.bus, disk.controller) == (bus, controller)


def test_a_volume_keeps_the_properties_of_the_image_it_was_made_of() -> None:
    stated = {"image_id": IMAGE, "hw_firmware_type": "uefi", "hw_disk_bus": "scsi", "os_type": "windows"}
    root = volume(ROOT, "/dev/vda", 40, bootable="true", volume_image_metadata=stated)
    other = volume(DATA, "/dev/vdb", 40, bootable="true", volume_image_metadata={"hw_disk_bus": "ide"})
    vm = source_vm(from_volume(DATA, ROOT), around(other, root))
    assert vm.firmware.type is FirmwareType.EFI
    assert [disk.bus for disk in vm.disks] == [Bus.SCSI, Bus.SCSI]
    assert vm.os_family is OsFamily.WINDOWS


def test_the_properties_that_nova_kept_go_before_the_image_s_of_today() -> None:
    kept = server(image={"id": IMAGE, "links": [], "properties": {"hw_firmware_type": "uefi"}})
    now = image(hw_firmware_type="bios", hw_vif_model="e1000")
    vm = source_vm(kept, around(now, port("p", A)))
    assert vm.firmware.type is FirmwareType.EFI
    assert vm.nics[0].model == "e1000"


@pytest.mark.parametrize(
    ("stated", "specs", "firmware"),
    [
        ({"hw_firmware_type": "bios"}, {}, Firmware()),
        ({"hw_firmware_type": "uefi"}, {}, Firmware(FirmwareType.EFI)),
        ({"hw_firmware_type": "uefi", "os_secure_boot": "required"}, {}, Firmware(FirmwareType.EFI, secure_boot=True)),
        ({"hw_firmware_type": "uefi", "os_secure_boot": "disabled"}, {}, Firmware(FirmwareType.EFI)),
        ({"hw_firmware_type": "uefi"}, {"os:secure_boot": "required"}, Firmware(FirmwareType.EFI, secure_boot=True)),
        (
            {"hw_firmware_type": "uefi", "hw_tpm_version": "2.0", "hw_tpm_model": "tpm-crb"},
            {},
            Firmware(FirmwareType.EFI, tpm=True),
        ),
        ({"hw_firmware_type": "uefi"}, {"hw:tpm_version": "2.0"}, Firmware(FirmwareType.EFI, tpm=True)),
    ],
)
def test_firmware(stated: dict[str, str], specs: dict[str, str], firmware: Firmware) -> None:
    assert source_vm(server(flavor=flavor(extra_specs=specs)), around(image(**stated))).firmware == firmware


@pytest.mark.parametrize(
    ("specs", "stated", "topology"),
    [
        ({}, {}, (8, 1)),
        ({"hw:cpu_sockets": "2"}, {}, (2, 4)),
        ({"hw:cpu_cores": "4"}, {}, (2, 4)),
        ({"hw:cpu_sockets": "2", "hw:cpu_cores": "2", "hw:cpu_threads": "2"}, {}, (2, 4)),
        ({"hw:cpu_threads": "2"}, {}, (4, 2)),
        ({}, {"hw_cpu_sockets": "1"}, (1, 8)),
        ({"hw:cpu_sockets": "2"}, {"hw_cpu_sockets": "4"}, (4, 2)),
        ({"hw:cpu_max_sockets": "2"}, {}, (2, 4)),
        ({"hw:cpu_max_sockets": "4"}, {"hw_cpu_max_sockets": "1"}, (1, 8)),
        ({"hw:cpu_sockets": "3"}, {}, (8, 1)),
        ({"hw:cpu_sockets": "many"}, {}, (8, 1)),
    ],
)
def test_cpus_are_grouped_as_nova_groups_them(
    specs: dict[str, str], stated: dict[str, str], topology: tuple[int, int]
) -> None:
    cpu = source_vm(server(flavor=flavor(vcpus=8, extra_specs=specs)), around(image(**stated))).cpu
    assert (cpu.vcpus, cpu.sockets, cpu.cores_per_socket) == (8, *topology)


def test_a_flavor_that_is_only_referred_to() -> None:
    """Before microversion 2.47 a server has its flavor's id."""
    old = {"id": "42", "vcpus": 4, "ram": 1024, "disk": 10, "swap": "", "ephemeral": 0, "extra_specs": None}
    refers = server(flavor={"id": "42", "links": []})
    vm = source_vm(refers, Surroundings(images={IMAGE: image()}, flavors={"42": old}))
    assert (vm.cpu.vcpus, vm.memory, vm.disks[0].capacity) == (4, 1024, 10 * GIB)


def test_defect_16_nics_are_in_nova_s_order_and_not_in_neutron_s() -> None:
    addresses = {"storage": [address(B, "10.1.0.5")], "prod": [address(A, "10.0.0.5")]}
    ports = [port("p-a", A, NET_A), port("p-b", B, NET_B)]
    for listed in (ports, ports[::-1]):
        vm = source_vm(server(addresses=addresses), around(image(hw_vif_model="virtio"), *listed))
        assert vm.nics == (
            Nic("p-b", Network("storage", id=NET_B), B, "virtio"),
            Nic("p-a", Network("prod", id=NET_A), A, "virtio"),
        )


def test_two_nics_on_one_network_are_in_the_order_of_their_addresses() -> None:
    addresses = {"prod": [address(C, "10.0.0.9"), address(A, "10.0.0.5"), address(A, "203.0.113.5", "floating")]}
    vm = source_vm(server(addresses=addresses), around(image(), port("p-1", A), port("p-2", C)))
    assert [nic.mac for nic in vm.nics] == [C, A]


def test_several_addresses_of_one_port_are_one_nic() -> None:
    fixed = [{"subnet_id": "s4", "ip_address": "10.0.0.5"}, {"subnet_id": "s6", "ip_address": "2001:db8::5"}]
    addresses = {"prod": [address(A, "10.0.0.5"), address(A, "2001:db8::5")]}
    vm = source_vm(server(addresses=addresses), around(image(), port("p", A.upper(), fixed_ips=fixed)))
    assert [(nic.key, nic.mac) for nic in vm.nics] == [("p", A)]


def test_subnets_are_those_of_the_port_s_addresses() -> None:
    fixed = [
        {"subnet_id": key, "ip_address": one} for key, one in (("s4", "10.0.0.5"), ("s4", "10.0.0.6"), ("x", "::"))
    ]
    row = server(addresses={"prod": [address(A, "10.0.0.5")]})
    read = around(image(), port("p", A, fixed_ips=fixed))
    known = replace(read, subnets={"s4": "10.0.0.0/24", "s9": "10.9.0.0/16"})
    assert [nic.subnets for nic in source_vm(row, known).nics] == [("10.0.0.0/24",)]
    assert [nic.subnets for nic in source_vm(row, read).nics] == [()]


def test_a_port_without_an_address_stands_with_its_network() -> None:
    addresses = {"storage": [], "prod": [address(A, "10.0.0.5")]}
    vm = source_vm(server(addresses=addresses), around(image(), port("p-a", A, NET_A), port("p-b", B, NET_B)))
    assert [nic.mac for nic in vm.nics] == [B, A]


def test_a_network_that_the_user_may_not_see_has_the_name_that_nova_knows() -> None:
    hidden = Surroundings(images={IMAGE: image()}, ports={SERVER: [port("p", A, "gone")]})
    vm = source_vm(server(addresses={"old name": [address(A, "10.0.0.5")]}), hidden)
    assert vm.nics[0].network == Network("old name", id="gone")


@pytest.mark.parametrize(
    ("vm_state", "power_state", "power"),
    [
        ("active", 1, PowerState.ON),
        ("stopped", 4, PowerState.OFF),
        ("paused", 3, PowerState.SUSPENDED),
        ("suspended", 4, PowerState.SUSPENDED),
        ("rescued", 1, PowerState.ON),
        ("shelved_offloaded", 4, PowerState.OFF),
        ("error", 1, PowerState.ON),
        ("error", 4, PowerState.OFF),
        ("building", 0, PowerState.OFF),
    ],
)
def test_power(vm_state: str, power_state: int, power: PowerState) -> None:
    row = server(**{"OS-EXT-STS:vm_state": vm_state, "OS-EXT-STS:power_state": power_state})
    assert source_vm(row, around(image())).power is power


@pytest.mark.parametrize(
    ("stated", "guest", "family"),
    [
        ({"os_type": "windows", "os_version": "2022"}, "windows 2022", OsFamily.WINDOWS),
        ({"os_distro": "windows"}, "windows", OsFamily.WINDOWS),
        ({"os_distro": "rhel", "os_version": "9.4"}, "rhel 9.4", OsFamily.LINUX),
        ({"os_type": "linux"}, "linux", OsFamily.LINUX),
        ({"os_distro": "freebsd"}, "freebsd", OsFamily.OTHER),
        ({"os_version": "9"}, "", OsFamily.OTHER),
        ({}, "", OsFamily.OTHER),
    ],
)
def test_guest_systems(stated: dict[str, str], guest: str, family: OsFamily) -> None:
    vm = source_vm(server(), around(image(**stated)))
    assert (vm.guest_os, vm.os_family) == (guest, family)


def test_the_machine_type_is_the_hardware_version() -> None:
    assert source_vm(server(), around(image(hw_machine_type="pc-q35-8.2"))).hardware_version == "pc-q35-8.2"


def test_a_server_in_a_cell_that_is_down_is_told_and_blocked() -> None:
    """Since microversion 2.69 the list shows no more than this of it."""
    down = {"id": SERVER, "status": "UNKNOWN", "tenant_id": "x", "created": "2026-03-01T08:15:30Z", "links": []}
    vm = source_vm(down, around())
    assert (vm.id, vm.name) == (SERVER, SERVER)
    assert [(loss.rule, loss.severity) for loss in vm.losses] == [("ConfigurationUnreadable", Severity.BLOCKER)]


def test_a_server_whose_flavor_is_gone_is_told_and_blocked() -> None:
    vm = source_vm(server(flavor={"id": "gone", "links": []}), around(image()))
    assert [(loss.rule, loss.severity) for loss in vm.losses] == [("FlavorUnreadable", Severity.BLOCKER)]
