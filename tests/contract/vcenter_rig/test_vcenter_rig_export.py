"""Exports, datastores, changed blocks and what goes wrong with them, as vSphere has them."""

import base64
import hashlib
import http.client
import time
import urllib.error
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from rig.vcenter import Disk, Fault, Inventory, VCenter, Vm, vcenter
from rig.vcenter.client import (
    colons,
    connected,
    disks,
    download,
    find,
    finished,
    opened,
    ready,
    thumbprint,
    until,
)
from rig.vcenter.samples import MIB, SECOND, STREAM, vm_named

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
    vc.faults(lease_seconds=6)
    lease = ready(vm_named(si, "off").ExportVm())
    url = disks(lease)[0].url
    for percent in range(5):  # longer in all than the lease lives
        time.sleep(1.6)
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
