"""The simulated vCenter does what the vSphere Web Services API says, seen through an unmodified client.

What each test states is vSphere's behaviour, so that what is built against the simulator meets the same at
work.
"""

import base64
import hashlib
import http.client
import random
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pyVim.connect import SmartStubAdapter
from pyVmomi import vim, vmodl

from rig.vcenter import (
    POWERED_OFF,
    POWERED_ON,
    SUSPENDED,
    Datacenter,
    Disk,
    Fault,
    Inventory,
    Network,
    Nic,
    Shutdown,
    VCenter,
    Vm,
    vcenter,
)

MIB = 1 << 20
STREAM = random.Random(3).randbytes(300_001)  # noqa: S311 - the same bytes each time
SECOND = random.Random(4).randbytes(70_000)  # noqa: S311 - likewise
UUID = "42120d4e-3b0a-4d43-9a57-1f0b2c3d4e5f"
INSTANCE = "50120d4e-3b0a-4d43-9a57-1f0b2c3d4e5f"

EVERYTHING = Vm(
    "all",
    disks=(
        Disk(8 * MIB, controller="pvscsi", unit=1),
        Disk(8 * MIB + 512, controller="lsilogic", bus=1),
        Disk(8 * MIB, controller="lsilogicsas", bus=2, sharing="sharingMultiWriter"),
        Disk(8 * MIB, controller="buslogic", bus=3, mode="independent_persistent"),
        Disk(8 * MIB, controller="ahci", unit=2, rdm="physicalMode"),
        Disk(8 * MIB, controller="ide", unit=1, parent="[datastore1] golden/golden.vmdk"),
        Disk(8 * MIB, controller="nvme"),
    ),
    nics=(
        Nic("VM Network", "00:50:56:80:00:01", "vmxnet3"),
        Nic("pg-a", "00:50:56:80:00:02", "e1000e"),
        Nic("segment", "00:50:56:80:00:03", "e1000", connected=False),
        Nic("VM Network", "00:50:56:80:00:04", "sriov"),
        Nic("", "00:50:56:80:00:05", "pcnet32"),
    ),
    folder="Prod/A%2fB",
    guest_id="windows2019srv_64Guest",
    cpus=8,
    cores_per_socket=4,
    memory_mb=3333,
    firmware="efi",
    secure_boot=True,
    tpm=True,
    hardware_version="vmx-21",
    uuid=UUID,
    instance_uuid=INSTANCE,
    annotation="first line\nsecond: äö 한글",
    cdrom="[datastore1] iso/setup.iso",
    usb=True,
    pci_passthrough=True,
    snapshots=("before", "after"),
    encryption_key="key-1",
    fault_tolerance="running",
    tools="toolsOld",
    power=POWERED_ON,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disks")
    (folder / "one.vmdk").write_bytes(STREAM)
    (folder / "two.vmdk").write_bytes(SECOND)
    with (folder / "one.raw").open("wb") as raw:
        raw.truncate(8 * MIB)
        raw.seek(2 * MIB)
        raw.write(STREAM)
    return folder


@pytest.fixture(scope="module")
def shared(files: Path) -> Iterator[VCenter]:
    disk = Disk(8 * MIB, files / "one.vmdk", files / "one.raw")
    second = Disk(4 * MIB, files / "two.vmdk", controller="ahci", unit=3)
    inventory = Inventory(
        datacenters=(
            Datacenter(
                "EU/Berlin",
                hosts=("esx-1", "esx-2"),
                networks=(
                    Network("VM Network"),
                    Network("pg-a", "distributed", "DSwitch"),
                    Network("segment", "opaque", id="9d3f"),
                ),
            ),
            Datacenter("Lab", hosts=("esx-3",)),
        ),
        vms=(
            Vm("off", disks=(disk, second), host="esx-1", cdrom="[datastore1] iso/a.iso"),
            Vm("on", disks=(disk,), host="esx-2", power=POWERED_ON, shutdown=Shutdown(never=True)),
            Vm("tracked", disks=(disk,), change_tracking=True, power=POWERED_ON),
            Vm("toolless", power=POWERED_ON, tools="toolsNotInstalled"),
            Vm("paused", power=SUSPENDED),
            EVERYTHING,
            Vm("twin", folder="A"),
            Vm("twin", folder="B/C"),
            Vm("half/half", datacenter="Lab"),
            Vm("bulk", count=250, folder="Bulk"),
        ),
    )
    with vcenter(inventory) as vc:
        yield vc


@pytest.fixture
def vc(shared: VCenter) -> Iterator[VCenter]:
    shared.faults()
    shared.expire_sessions()
    shared.reset_log()
    yield shared
    shared.faults()


@contextmanager
def connected(vc: VCenter, password: str | None = None) -> Iterator[vim.ServiceInstance]:
    context = ssl.create_default_context(cadata=vc.ca_pem)
    stub = SmartStubAdapter(host="127.0.0.1", port=vc.port, sslContext=context)
    si = vim.ServiceInstance("ServiceInstance", stub)
    try:
        si.RetrieveContent().sessionManager.Login(vc.username, password or vc.password)
        yield si
        with suppress(vim.fault.NotAuthenticated):  # a test may have ended the session
            si.RetrieveContent().sessionManager.Logout()
    finally:
        stub.DropConnections()


@pytest.fixture
def si(vc: VCenter) -> Iterator[vim.ServiceInstance]:
    with connected(vc) as instance:
        vc.reset_log()
        yield instance


def find(si: vim.ServiceInstance, path: str) -> Any:
    found = si.content.searchIndex.FindByInventoryPath(path)
    assert found is not None, path
    return found


def vm_named(si: vim.ServiceInstance, name: str) -> Any:
    return find(si, f"EU/Berlin/vm/{name}")


def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come; pytest's own time-out speaks up where it does not."""
    while not condition():
        time.sleep(0.02)


def ready(lease: Any) -> Any:
    until(lambda: lease.state != vim.HttpNfcLease.State.initializing)
    assert lease.state == vim.HttpNfcLease.State.ready, lease.error
    return lease


def unchecked() -> ssl.SSLContext:
    """The context for an ESXi host: its certificate is checked by the lease's thumbprint instead."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def opened(url: str, headers: dict[str, str] | None = None) -> Any:
    request = urllib.request.Request(url, headers=headers or {})  # noqa: S310 - the lease says https
    return urllib.request.urlopen(request, context=unchecked(), timeout=30)  # noqa: S310 - likewise


def download(url: str, headers: dict[str, str] | None = None) -> bytes:
    with opened(url, headers) as reply:
        body: bytes = reply.read()
        return body


def disks(lease: Any) -> list[Any]:
    return [item for item in lease.info.deviceUrl if item.disk]


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


def fingerprint(vc: VCenter) -> str:
    return colons(ssl.get_server_certificate(("127.0.0.1", vc.port)))


def colons(pem: str) -> str:
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
    return ":".join(f"{byte:02X}" for byte in digest)


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


def read_vms(si: vim.ServiceInstance, paths: list[str], page: int) -> list[dict[str, Any]]:
    """Read all VMs through one PropertyCollector request and its continuations."""
    view = si.content.viewManager.CreateContainerView(
        container=si.content.rootFolder, type=[vim.VirtualMachine], recursive=True
    )
    query = vmodl.query.PropertyCollector
    members = query.TraversalSpec(name="view", path="view", skip=False, type=vim.view.ContainerView)
    spec = query.FilterSpec(
        objectSet=[query.ObjectSpec(obj=view, skip=True, selectSet=[members])],
        propSet=[query.PropertySpec(type=vim.VirtualMachine, pathSet=paths)],
    )
    collector = si.content.propertyCollector
    result = collector.RetrievePropertiesEx([spec], query.RetrieveOptions(maxObjects=page))
    objects = list(result.objects)
    while result.token:
        result = collector.ContinueRetrievePropertiesEx(result.token)
        objects += result.objects
    view.Destroy()
    return [{prop.name: prop.val for prop in found.propSet} | {"": found.obj._moId} for found in objects]


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


def finished(task: Any) -> Any:
    until(lambda: task.info.state in ("success", "error"))
    if task.info.state == "error":
        raise task.info.error
    return task.info.result


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
    vm.ShutdownGuest()
    assert vm.runtime.powerState == POWERED_ON
    until(lambda: vm.runtime.powerState == POWERED_OFF)
    assert vm.guest.toolsRunningStatus == "guestToolsNotRunning"
    finished(vm.PowerOnVM_Task())
    assert vm.guest.toolsRunningStatus == "guestToolsRunning"


# Export


def test_a_running_vm_cannot_be_exported(si: vim.ServiceInstance) -> None:
    with pytest.raises(vim.fault.InvalidPowerState):
        vm_named(si, "on").ExportVm()


def test_an_export_serves_every_disk_unchanged(vc: VCenter, si: vim.ServiceInstance) -> None:
    vm = vm_named(si, "off")
    lease = vm.ExportVm()
    assert lease.state == vim.HttpNfcLease.State.initializing
    ready(lease)
    keys = [item.key for item in disks(lease)]
    assert keys == [f"/{vm._moId}/ParaVirtualSCSIController0:0", f"/{vm._moId}/VirtualAHCIController0:3"]
    assert [download(item.url) for item in disks(lease)] == [STREAM, SECOND]
    others = {item.targetId for item in lease.info.deviceUrl if not item.disk}
    assert others == {"file-0.iso", "off.nvram"}
    manifest = {entry.key: entry.sha1 for entry in lease.HttpNfcLeaseGetManifest()}
    assert manifest[keys[0]] == hashlib.sha1(STREAM).hexdigest()  # noqa: S324 - what the API states
    lease.HttpNfcLeaseProgress(100)
    lease.HttpNfcLeaseComplete()
    assert vc.leases() == []
    log = vc.log()
    assert [(end.vm, end.how, end.progress) for end in log.leases] == [("off", "completed", 100)]
    assert log.bytes_served == len(STREAM) + len(SECOND)
    assert {d.host for d in log.downloads} == {"esx-1"}
    assert log.peak_streams["esx-1"] == 1


def test_the_bytes_have_no_length_and_no_ranges(si: vim.ServiceInstance) -> None:
    lease = ready(vm_named(si, "off").ExportVm())
    with opened(disks(lease)[0].url, {"Range": "bytes=100-"}) as reply:
        assert reply.status == http.HTTPStatus.OK
        assert reply.headers["Content-Length"] is None
        assert reply.headers["Transfer-Encoding"] == "chunked"
        assert reply.read() == STREAM
    lease.HttpNfcLeaseAbort()


def test_the_lease_states_the_thumbprint_of_the_esxi_host(vc: VCenter, si: vim.ServiceInstance) -> None:
    lease = ready(vm_named(si, "off").ExportVm())
    item = disks(lease)[0]
    server = urllib.parse.urlsplit(item.url)
    assert server.port not in (None, vc.port)
    assert thumbprint(server.port) == item.sslThumbprint == vc.certificates()["esx-1"].thumbprint
    vc.change_certificate("esx-1")
    assert thumbprint(server.port) != item.sslThumbprint
    lease.HttpNfcLeaseAbort()


def thumbprint(port: int | None) -> str:
    pem = ssl.get_server_certificate(("127.0.0.1", port or 0))
    digest = hashlib.sha1(ssl.PEM_cert_to_DER_cert(pem)).digest()  # noqa: S324 - vSphere's thumbprints are SHA-1
    return ":".join(f"{byte:02X}" for byte in digest)


def test_a_star_stands_for_the_host_that_was_called(vc: VCenter, si: vim.ServiceInstance) -> None:
    vc.faults(star_hosts=True)
    lease = ready(vm_named(si, "off").ExportVm())
    url = disks(lease)[0].url
    assert url.startswith("https://*:")
    assert download(url.replace("*", "127.0.0.1")) == STREAM
    lease.HttpNfcLeaseAbort()


def test_a_vm_is_locked_while_it_is_exported(vc: VCenter, si: vim.ServiceInstance) -> None:
    vm = vm_named(si, "off")
    lease = ready(vm.ExportVm())
    assert [(item.vm, item.host, item.state) for item in vc.leases()] == [("off", "esx-1", "ready")]
    with pytest.raises(vim.fault.TaskInProgress):
        vm.PowerOnVM_Task()
    with pytest.raises(vim.fault.TaskInProgress):
        vm.ExportVm()
    lease.HttpNfcLeaseAbort()
    finished(vm.PowerOnVM_Task())
    finished(vm.PowerOffVM_Task())


def test_a_lease_lives_by_progress_alone(vc: VCenter, si: vim.ServiceInstance) -> None:
    vc.faults(lease_seconds=0.8)
    lease = ready(vm_named(si, "off").ExportVm())
    url = disks(lease)[0].url
    for percent in range(5):  # longer in all than the lease lives
        time.sleep(0.25)
        lease.HttpNfcLeaseProgress(percent)
    assert [item.progress for item in vc.leases()] == [4]
    until(lambda: lease.state == vim.HttpNfcLease.State.error)
    assert isinstance(lease.error, vim.fault.Timedout)
    assert vc.leases() == []
    with pytest.raises(urllib.error.HTTPError, match="404"):
        download(url)
    with pytest.raises(vim.fault.InvalidState):
        lease.HttpNfcLeaseProgress(50)


def test_a_snapshot_of_a_running_vm_is_exported(vc: VCenter, si: vim.ServiceInstance) -> None:
    vm = vm_named(si, "tracked")
    snapshot = finished(vm.CreateSnapshot_Task(name="export", memory=False, quiesce=False))
    assert vc.snapshots("tracked") == ("export",)
    lease = ready(snapshot.ExportSnapshot())
    assert download(disks(lease)[0].url) == STREAM
    lease.HttpNfcLeaseComplete()
    finished(snapshot.RemoveSnapshot_Task(removeChildren=False))
    assert vc.snapshots("tracked") == ()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        snapshot.ExportSnapshot()


# What goes wrong


def test_a_connection_is_cut_as_often_as_asked_for(vc: VCenter, si: vim.ServiceInstance) -> None:
    vc.faults(cut_after=100_000, cut_times=2)
    lease = ready(vm_named(si, "off").ExportVm())
    url = disks(lease)[0].url
    for _ in range(2):
        with pytest.raises(http.client.IncompleteRead) as cut:
            download(url)
        assert cut.value.partial == STREAM[:100_000]
    assert download(url) == STREAM
    lease.HttpNfcLeaseAbort()


def test_aborting_cuts_a_slow_download(vc: VCenter, si: vim.ServiceInstance) -> None:
    vc.faults(bytes_per_second=20_000)
    lease = ready(vm_named(si, "off").ExportVm())
    with opened(disks(lease)[0].url) as reply:
        assert reply.read(1000) == STREAM[:1000]
        assert vc.log().streams["esx-1"] == 1
        lease.HttpNfcLeaseAbort()
        with pytest.raises(http.client.IncompleteRead):
            reply.read()
    until(lambda: vc.log().streams["esx-1"] == 0)
    assert vc.log().bytes_served < len(STREAM) / 2


@pytest.mark.parametrize("status", [401, 404, 503])
def test_an_http_status_in_place_of_a_disk(vc: VCenter, si: vim.ServiceInstance, status: int) -> None:
    vc.faults(nfc_status=status)
    lease = ready(vm_named(si, "off").ExportVm())
    with pytest.raises(urllib.error.HTTPError, match=str(status)):
        download(disks(lease)[0].url)
    assert [d.status for d in vc.log().downloads] == [status]
    lease.HttpNfcLeaseAbort()


def test_a_lease_that_never_becomes_ready(vc: VCenter, si: vim.ServiceInstance) -> None:
    vc.faults(lease_error_after=0)
    lease = vm_named(si, "off").ExportVm()
    until(lambda: lease.state == vim.HttpNfcLease.State.error)
    assert isinstance(lease.error, vmodl.fault.SystemError)
    assert vc.leases() == []


def test_a_lease_that_fails_in_the_middle(vc: VCenter, si: vim.ServiceInstance) -> None:
    vc.faults(lease_error_after=100_000)
    lease = ready(vm_named(si, "off").ExportVm())
    with pytest.raises(http.client.IncompleteRead):
        download(disks(lease)[0].url)
    assert lease.state == vim.HttpNfcLease.State.error
    assert [end.how for end in vc.log().leases] == ["failed"]


def test_a_missing_privilege_is_told_to_those_who_ask(vc: VCenter, si: vim.ServiceInstance) -> None:
    vc.faults(missing_privileges=("VApp.Export",))
    vm = vm_named(si, "off")
    key = si.content.sessionManager.currentSession.key
    asked = ["VApp.Export", "VirtualMachine.Interact.PowerOff"]
    told = si.content.authorizationManager.HasPrivilegeOnEntities([vm], key, asked)
    granted = {item.privId: item.isGranted for item in told[0].privAvailability}
    assert granted == {"VApp.Export": False, "VirtualMachine.Interact.PowerOff": True}


def test_soap_calls_answered_with_503(vc: VCenter, si: vim.ServiceInstance) -> None:
    vc.faults(soap_status=503, soap_status_times=1)
    with pytest.raises(http.client.HTTPException, match="503"):
        si.CurrentTime()
    assert si.CurrentTime()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("NotAuthenticated", vim.fault.NotAuthenticated),
        ("NoPermission", vim.fault.NoPermission),
        ("TaskInProgress", vim.fault.TaskInProgress),
        ("InvalidState", vim.fault.InvalidState),
        ("SystemError", vmodl.fault.SystemError),
    ],
)
def test_a_method_answered_with_a_fault(
    vc: VCenter, si: vim.ServiceInstance, name: str, fault: type[Exception]
) -> None:
    vm = vm_named(si, "off")
    vc.faults(methods={"ExportVm": Fault(name, times=1)})
    with pytest.raises(fault):
        vm.ExportVm()
    ready(vm.ExportVm()).HttpNfcLeaseAbort()


# Datastores and changed blocks


def flat(vc: VCenter, si: vim.ServiceInstance) -> str:
    """The URL of a disk's data in its datastore."""
    path = vm_named(si, "off").config.hardware.device
    names = [d.backing.fileName for d in path if isinstance(d, vim.vm.device.VirtualDisk)]
    inside = names[0].removeprefix("[datastore1] ").replace(".vmdk", "-flat.vmdk")
    query = urllib.parse.urlencode({"dcPath": "EU/Berlin", "dsName": "datastore1"})
    return f"https://127.0.0.1:{vc.port}/folder/{urllib.parse.quote(inside)}?{query}"


def test_a_datastore_serves_ranges_to_those_who_are_logged_in(vc: VCenter, si: vim.ServiceInstance) -> None:
    url = flat(vc, si)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        download(url)
    cookie = si._stub.cookie.partition(";")[0]
    part = {"Range": f"bytes={2 * MIB}-{2 * MIB + 999}"}
    assert download(url, {"Cookie": cookie, **part}) == STREAM[:1000]
    basic = base64.b64encode(f"{vc.username}:{vc.password}".encode()).decode()
    whole = download(url, {"Authorization": f"Basic {basic}"})
    assert len(whole) == 8 * MIB
    assert whole[2 * MIB : 2 * MIB + len(STREAM)] == STREAM
    assert [d.status for d in vc.log().downloads] == [401, 206, 200]


def test_changed_blocks_between_two_snapshots(vc: VCenter, si: vim.ServiceInstance) -> None:
    vm = vm_named(si, "tracked")
    key = next(d.key for d in vm.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk))
    first = finished(vm.CreateSnapshot_Task(name="first", memory=False, quiesce=False))
    vc.guest_wrote("tracked", key, 4 * MIB, 65536)
    vc.guest_wrote("tracked", key, 4 * MIB + 65536, 65536)
    vc.guest_wrote("tracked", key, MIB, 65536)
    second = finished(vm.CreateSnapshot_Task(name="second", memory=False, quiesce=False))

    def areas(snapshot: Any, since: str, start: int = 0) -> list[tuple[int, int]]:
        info = vm.QueryChangedDiskAreas(snapshot, key, start, since)
        return [(area.start, area.length) for area in info.changedArea]

    def change_id(snapshot: Any) -> str:
        disk = next(d for d in snapshot.config.hardware.device if d.key == key)
        return str(disk.backing.changeId)

    assert areas(second, change_id(first)) == [(MIB, 65536), (4 * MIB, 131072)]
    assert areas(second, change_id(first), 2 * MIB) == [(4 * MIB, 131072)]
    assert areas(second, change_id(second)) == []
    used = areas(first, "*")
    assert used[0][0] <= 2 * MIB
    assert used[-1][0] + used[-1][1] >= 2 * MIB + len(STREAM)
    assert sum(length for _, length in used) < 4 * MIB
    finished(vm.RemoveAllSnapshots_Task())


def test_without_change_tracking_there_is_no_answer(si: vim.ServiceInstance) -> None:
    vm = vm_named(si, "off")
    with pytest.raises(vim.fault.FileFault):
        vm.QueryChangedDiskAreas(None, 2000, 0, "*")


# Other shapes


def test_a_standalone_host(files: Path) -> None:
    inventory = Inventory(vms=(Vm("alone", disks=(Disk(8 * MIB, files / "one.vmdk"),)),), esxi=True)
    with vcenter(inventory, tls="self-signed") as vc, connected(vc) as si:
        assert si.content.about.apiType == "HostAgent"
        vm = find(si, "ha-datacenter/vm/alone")
        lease = ready(vm.ExportVm())
        url = disks(lease)[0].url
        assert url.startswith(f"https://*:{vc.port}/")
        assert download(url.replace("*", "127.0.0.1")) == STREAM
        lease.HttpNfcLeaseComplete()
        assert vc.leases() == []
        assert colons(vc.ca_pem) == vc.fingerprint
