"""What vSphere's API states of a VM, and what the model has to say of it."""

from typing import Any

import pytest
from pyVmomi import vim

from rig.vcenter.objects import (
    AROUND,
    GIB,
    card,
    controller,
    device,
    disk,
    flat,
    on_network,
    on_port_group,
    on_segment,
    vm_row,
)
from thresher.model.units import Bytes
from thresher.model.vm import (
    Bus,
    CpuTopology,
    Disk,
    DiskFormat,
    Firmware,
    FirmwareType,
    GuestTools,
    Network,
    Nic,
    OsFamily,
    PowerState,
    Severity,
    Usage,
)
from thresher.sources.vcenter.guest import os_family
from thresher.sources.vcenter.rows import Row, Surroundings
from thresher.sources.vcenter.translate import source_vm

SCSI = controller("ParaVirtualSCSIController", 1000, sharedBus="noSharing")


def test_a_linux_vm_with_bios() -> None:
    vm = source_vm(vm_row([SCSI, disk(2000, 1000, 0)], config__annotation="asked for by Kim\näö 한글"), AROUND)
    assert (vm.name, vm.id, vm.folder) == ("web", "vm-42", "")
    assert (vm.guest_os, vm.os_family) == ("ubuntu64Guest", OsFamily.LINUX)
    assert vm.firmware == Firmware(FirmwareType.BIOS, secure_boot=False, tpm=False)
    assert vm.smbios_uuid == "4210c0de-1111-2222-3333-444455556666"
    assert (vm.memory, vm.hardware_version, vm.power) == (4096, "vmx-19", PowerState.ON)
    assert vm.notes == "asked for by Kim\näö 한글"
    assert vm.losses == ()


def test_windows_with_secure_boot_and_tpm() -> None:
    options = vim.vm.BootOptions(efiSecureBootEnabled=True)
    row = vm_row(
        [device.VirtualTPM(key=11000)],
        config__firmware="efi",
        config__bootOptions=options,
        config__guestId="windows2019srv_64Guest",
    )
    vm = source_vm(row, AROUND)
    assert vm.firmware == Firmware(FirmwareType.EFI, secure_boot=True, tpm=True)
    assert vm.os_family is OsFamily.WINDOWS


@pytest.mark.parametrize(("per_socket", "sockets"), [(2, 4), (4, 2), (8, 1)])
def test_eight_vcpus_stay_eight(per_socket: int, sockets: int) -> None:
    row = vm_row(config__hardware__numCPU=8, config__hardware__numCoresPerSocket=per_socket)
    cpu = source_vm(row, AROUND).cpu
    assert (cpu.vcpus, cpu.cores_per_socket, cpu.sockets) == (8, per_socket, sockets)


@pytest.mark.parametrize("per_socket", [None, 0, 3])
def test_a_grouping_that_is_absent_or_does_not_divide_gives_each_vcpu_a_socket(per_socket: int | None) -> None:
    row = vm_row(config__hardware__numCPU=8, config__hardware__numCoresPerSocket=per_socket)
    assert source_vm(row, AROUND).cpu == CpuTopology(8, 1)


def test_memory_is_counted_in_mib_and_may_be_odd() -> None:
    assert source_vm(vm_row(config__hardware__memoryMB=3333), AROUND).memory == 3333


@pytest.mark.parametrize(
    ("stated", "power"),
    [("poweredOn", PowerState.ON), ("poweredOff", PowerState.OFF), ("suspended", PowerState.SUSPENDED)],
)
def test_power_states(stated: str, power: PowerState) -> None:
    assert source_vm(vm_row(runtime__powerState=stated), AROUND).power is power


@pytest.mark.parametrize(
    ("configured", "reported", "family"),
    [
        ("windows9Server64Guest", "", OsFamily.WINDOWS),
        ("winNetStandardGuest", "", OsFamily.WINDOWS),
        ("rhel9_64Guest", "", OsFamily.LINUX),
        ("sles15_64Guest", "", OsFamily.LINUX),
        ("other5xLinux64Guest", "", OsFamily.LINUX),
        ("vmwarePhoton64Guest", "", OsFamily.LINUX),
        ("rockylinux_64Guest", "", OsFamily.LINUX),
        ("freebsd13_64Guest", "", OsFamily.OTHER),
        ("darwin20_64Guest", "", OsFamily.OTHER),
        ("otherGuest64", "", OsFamily.OTHER),
        ("otherGuest64", "linuxGuest", OsFamily.LINUX),
        ("otherGuest", "windowsGuest", OsFamily.WINDOWS),
        ("rhel9_64Guest", "windowsGuest", OsFamily.LINUX),
        ("", "", OsFamily.OTHER),
    ],
)
def test_guest_systems(configured: str, reported: str, family: OsFamily) -> None:
    assert os_family(configured, reported) is family


# Names and places


def test_names_are_shown_as_people_wrote_them() -> None:
    assert source_vm(vm_row(name="My VM.01_äö 한글"), AROUND).name == "My VM.01_äö 한글"
    assert source_vm(vm_row(name="half%2fhalf%5c100%25"), AROUND).name == "half/half\\100%"


def test_a_folder_is_a_path_below_the_datacenters_vm_folder() -> None:
    assert source_vm(vm_row(parent=vim.Folder("group-v9")), AROUND).folder == "Prod/A%2fB"


def test_a_vm_of_a_vapp_lies_where_the_vapp_does() -> None:
    row = vm_row(parent=None, parentVApp=vim.VirtualApp("resgroup-v7"))
    assert source_vm(row, AROUND).folder == "Prod/shop"


def test_a_folder_named_like_the_top_one_is_a_folder() -> None:
    around = type(AROUND)(
        [
            Row("group-v3", "Folder", {"name": "vm", "parent": vim.Datacenter("datacenter-2")}),
            Row("group-v4", "Folder", {"name": "vm", "parent": vim.Folder("group-v3")}),
        ]
    )
    assert source_vm(vm_row(parent=vim.Folder("group-v4")), around).folder == "vm"


def test_folders_above_what_the_user_may_see_are_left_out() -> None:
    around = type(AROUND)([Row("group-v9", "Folder", {"name": "Mine", "parent": vim.Folder("group-v8")})])
    assert source_vm(vm_row(parent=vim.Folder("group-v9")), around).folder == "Mine"


# Disks


def test_disks_on_every_controller_keep_their_places() -> None:
    controllers = [
        controller("VirtualIDEController", 201, 1),
        controller("VirtualAHCIController", 15000),
        controller("VirtualNVMEController", 31000),
        SCSI,
        controller("VirtualLsiLogicController", 1001, 1, sharedBus="noSharing"),
        controller("VirtualLsiLogicSASController", 1002, 2, sharedBus="noSharing"),
        controller("VirtualBusLogicController", 1003, 3, sharedBus="noSharing"),
    ]
    places = [(3002, 201, 0), (16005, 15000, 5), (32000, 31000, 0), (2000, 1000, 0), (2017, 1001, 1)]
    places += [(2032, 1002, 0), (2048, 1003, 0)]
    vm = source_vm(vm_row([*controllers, *(disk(*place) for place in places)]), AROUND)
    assert [(d.key, d.bus, d.controller, d.bus_number, d.unit) for d in vm.disks] == [
        ("3002", Bus.IDE, "ide", 1, 0),
        ("16005", Bus.SATA, "ahci", 0, 5),
        ("32000", Bus.NVME, "nvme", 0, 0),
        ("2000", Bus.SCSI, "pvscsi", 0, 0),
        ("2017", Bus.SCSI, "lsilogic", 1, 1),
        ("2032", Bus.SCSI, "lsilogicsas", 2, 0),
        ("2048", Bus.SCSI, "buslogic", 3, 0),
    ]


def test_a_disk_with_all_that_is_known_of_it() -> None:
    size = Bytes(10 * GIB + 512)  # capacityInKB cannot hold this
    vm = source_vm(vm_row([SCSI, disk(2000, 1000, 0, size=size)]), AROUND)
    assert vm.disks == (
        Disk("2000", size, Bus.SCSI, "pvscsi", 0, 0, 1, DiskFormat.VMDK_STREAM, "[gold] web/web.vmdk", "gold"),
    )


def test_a_size_is_in_kib_where_the_server_states_no_bytes() -> None:
    old = disk(2000, 1000, 0)
    old.capacityInBytes = None
    assert source_vm(vm_row([SCSI, old]), AROUND).disks[0].capacity == 10 * GIB


def test_the_datastore_of_a_disk_is_in_its_path_where_it_cannot_be_seen() -> None:
    hidden = flat(fileName="[ssd-2] web/web.vmdk", datastore=vim.Datastore("datastore-99"))
    assert source_vm(vm_row([SCSI, disk(2000, 1000, 0, hidden)]), AROUND).disks[0].datastore == "ssd-2"


def test_a_disk_without_a_known_controller_is_on_an_unknown_bus() -> None:
    found = source_vm(vm_row([disk(2000, 77, 0)]), AROUND).disks[0]
    assert (found.bus, found.controller) == (Bus.UNKNOWN, "")


def test_the_first_disk_boots_where_the_boot_order_names_none() -> None:
    order = vim.vm.BootOptions(bootOrder=[vim.vm.BootOptions.BootableCdromDevice()])
    row = vm_row([SCSI, disk(2000, 1000, 0), disk(2001, 1000, 1)], config__bootOptions=order)
    assert [d.boot_order for d in source_vm(row, AROUND).disks] == [1, None]


def test_the_boot_order_ranks_disks_and_passes_over_the_rest() -> None:
    options = vim.vm.BootOptions
    order = options(
        bootOrder=[
            options.BootableEthernetDevice(deviceKey=4000),
            options.BootableDiskDevice(deviceKey=2002),
            options.BootableCdromDevice(),
            options.BootableDiskDevice(deviceKey=2999),
            options.BootableDiskDevice(deviceKey=2000),
        ]
    )
    disks = [disk(2000 + unit, 1000, unit) for unit in range(3)]
    row = vm_row([SCSI, *disks], config__bootOptions=order)
    assert [d.boot_order for d in source_vm(row, AROUND).disks] == [2, None, 1]


# NICs


def test_nics_by_every_kind_of_network() -> None:
    cards = [
        card("VirtualVmxnet3", 4000, on_network("VM Network", "network-7")),
        card("VirtualE1000e", 4001, on_port_group("dvportgroup-21")),
        card("VirtualE1000", 4002, on_segment("9d3f")),
        card("VirtualSriovEthernetCard", 4003, on_port_group("dvportgroup-21")),
        card("VirtualPCNet32", 4004, None),
    ]
    blue = Network("pg-blue", "DSwitch/pg-blue", "dvportgroup-21")
    assert source_vm(vm_row(cards), AROUND).nics == (
        Nic("4000", Network("VM Network", id="network-7"), "00:50:56:ab:cd:01", "vmxnet3"),
        Nic("4001", blue, "00:50:56:ab:cd:01", "e1000e"),
        Nic("4002", Network("segment", id="network-o31"), "00:50:56:ab:cd:01", "e1000"),
        Nic("4003", blue, "00:50:56:ab:cd:01", "sriov"),
        Nic("4004", None, "00:50:56:ab:cd:01", "pcnet32"),
    )


def test_a_networks_escaped_name_is_decoded() -> None:
    nic = source_vm(vm_row([card("VirtualVmxnet3", 4000, on_network("10.0.0.0%2f8", "network-8"))]), AROUND).nics[0]
    assert nic.network == Network("10.0.0.0/8", id="network-8")


def test_networks_that_the_user_may_not_see_keep_what_the_card_says() -> None:
    cards = [
        card("VirtualVmxnet3", 4000, on_network("a%2fb")),
        card("VirtualVmxnet3", 4001, on_port_group("dvportgroup-99")),
        card("VirtualVmxnet3", 4002, on_segment("77aa")),
    ]
    assert [nic.network for nic in source_vm(vm_row(cards), AROUND).nics] == [
        Network("a/b"),
        Network("", id="dvportgroup-99"),
        Network("", id="77aa"),
    ]


def told(key: int, *addresses: tuple[str, int]) -> Any:
    """What Tools tell of a card (GuestNicInfo); the key is -1 for what is no card of the VM, such as a bridge."""
    info = vim.vm.GuestInfo.NicInfo
    stated = [vim.net.IpConfigInfo.IpAddress(ipAddress=one, prefixLength=length) for one, length in addresses]
    return info(connected=True, deviceConfigId=key, ipConfig=vim.net.IpConfigInfo(ipAddress=stated))


def test_subnets_are_those_of_the_addresses_that_tools_tell() -> None:
    cards = [card("VirtualVmxnet3", key, on_network("VM Network", "network-7")) for key in (4000, 4001, 4002)]
    guest = [
        told(4001, ("10.0.3.7", 22), ("10.0.3.8", 22), ("10.0.3.9", 32), ("169.254.9.9", 16)),
        told(4000, ("2001:db8::5", 64), ("fe80::250:56ff:feab:cd01", 64), ("", 0)),
        told(-1, ("172.17.0.1", 16)),
        vim.vm.GuestInfo.NicInfo(connected=False, deviceConfigId=4002),
    ]
    vm = source_vm(vm_row(cards, guest__net=guest), AROUND)
    assert [nic.subnets for nic in vm.nics] == [("2001:db8::/64",), ("10.0.0.0/22",), ()]
    assert [nic.subnets for nic in source_vm(vm_row(cards), AROUND).nics] == [(), (), ()]


def test_a_card_that_is_unplugged_at_power_on_is_not_connected() -> None:
    one = card("VirtualVmxnet3", 4000, on_network("VM Network", "network-7"), mac="")
    one.connectable.startConnected = False
    nic = source_vm(vm_row([one]), AROUND).nics[0]
    assert (nic.connected, nic.mac) == (False, None)


# What cannot be read


def test_an_inaccessible_vm_is_listed_and_blocked() -> None:
    row = Row("vm-9", "VirtualMachine", {"name": "lost", "runtime.connectionState": "inaccessible"})
    vm = source_vm(row, AROUND)
    assert (vm.name, vm.id) == ("lost", "vm-9")
    assert [(loss.rule, loss.severity) for loss in vm.losses] == [("ConfigurationUnreadable", Severity.BLOCKER)]
    assert "inaccessible" in vm.losses[0].message


def test_a_vm_whose_configuration_is_refused_names_the_privilege() -> None:
    fault = vim.fault.NoPermission(privilegeId="System.Read")
    row = Row("vm-9", "VirtualMachine", {"name": "secret"}, {"config.hardware.numCPU": fault})
    assert "System.Read" in source_vm(row, AROUND).losses[0].message


def test_the_host_is_known_by_the_name_that_vcenter_reaches_it_at() -> None:
    around = Surroundings([Row("host-9", "HostSystem", {"name": "esx1.example.org"})])
    assert source_vm(vm_row(runtime__host=vim.HostSystem("host-9")), around).host == "esx1.example.org"


def test_a_host_that_the_user_may_not_see_has_no_name() -> None:
    assert source_vm(vm_row(runtime__host=vim.HostSystem("host-9")), Surroundings([])).host == ""
    assert source_vm(vm_row(), Surroundings([])).host == ""


def test_what_a_plan_wants_to_know_beside() -> None:
    row = vm_row(
        summary__storage__committed=5 * GIB,
        config__changeTrackingEnabled=True,
        config__memoryHotAddEnabled=True,
        config__cpuHotAddEnabled=False,
        config__nestedHVEnabled=True,
    )
    assert source_vm(row, AROUND).usage == Usage(
        Bytes(5 * GIB),
        snapshots=0,
        tools=GuestTools.RUNNING,
        memory_hot_add=True,
        cpu_hot_add=False,
        change_tracking=True,
        nested_virtualization=True,
    )


@pytest.mark.parametrize(
    ("running", "version", "tools"),
    [
        ("guestToolsRunning", "guestToolsCurrent", GuestTools.RUNNING),
        ("guestToolsExecutingScripts", "guestToolsCurrent", GuestTools.RUNNING),
        ("guestToolsNotRunning", "guestToolsCurrent", GuestTools.STOPPED),
        ("guestToolsNotRunning", "guestToolsNotInstalled", GuestTools.MISSING),
        (None, None, GuestTools.UNKNOWN),
    ],
)
def test_the_state_of_vmware_tools(running: str | None, version: str | None, tools: GuestTools) -> None:
    row = vm_row(guest__toolsRunningStatus=running, guest__toolsVersionStatus2=version)
    assert source_vm(row, AROUND).usage.tools is tools
