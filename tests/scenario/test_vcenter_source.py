"""vCenter as a source, against the simulated vCenter over TLS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from rig.vcenter import SUSPENDED, Datacenter, Disk, Inventory, Network, Nic, VCenter, Vm, vcenter
from rig.vcenter.samples import EVERYTHING, INSTANCE, MIB, UUID
from thresher.model.errors import SourceDenied, SourceNotFound
from thresher.model.matching import match_network
from thresher.model.spec import NetworkMapping
from thresher.model.vm import (
    Bus,
    CpuTopology,
    Firmware,
    FirmwareType,
    OsFamily,
    PowerState,
    Severity,
    SourceVM,
)
from thresher.ports import Export, Source, SourceFacts
from thresher.sources.vcenter.collector import PAGE
from thresher.sources.vcenter.connection import VCenterAccess, VCenterConnection
from thresher.sources.vcenter.source import VCenterSource

T = TypeVar("T")

NETWORKS = (
    Network("VM Network"),
    Network("pg-a", "distributed", "DSwitch"),
    Network("segment", "opaque", id="9d3f"),
)
INVENTORY = Inventory(
    datacenters=(
        Datacenter("EU/Berlin", hosts=("esx-1", "esx-2"), networks=NETWORKS),
        Datacenter("Lab", hosts=("esx-3",)),
        Datacenter("EU/Same", hosts=("esx-4",)),
        Datacenter("US/Same", hosts=("esx-5",)),
    ),
    vms=(
        EVERYTHING,
        Vm("off", disks=(Disk(8 * MIB),)),
        Vm("paused", power=SUSPENDED),
        Vm("vm-77777"),
        Vm("twin", folder="A", uuid="11111111-2222-3333-4444-555555555555"),
        Vm("twin", folder="B/C", uuid="11111111-2222-3333-4444-555555555555"),
        Vm("top"),
        Vm("top", folder="B"),
        Vm("half/half", folder="C"),
        Vm("elsewhere", datacenter="Lab"),
        Vm("bulk", count=60, folder="Bulk"),
    ),
)
BERLIN = 69


@pytest.fixture(scope="module")
def shared() -> Iterator[VCenter]:
    with vcenter(INVENTORY) as vc:
        yield vc


@pytest.fixture
def vc(shared: VCenter) -> Iterator[VCenter]:
    shared.faults()
    shared.reset_log()
    yield shared
    shared.faults()
    assert shared.sessions() == []


@asynccontextmanager
async def no_export(_: VCenterConnection, __: SourceVM) -> AsyncIterator[Export]:
    yield Export(())


def asked(
    vc: VCenter, question: Callable[[VCenterSource], Awaitable[T]], datacenter: str = "EU/Berlin", **fields: Any
) -> T:
    """Ask a source that is entered for it."""
    access = VCenterAccess(vc.url, vc.username, vc.password, **{"ca_pem": vc.ca_pem, **fields})

    async def run() -> T:
        async with VCenterSource(VCenterConnection(access), datacenter, no_export) as source:
            return await question(source)

    return asyncio.run(run())


def find(vc: VCenter, name: str, folder: str = "") -> SourceVM:
    return asked(vc, lambda source: source.find(name, folder))


def refusal(vc: VCenter, name: str, folder: str = "") -> str:
    with pytest.raises(SourceNotFound) as raised:
        find(vc, name, folder)
    return str(raised.value)


def check(source: VCenterSource) -> Awaitable[SourceFacts]:
    return source.check()


def test_it_is_a_source(vc: VCenter) -> None:
    async def question(source: Source) -> SourceFacts:
        return await source.check()

    assert asked(vc, question).detail


# Check


@pytest.mark.parametrize(
    ("datacenter", "path"),
    [
        ("EU/Berlin", "EU/Berlin"),
        ("/EU/Berlin", "EU/Berlin"),
        ("Berlin", "EU/Berlin"),
        ("/Berlin/", "EU/Berlin"),
        ("Lab", "Lab"),
        ("/US/Same", "US/Same"),
    ],
)
def test_a_datacenter_is_known_by_its_path_or_its_only_name(vc: VCenter, datacenter: str, path: str) -> None:
    facts = asked(vc, check, datacenter)
    assert facts.detail.startswith("VMware vCenter Server")
    assert facts.detail.endswith(f"datacenter {path}")
    assert facts.fingerprint == ""


@pytest.mark.parametrize("datacenter", ["Nowhere", "/EU/Nowhere", "Berlin/EU", "EU", "", "/"])
def test_a_datacenter_that_is_none_lists_those_there_are(vc: VCenter, datacenter: str) -> None:
    with pytest.raises(SourceNotFound, match="EU/Berlin, EU/Same, Lab, US/Same"):
        asked(vc, check, datacenter)


def test_a_datacenters_ambiguous_name_lists_the_paths(vc: VCenter) -> None:
    with pytest.raises(SourceNotFound, match="EU/Same, US/Same") as raised:
        asked(vc, check, "Same")
    assert "Berlin" not in str(raised.value)


def test_every_missing_privilege_is_named(vc: VCenter) -> None:
    vc.faults(missing_privileges=("VApp.Export", "VirtualMachine.Interact.PowerOff"))
    with pytest.raises(SourceDenied) as raised:
        asked(vc, check)
    assert "VApp.Export" in str(raised.value)
    assert "VirtualMachine.Interact.PowerOff" in str(raised.value)
    assert "VirtualMachine.Interact.PowerOn" not in str(raised.value)


def test_a_missing_privilege_that_an_import_does_not_need_is_no_matter(vc: VCenter) -> None:
    vc.faults(missing_privileges=("VirtualMachine.Inventory.Delete",))
    assert asked(vc, check).detail


def test_a_role_on_the_vms_alone_is_enough(vc: VCenter) -> None:
    vc.faults(missing_privileges=("VApp.Export",), missing_on="Datacenter")
    assert asked(vc, check).detail
    with pytest.raises(SourceDenied):  # where there are no VMs that it could be enough for
        asked(vc, check, "EU/Same")


def test_check_is_a_handful_of_requests(vc: VCenter) -> None:
    asked(vc, check)
    assert sum(vc.log().soap.values()) <= 10


# Inventory


def test_every_vm_of_the_datacenter_and_no_other(vc: VCenter) -> None:
    vms = asked(vc, lambda source: source.inventory())
    assert len(vms) == BERLIN
    assert len({vm.id for vm in vms}) == BERLIN
    assert {f"bulk-{number:05}" for number in range(1, 61)} < {vm.name for vm in vms}
    assert "elsewhere" not in {vm.name for vm in vms}
    assert {vm.folder for vm in vms} == {"", "Prod/A%2fB", "A", "B", "B/C", "C", "Bulk"}


def test_the_number_of_requests_is_that_of_the_pages(vc: VCenter) -> None:
    async def question(source: VCenterSource) -> dict[str, int]:
        source._page = 25
        await source.check()
        vc.reset_log()
        assert len(await source.inventory()) == BERLIN
        return dict(vc.log().soap)

    soap = asked(vc, question)
    assert soap == {
        "RetrieveServiceContent": 1,
        "FindByInventoryPath": 1,
        "CreateContainerView": 1,
        "RetrievePropertiesEx": 2,  # what VMs refer to, and the VMs
        "ContinueRetrievePropertiesEx": 2,  # 69 VMs in pages of 25
        "DestroyView": 1,
    }


def test_ten_thousand_vms_take_at_most_ten_requests() -> None:
    """At a hundredth of the size, of VMs and of pages: ten thousand would take the simulator a minute."""
    many = Inventory((Vm("bulk", nics=(), count=100),), (Datacenter("DC0"),))
    with vcenter(many) as running:

        async def question(source: VCenterSource) -> int:
            source._page = PAGE // 100
            await source.check()
            running.reset_log()
            assert len(await source.inventory()) == 100
            return sum(running.log().soap.values())

        assert asked(running, question, "DC0") <= 10


def test_the_view_is_destroyed_whatever_happens(vc: VCenter) -> None:
    vc.faults(methods={"ContinueRetrievePropertiesEx": {"fault": "NoPermission", "times": 0}})

    async def question(source: VCenterSource) -> None:
        source._page = 25
        with pytest.raises(SourceDenied):
            await source.inventory()

    asked(vc, question)
    soap = vc.log().soap
    assert soap["CreateContainerView"] == soap["DestroyView"] == 1


def test_a_session_that_expires_between_two_pages_reads_all_again(vc: VCenter) -> None:
    async def question(source: VCenterSource) -> int:
        source._page = 25
        await source.check()
        vc.faults(expire_after_calls=6)  # in the middle of the pages of VMs
        return len(await source.inventory())

    assert asked(vc, question) == BERLIN
    assert vc.log().soap["Login"] == 2


def test_what_inventory_and_find_say_of_a_vm_is_the_same(vc: VCenter) -> None:
    listed = {vm.id: vm for vm in asked(vc, lambda source: source.inventory())}
    for name in ("all", "off", "paused", "bulk-00007"):
        found = find(vc, name)
        assert found == listed[found.id]


# One VM, whole


def test_all_that_a_vm_can_have(vc: VCenter) -> None:
    vm = find(vc, "all")
    assert (vm.name, vm.folder, vm.power) == ("all", "Prod/A%2fB", PowerState.ON)
    assert (vm.cpu, vm.memory) == (CpuTopology(8, 4), 3333)
    assert vm.firmware == Firmware(FirmwareType.EFI, secure_boot=True, tpm=True)
    assert (vm.guest_os, vm.os_family) == ("windows2019srv_64Guest", OsFamily.WINDOWS)
    assert (vm.smbios_uuid, vm.hardware_version) == (UUID, "vmx-21")
    assert vm.notes == "first line\nsecond: äö 한글"
    assert [(disk.controller, disk.bus_number, disk.unit, disk.capacity) for disk in vm.disks] == [
        ("pvscsi", 0, 1, 8 * MIB),
        ("lsilogic", 1, 0, 8 * MIB + 512),
        ("lsilogicsas", 2, 0, 8 * MIB),
        ("buslogic", 3, 0, 8 * MIB),
        ("ahci", 0, 2, 8 * MIB),
        ("ide", 0, 1, 8 * MIB),
        ("nvme", 0, 0, 8 * MIB),
    ]
    assert vm.disks[-1].bus is Bus.NVME
    assert {disk.datastore for disk in vm.disks} == {"datastore1"}
    assert [disk.boot_order for disk in vm.disks] == [1, *[None] * 6]


def test_every_kind_of_network_by_each_of_its_names(vc: VCenter) -> None:
    nics = find(vc, "all").nics
    assert [nic.model for nic in nics] == ["vmxnet3", "e1000e", "e1000", "sriov", "pcnet32"]
    assert [nic.mac for nic in nics] == [f"00:50:56:80:00:0{number}" for number in range(1, 6)]
    assert [nic.connected for nic in nics] == [True, True, False, True, True]
    assert [nic.subnets for nic in nics] == [("10.0.0.0/22", "2001:db8::/64"), ("192.0.2.0/24",), (), (), ()]
    names = [(nic.network.name, nic.network.path) if nic.network else None for nic in nics]
    assert names == [("VM Network", ""), ("pg-a", "DSwitch/pg-a"), ("segment", ""), ("VM Network", ""), None]
    blue = nics[1].network
    assert blue is not None
    for source_network in ("pg-a", "DSwitch/pg-a", blue.id):
        row = NetworkMapping(source_network, "vlan1")
        assert match_network((row,), blue) is row


def test_what_cannot_be_carried_over_is_known_at_once(vc: VCenter) -> None:
    losses = find(vc, "all").losses
    assert {(loss.rule, loss.subject) for loss in losses} == {
        ("FaultTolerance", "VM"),
        ("EncryptedVm", "VM"),
        ("Snapshots", "VM"),
        ("SharedDisk", "disk 2032"),
        ("IndependentDisk", "disk 2048"),
        ("RawDeviceMapping", "disk 16002"),
        ("LinkedClone", "disk 3001"),
        ("SriovNic", "NIC 4003"),
        ("CdromMedia", "CD drive 3002"),
        ("UsbPassthrough", "device 23000"),
        ("PciPassthrough", "device 13000"),
    }
    assert {loss.rule for loss in losses if loss.severity is Severity.BLOCKER} == {"SharedDisk", "RawDeviceMapping"}


def test_an_ordinary_vm_loses_nothing(vc: VCenter) -> None:
    vm = find(vc, "off")
    assert (vm.power, vm.losses) == (PowerState.OFF, ())
    assert find(vc, "paused").power is PowerState.SUSPENDED


# Find


def test_finding_one_is_a_handful_of_requests_however_many_vms_there_are(vc: VCenter) -> None:
    async def question(source: VCenterSource) -> dict[str, int]:
        await source.check()
        vc.reset_log()
        await source.find("bulk-00023")
        return dict(vc.log().soap)

    assert asked(vc, question) == {
        "RetrieveServiceContent": 1,
        "FindByInventoryPath": 1,
        "CreateContainerView": 1,
        "RetrievePropertiesEx": 2,
        "DestroyView": 1,
    }


@pytest.mark.parametrize(
    ("folder", "place"),
    [("A", "A"), ("/A", "A"), ("/A/", "A"), ("B/C", "B/C"), ("/B/C", "B/C"), ("/EU/Berlin/vm/B/C", "B/C")],
)
def test_a_folder_tells_twins_apart(vc: VCenter, folder: str, place: str) -> None:
    vm = find(vc, "twin", folder)
    assert (vm.name, vm.folder) == ("twin", place)


def test_a_name_may_carry_its_folder(vc: VCenter) -> None:
    assert find(vc, "B/C/twin").folder == "B/C"
    assert find(vc, "/A/twin").folder == "A"
    assert find(vc, "/top").folder == ""


@pytest.mark.parametrize("folder", ["/", "//"])
def test_the_top_folder_is_a_slash(vc: VCenter, folder: str) -> None:
    assert find(vc, "top", folder).folder == ""


@pytest.mark.parametrize("name", ["half/half", "half%2fhalf", "half%2Fhalf"])
def test_a_slash_in_a_name_may_be_escaped(vc: VCenter, name: str) -> None:
    assert find(vc, name).name == "half/half"
    assert find(vc, name, "C").name == "half/half"


@pytest.mark.parametrize("folder", ["Prod/A%2fB", "/Prod/A%2FB/"])
def test_a_slash_in_a_folders_name_is_escaped(vc: VCenter, folder: str) -> None:
    assert find(vc, "all", folder).name == "all"


def test_an_ambiguous_name_lists_where_the_candidates_are(vc: VCenter) -> None:
    message = refusal(vc, "twin")
    for machine in vc.machines():
        if machine.name == "twin":
            assert machine.moref in message
    assert "/A " in message
    assert "/B/C " in message
    assert "2 VMs" in message


def test_a_vm_is_found_by_its_moref_or_uuids(vc: VCenter) -> None:
    vm = find(vc, "all")
    for identity in (vm.id, INSTANCE, INSTANCE.upper(), UUID):
        assert find(vc, identity) == vm


def test_a_name_counts_before_an_id(vc: VCenter) -> None:
    assert find(vc, "vm-77777").name == "vm-77777"


def test_a_uuid_that_two_vms_have_is_ambiguous(vc: VCenter) -> None:
    assert "2 VMs" in refusal(vc, "11111111-2222-3333-4444-555555555555")


def test_a_name_in_another_folder_says_where_it_is(vc: VCenter) -> None:
    message = refusal(vc, "twin", "A/B")
    assert "/A " in message
    assert "/B/C " in message


def test_a_misspelt_name_gets_the_nearest(vc: VCenter) -> None:
    assert "'paused'" in refusal(vc, "Pausd")
    assert "nearest" not in refusal(vc, "elsewhere")  # which another datacenter has
    assert f"{BERLIN} VMs" in refusal(vc, "한글")


# Trust and standalone hosts


def test_a_pinned_certificate_is_shown() -> None:
    with vcenter(Inventory(), tls="self-signed") as vc:
        facts = asked(vc, check, "DC0", ca_pem="")
        assert facts.fingerprint == vc.fingerprint
        assert vc.fingerprint in facts.detail
        kept = asked(vc, check, "DC0", ca_pem="", fingerprint_sha256=facts.fingerprint)
        assert kept == facts


@pytest.mark.parametrize("datacenter", ["ha-datacenter", "/ha-datacenter", "whatever", "/"])
def test_a_standalone_host_has_one_datacenter_whatever_it_is_called(esxi: VCenter, datacenter: str) -> None:
    facts = asked(esxi, check, datacenter)
    assert "ESX" in facts.detail
    vm = asked(esxi, lambda source: source.find("solo"), datacenter)
    assert (vm.name, vm.folder, vm.disks[0].datastore) == ("solo", "", "datastore1")
    assert asked(esxi, lambda source: source.inventory(), datacenter) == [vm]


@pytest.fixture(scope="module")
def esxi() -> Iterator[VCenter]:
    with vcenter(Inventory(vms=(Vm("solo", disks=(Disk(8 * MIB),), nics=(Nic(),)),), esxi=True)) as vc:
        yield vc
