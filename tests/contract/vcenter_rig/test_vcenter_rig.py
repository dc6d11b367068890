"""The simulated vCenter does what the vSphere Web Services API says, seen through an unmodified client.

What each test states is vSphere's behaviour, so that what is built against the simulator meets the same at
work.
"""

import time
from typing import Any

import pytest
from pyVmomi import vim

from rig.vcenter import POWERED_OFF, POWERED_ON, Shutdown, VCenter
from rig.vcenter.client import connected, find, fingerprint, finished, read_vms, ready, until
from rig.vcenter.samples import INSTANCE, MIB, UUID, vm_named

# Sessions


def test_login_and_logout_open_and_close_one_session(vc: VCenter) -> None:
    with connected(vc) as si:
        assert si.content.about.apiType == "VirtualCenter"
        assert [session.user for session in vc.sessions()] == [vc.username]
    assert vc.sessions() == []
    assert vc.log().soap["Login"] == 1


def test_a_wrong_password_is_refused(vc: VCenter) -> None:
    with pytest.raises(vim.fault.InvalidLogin), connected(vc, "wrong"):
        pass
    assert vc.sessions() == []


def test_login_failures_on_demand_end(vc: VCenter) -> None:
    vc.faults(login_failures=1)
    with pytest.raises(vim.fault.InvalidLogin), connected(vc):
        pass
    with connected(vc):
        pass


def test_an_expired_session_may_do_nothing_and_loses_its_leases(vc: VCenter, si: vim.ServiceInstance) -> None:
    lease = ready(vm_named(si, "off").ExportVm())
    vc.expire_sessions()
    assert vc.leases() == []
    assert [end.how for end in vc.log().leases] == ["session ended"]
    with pytest.raises(vim.fault.NotAuthenticated):
        lease.HttpNfcLeaseProgress(1)
    with pytest.raises(vim.fault.NotAuthenticated):
        si.RetrieveContent().rootFolder.Reload()


def test_a_session_expires_after_the_calls_asked_for(vc: VCenter, si: vim.ServiceInstance) -> None:
    vc.faults(expire_after_calls=3)
    assert si.CurrentTime()
    assert si.CurrentTime()
    with pytest.raises(vim.fault.NotAuthenticated):
        si.CurrentTime()
    with connected(vc) as again:
        assert again.CurrentTime()


def test_the_client_sees_the_certificate_that_is_stated(vc: VCenter) -> None:
    before = vc.fingerprint
    assert fingerprint(vc) == before
    vc.change_certificate()
    assert vc.fingerprint != before
    assert fingerprint(vc) == vc.fingerprint


# Inventory


def test_names_and_places(vc: VCenter, si: vim.ServiceInstance) -> None:
    assert find(si, "EU/Berlin").name == "Berlin"
    assert find(si, "EU/Berlin/vm/Prod/A%2fB/all").name == "all"
    assert find(si, "EU/Berlin/vm/A/twin")._moId != find(si, "EU/Berlin/vm/B/C/twin")._moId
    assert find(si, "Lab/vm/half%2fhalf").name == "half%2fhalf"
    assert find(si, "EU/Berlin/network/pg-a").config.distributedVirtualSwitch.name == "DSwitch"
    assert {m.moref for m in vc.machines() if m.name == "twin"} == {
        find(si, "EU/Berlin/vm/A/twin")._moId,
        find(si, "EU/Berlin/vm/B/C/twin")._moId,
    }


def test_a_vm_is_found_by_either_uuid(si: vim.ServiceInstance) -> None:
    index = si.content.searchIndex
    assert index.FindByUuid(uuid=INSTANCE, vmSearch=True, instanceUuid=True).name == "all"
    assert index.FindByUuid(uuid=UUID, vmSearch=True).name == "all"


def test_every_vm_is_read_in_pages(vc: VCenter, si: vim.ServiceInstance) -> None:
    vms = read_vms(si, ["name", "config", "runtime", "guest", "summary", "network", "snapshot"], 100)
    assert len({vm[""] for vm in vms}) == 259
    bulk = [vm for vm in vms if vm["name"].startswith("bulk-")]
    assert {vm["name"] for vm in bulk} == {f"bulk-{i:05}" for i in range(1, 251)}
    for distinct in ("uuid", "instanceUuid"):
        assert len({getattr(vm["config"], distinct) for vm in bulk}) == 250
    macs = {d.macAddress for vm in bulk for d in vm["config"].hardware.device if hasattr(d, "macAddress")}
    assert len(macs) == 250
    soap = vc.log().soap
    assert (soap["RetrievePropertiesEx"], soap["ContinueRetrievePropertiesEx"]) == (1, 2)


def test_hardware_is_as_the_inventory_states(si: vim.ServiceInstance) -> None:
    vm = vm_named(si, "Prod/A%2fB/all")
    config = vm.config
    assert (config.hardware.numCPU, config.hardware.numCoresPerSocket) == (8, 4)
    assert config.hardware.memoryMB == 3333
    assert (config.firmware, config.bootOptions.efiSecureBootEnabled) == ("efi", True)
    assert (config.guestId, config.version) == ("windows2019srv_64Guest", "vmx-21")
    assert (config.uuid, config.instanceUuid) == (UUID, INSTANCE)
    assert config.annotation == "first line\nsecond: äö 한글"
    assert config.keyId.keyId == "key-1"
    assert vm.runtime.faultToleranceState == "running"
    assert vm.runtime.powerState == "poweredOn"
    assert (vm.guest.toolsStatus, vm.guest.toolsRunningStatus) == ("toolsOld", "guestToolsRunning")
    assert vm.guest.toolsVersionStatus2 == "guestToolsSupportedOld"
    tree = vm.snapshot.rootSnapshotList
    assert [tree[0].name, tree[0].childSnapshotList[0].name] == ["before", "after"]
    kinds = {type(device).__name__.rpartition(".")[2] for device in config.hardware.device}
    assert kinds >= {"VirtualTPM", "VirtualUSB", "VirtualPCIPassthrough", "VirtualCdrom"}
    assert vm_named(si, "paused").runtime.powerState == "suspended"


def test_disks_are_as_the_inventory_states(si: vim.ServiceInstance) -> None:
    devices = {device.key: device for device in vm_named(si, "Prod/A%2fB/all").config.hardware.device}
    found = [device for device in devices.values() if isinstance(device, vim.vm.device.VirtualDisk)]
    places = [
        (
            type(devices[d.controllerKey]).__name__.rpartition(".")[2],
            devices[d.controllerKey].busNumber,
            d.unitNumber,
        )
        for d in found
    ]
    assert places == [
        ("ParaVirtualSCSIController", 0, 1),
        ("VirtualLsiLogicController", 1, 0),
        ("VirtualLsiLogicSASController", 2, 0),
        ("VirtualBusLogicController", 3, 0),
        ("VirtualAHCIController", 0, 2),
        ("VirtualIDEController", 0, 1),
        ("VirtualNVMEController", 0, 0),
    ]
    backing = vim.vm.device.VirtualDisk
    assert [d.capacityInBytes for d in found] == [8 * MIB, 8 * MIB + 512, *[8 * MIB] * 5]
    assert found[2].backing.sharing == "sharingMultiWriter"
    assert found[3].backing.diskMode == "independent_persistent"
    assert isinstance(found[4].backing, backing.RawDiskMappingVer1BackingInfo)
    assert found[4].backing.compatibilityMode == "physicalMode"
    assert chain(found[0]) == ["all_0-000002.vmdk", "all_0-000001.vmdk", "all_0.vmdk"]
    assert chain(found[5]) == ["all_5-000002.vmdk", "all_5-000001.vmdk", "all_5.vmdk", "golden.vmdk"]


def chain(disk: Any) -> list[str]:
    """The names of the files that a disk is made of, from the top."""
    names, backing = [], disk.backing
    while backing is not None:
        names.append(backing.fileName.rpartition("/")[2])
        backing = backing.parent
    return names


def test_nics_are_as_the_inventory_states(si: vim.ServiceInstance) -> None:
    devices = vm_named(si, "Prod/A%2fB/all").config.hardware.device
    cards = [d for d in devices if isinstance(d, vim.vm.device.VirtualEthernetCard)]
    assert [type(card).__name__.rpartition(".")[2] for card in cards] == [
        "VirtualVmxnet3",
        "VirtualE1000e",
        "VirtualE1000",
        "VirtualSriovEthernetCard",
        "VirtualPCNet32",
    ]
    assert [card.macAddress for card in cards] == [f"00:50:56:80:00:0{i}" for i in range(1, 6)]
    assert cards[0].backing.deviceName == "VM Network"
    group = find(si, "EU/Berlin/network/pg-a")
    assert cards[1].backing.port.portgroupKey == group._moId == group.key
    assert cards[2].backing.opaqueNetworkId == "9d3f"
    assert cards[2].connectable.startConnected is False
    assert cards[4].backing is None


# Power


def test_power_operations_and_the_record_of_them(vc: VCenter, si: vim.ServiceInstance) -> None:
    vm = vm_named(si, "toolless")
    finished(vm.PowerOffVM_Task())
    assert vc.power("toolless") == POWERED_OFF
    finished(vm.PowerOnVM_Task())
    assert vc.power(vm._moId) == POWERED_ON
    assert [change.power for change in vc.log().power] == [POWERED_OFF, POWERED_ON]


def test_a_guest_without_tools_cannot_be_shut_down(si: vim.ServiceInstance) -> None:
    with pytest.raises(vim.fault.ToolsUnavailable):
        vm_named(si, "toolless").ShutdownGuest()


def test_a_vm_that_is_off_cannot_be_shut_down(si: vim.ServiceInstance) -> None:
    with pytest.raises(vim.fault.InvalidPowerState):
        vm_named(si, "off").ShutdownGuest()


def test_a_guest_shuts_down_in_its_own_time_or_never(vc: VCenter, si: vim.ServiceInstance) -> None:
    vm = vm_named(si, "on")
    vm.ShutdownGuest()
    time.sleep(0.3)
    assert vm.runtime.powerState == POWERED_ON
    vc.set_shutdown("on", Shutdown(seconds=0.3))
    asked = time.monotonic()
    vm.ShutdownGuest()
    until(lambda: vm.runtime.powerState == POWERED_OFF)
    assert time.monotonic() - asked >= 0.3
    assert vm.guest.toolsRunningStatus == "guestToolsNotRunning"
    finished(vm.PowerOnVM_Task())
    assert vm.guest.toolsRunningStatus == "guestToolsRunning"
