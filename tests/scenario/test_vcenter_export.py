"""Disks exported from vCenter: whole, kept alive, within limits, and given back whatever goes wrong."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rig.disks import noise
from rig.vcenter import POWERED_ON, Datacenter, Disk, Fault, Inventory, VCenter, Vm, vcenter
from rig.vcenter_source import connection, inventory, source
from rig.vmdk import Header, in_grains, stream
from thresher.model.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    SourceUntrusted,
    StreamCut,
    ThresherError,
)
from thresher.model.units import KIB, SECTOR
from thresher.model.vm import SourceVM
from thresher.ports import DiskResult, Export
from thresher.sources.vcenter.connection import VCenterConnection
from thresher.sources.vcenter.export import Place, place_of
from thresher.sources.vcenter.limits import ExportLimits
from thresher.sources.vcenter.source import VCenterSource
from thresher.transfer.disk import Options
from thresher.transfer.disks import ThreadTransfer

T = TypeVar("T")

SIZES = (1024 * KIB, 512 * KIB, 768 * KIB)
RAW = tuple(noise(size // 2, seed) + bytes(size // 4) + noise(size // 4, seed + 10) for seed, size in enumerate(SIZES))
PACKED = tuple(stream(Header(len(raw) // SECTOR), in_grains(raw)) for raw in RAW)
PLACES = (("pvscsi", 0, 0), ("nvme", 0, 0), ("ahci", 0, 3))
ANSWERS = {401: SourceDenied, 403: SourceDenied, 404: SourceUnreachable, 503: SourceUnreachable}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    folder = tmp_path_factory.mktemp("streams")
    disks = []
    for number, (packed, (controller, bus, unit)) in enumerate(zip(PACKED, PLACES, strict=True)):
        path = folder / f"{number}.vmdk"
        path.write_bytes(packed)
        disks.append(Disk(SIZES[number], path, controller=controller, bus=bus, unit=unit))
    vms = (
        Vm("web", tuple(disks), host="esx-1", cdrom="[datastore1] iso/setup.iso"),
        Vm("running", tuple(disks[:1]), host="esx-1", power=POWERED_ON),
        Vm("farm-a", tuple(disks[:2]), count=5, host="esx-1"),
        Vm("farm-b", tuple(disks[:2]), count=5, host="esx-2"),
    )
    with vcenter(Inventory(vms, (Datacenter(hosts=("esx-1", "esx-2")),))) as vc:
        yield vc


@pytest.fixture
def vc(shared: VCenter) -> Iterator[VCenter]:
    """The simulator; whatever a test did, nothing of it is left there."""
    shared.faults()
    shared.reset_log()
    yield shared
    shared.faults()
    assert not shared.leases()
    assert not shared.sessions()
    assert not any(machine.snapshots for machine in shared.machines())


@dataclass(frozen=True)
class Exporting:
    """An entered source, and its VMs."""

    source: VCenterSource
    vms: Mapping[str, SourceVM]

    def open(self, name: str) -> AbstractAsyncContextManager[Export]:
        return self.source.export(self.vms[name], "import-1")

    async def transfer(self, name: str, folder: Path) -> Mapping[str, DiskResult]:
        paths = {disk.key: folder / f"{name}-{disk.key}.raw" for disk in self.vms[name].disks}
        async with self.open(name) as export:
            return await ThreadTransfer(Options(durable=False)).run(export, paths, lambda _: None)


def with_vcenter(
    vc: VCenter,
    act: Callable[[Exporting], Awaitable[Any]],
    limits: ExportLimits | None = None,
    datacenter: str = "DC0",
) -> Any:
    async def run() -> Any:
        async with connection(vc) as entered:
            opened = source(entered, limits or ExportLimits(), datacenter)
            return await act(Exporting(opened, await inventory(opened)))

    return asyncio.run(run())


def imported(vc: VCenter, folder: Path, name: str = "web", datacenter: str = "DC0") -> Mapping[str, DiskResult]:
    results: Mapping[str, DiskResult] = with_vcenter(vc, lambda ex: ex.transfer(name, folder), datacenter=datacenter)
    return results


def written(folder: Path, name: str = "web") -> list[bytes]:
    """The finished disks in the order of their sizes in SIZES."""
    by_size = {path.stat().st_size: path.read_bytes() for path in folder.glob(f"{name}-*.raw")}
    return [by_size.get(size, b"") for size in SIZES]


def ends(vc: VCenter) -> list[str]:
    return [end.how for end in vc.log().leases]


async def until(condition: Callable[[], bool]) -> None:
    while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - only asking the simulator tells
        await asyncio.sleep(0.02)


# What comes


def test_every_disk_arrives_byte_for_byte_and_the_lease_is_completed(vc: VCenter, tmp_path: Path) -> None:
    results = imported(vc, tmp_path)
    assert written(tmp_path) == list(RAW)
    assert all("stream end" in result.verified for result in results.values())
    assert ends(vc) == ["completed"]
    log = vc.log()
    assert {download.file for download in log.downloads} == {"disk-0.vmdk", "disk-1.vmdk", "disk-2.vmdk"}
    assert {download.range for download in log.downloads} == {""}
    assert log.soap["HttpNfcLeaseComplete"] == 1
    assert "HttpNfcLeaseAbort" not in log.soap


def test_what_is_no_disk_is_left_out_and_said(vc: VCenter, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "thresher"):
        imported(vc, tmp_path)
    left_out = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(left_out) == 2
    assert any("nvram" in message for message in left_out)
    assert any("VirtualIDEController" in message for message in left_out)
    assert vc.password not in caplog.text
    assert "/nfc/" not in caplog.text, "the ticket in a URL opens the disk"


def test_disks_are_matched_by_their_place_whatever_their_order(vc: VCenter, tmp_path: Path) -> None:
    async def act(ex: Exporting) -> list[tuple[str, bytes]]:
        turned = replace(ex.vms["web"], disks=ex.vms["web"].disks[::-1])
        paths = {disk.key: tmp_path / disk.key for disk in turned.disks}
        async with ex.source.export(turned, "import-1") as export:
            assert [one.disk for one in export.disks] == list(turned.disks)
            await ThreadTransfer(Options(durable=False)).run(export, paths, lambda _: None)
        return [(disk.bus, paths[disk.key].read_bytes()) for disk in turned.disks]

    assert dict(with_vcenter(vc, act)) == dict(zip(("scsi", "nvme", "sata"), RAW, strict=True))


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("/vm-13010/ParaVirtualSCSIController0:0", Place("paravirtualscsicontroller", 0, 0)),
        ("/vm-13011/VirtualBusLogicController1:15", Place("virtualbuslogiccontroller", 1, 15)),
        ("/vm-13012/VirtualLsiLogicController0:0", Place("virtuallsilogiccontroller", 0, 0)),
        ("/vm-13013/VirtualLsiLogicSASController3:2", Place("virtuallsilogicsascontroller", 3, 2)),
        ("/vm-13767/VirtualAHCIController0:29", Place("virtualahcicontroller", 0, 29)),
        ("/vm-5678/VirtualIDEController1:0", Place("virtualidecontroller", 1, 0)),
        ("/vm-2468/VirtualNVMEController2:14", Place("virtualnvmecontroller", 2, 14)),
        ("/243/ParaVirtualSCSIController0:0", Place("paravirtualscsicontroller", 0, 0)),
        ("/vm-42/nvram", None),
        ("/vm-42/ParaVirtualSCSIController0", None),
        ("", None),
    ],
)
def test_a_device_key_says_where_the_device_hangs(key: str, place: Place | None) -> None:
    assert place_of(key) == place


def test_a_disk_that_the_export_lacks_is_named(vc: VCenter) -> None:
    async def act(ex: Exporting) -> None:
        vm = ex.vms["web"]
        more = replace(vm, disks=(*vm.disks, replace(vm.disks[0], key="2099", unit=9)))
        async with ex.source.export(more, "import-1"):
            raise AssertionError("a disk is missing")

    with pytest.raises(SourceError, match=r"lacks its disk 2099 \(pvscsi 0:9\)"):
        with_vcenter(vc, act)
    assert ends(vc) == ["aborted"]


def test_a_disk_that_nobody_described_is_named(vc: VCenter) -> None:
    async def act(ex: Exporting) -> None:
        fewer = replace(ex.vms["web"], disks=ex.vms["web"].disks[:2])
        async with ex.source.export(fewer, "import-1"):
            raise AssertionError("a disk would be lost")

    with pytest.raises(SourceError, match="VirtualAHCIController0:3"):
        with_vcenter(vc, act)
    assert ends(vc) == ["aborted"]


def test_a_star_stands_for_the_host_that_was_called(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(star_hosts=True)
    imported(vc, tmp_path)
    assert written(tmp_path) == list(RAW)


def test_a_vm_that_runs_is_not_exported(vc: VCenter, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"poweredOn.*off"):
        imported(vc, tmp_path, "running")
    assert ends(vc) == []


def test_a_standalone_host_is_exported_too(tmp_path: Path) -> None:
    (tmp_path / "0.vmdk").write_bytes(PACKED[0])
    vms = (Vm("web", (Disk(SIZES[0], tmp_path / "0.vmdk", controller="lsilogic"),)),)
    with vcenter(Inventory(vms, esxi=True), tls="self-signed") as esxi:
        imported(esxi, tmp_path, datacenter="ha-datacenter")
        assert written(tmp_path)[0] == RAW[0]
        assert (ends(esxi), list(esxi.sessions())) == (["completed"], [])


# What goes wrong


def fails(vc: VCenter, folder: Path, error: type[ThresherError], match: str, *, retryable: bool) -> ThresherError:
    with pytest.raises(error, match=match) as caught:
        imported(vc, folder)
    assert caught.value.retryable is retryable
    assert "/nfc/" not in str(caught.value), "the ticket in a URL opens the disk"
    assert not vc.leases()
    return caught.value


def then_succeeds(vc: VCenter, folder: Path) -> None:
    vc.faults()
    imported(vc, folder)
    assert written(folder) == list(RAW)
    assert ends(vc)[-1] == "completed"


def test_a_connection_cut_in_the_middle_is_worth_a_retry(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(cut_after=200_000, cut_times=1)
    fails(vc, tmp_path, StreamCut, "of web", retryable=True)
    assert ends(vc) == ["aborted"]
    then_succeeds(vc, tmp_path)


def test_a_stream_cut_at_its_very_beginning_is_worth_a_retry(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(cut_after=1, cut_times=1)
    fails(vc, tmp_path, SourceError, "of web", retryable=True)
    then_succeeds(vc, tmp_path)


def test_a_slow_link_outlives_the_lease_by_its_keep_alive(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(bytes_per_second=100_000, lease_seconds=3)
    imported(vc, tmp_path)
    assert written(tmp_path) == list(RAW)
    assert ends(vc) == ["completed"]
    assert 0 < vc.log().leases[0].progress < 100, "vCenter was told how far it is"
    assert vc.log().soap["HttpNfcLeaseProgress"] > 2


def test_progress_is_reported_no_longer_once_the_export_is_left(vc: VCenter) -> None:
    async def act(ex: Exporting) -> None:
        vc.faults(lease_seconds=3)
        async with ex.open("web"):
            await asyncio.sleep(1.8)
        told = vc.log().soap["HttpNfcLeaseProgress"]
        assert told
        await asyncio.sleep(1.8)
        assert vc.log().soap["HttpNfcLeaseProgress"] == told

    with_vcenter(vc, act)


def test_a_lease_without_progress_times_out_and_is_exported_again(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(bytes_per_second=250_000, lease_seconds=1, methods={"HttpNfcLeaseProgress": Fault("SystemError")})
    fails(vc, tmp_path, StreamCut, "lease timed out", retryable=True)
    assert ends(vc) == ["failed"]
    then_succeeds(vc, tmp_path)


def test_a_report_that_fails_once_does_no_harm(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(
        bytes_per_second=150_000, lease_seconds=4, methods={"HttpNfcLeaseProgress": Fault("SystemError", times=1)}
    )
    imported(vc, tmp_path)
    assert ends(vc) == ["completed"]


def test_a_lease_that_fails_at_once_says_why(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(lease_error_after=0)
    fails(vc, tmp_path, SourceUnreachable, "injected by the test", retryable=True)
    assert not vc.log().downloads
    then_succeeds(vc, tmp_path)


def test_a_lease_that_fails_in_the_middle_says_why(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(lease_error_after=400_000)
    fails(vc, tmp_path, StreamCut, "injected by the test", retryable=True)
    assert ends(vc) == ["failed"]
    then_succeeds(vc, tmp_path)


def test_a_session_that_expires_in_the_middle_takes_the_lease_with_it(vc: VCenter, tmp_path: Path) -> None:
    async def act(ex: Exporting) -> None:
        vc.faults(bytes_per_second=150_000)
        transfer = asyncio.create_task(ex.transfer("web", tmp_path))
        await until(lambda: bool(vc.log().streams.get("esx-1")))
        await asyncio.to_thread(vc.expire_sessions)
        with pytest.raises(StreamCut, match="session"):
            await transfer
        vc.faults()
        await ex.transfer("web", tmp_path)

    with_vcenter(vc, act)
    assert written(tmp_path) == list(RAW)
    assert ends(vc) == ["session ended", "completed"]


@pytest.mark.parametrize("calls", range(1, 10))
def test_a_session_that_expires_at_any_call_is_worth_a_retry(vc: VCenter, tmp_path: Path, calls: int) -> None:
    failed: list[SourceError] = []

    async def act(ex: Exporting) -> None:
        vc.faults(expire_after_calls=calls)
        try:
            await ex.transfer("web", tmp_path)
        except SourceError as error:
            failed.append(error)
            await ex.transfer("web", tmp_path)

    with_vcenter(vc, act)
    assert all(error.retryable for error in failed), failed
    assert written(tmp_path) == list(RAW)
    assert vc.leases() == []


@pytest.mark.parametrize("status", [401, 403, 404, 503])
def test_an_esxi_host_that_refuses_is_told_apart(vc: VCenter, tmp_path: Path, status: int) -> None:
    vc.faults(nfc_status=status)
    fails(vc, tmp_path, ANSWERS[status], "of web", retryable=ANSWERS[status].retryable)
    assert ends(vc) == ["aborted"]
    then_succeeds(vc, tmp_path)


def test_another_certificate_than_vcenter_states_is_not_trusted(vc: VCenter, tmp_path: Path) -> None:
    async def act(ex: Exporting) -> None:
        async with ex.open("web") as export:
            stated = vc.certificates()["esx-1"].thumbprint
            await asyncio.to_thread(vc.change_certificate, "esx-1")
            paths = {one.disk.key: tmp_path / one.disk.key for one in export.disks}
            with pytest.raises(SourceUntrusted, match=f"{stated} is pinned.*refresh it in vCenter"):
                await ThreadTransfer(Options(durable=False)).run(export, paths, lambda _: None)
            raise SourceUntrusted("the transfer failed")

    with pytest.raises(SourceUntrusted):
        with_vcenter(vc, act)
    assert not vc.log().downloads, "nothing was asked of a host that is not trusted"
    assert ends(vc) == ["aborted"]


def test_a_vcenter_in_trouble_while_the_lease_is_given_back_is_told_again(vc: VCenter) -> None:
    async def act(ex: Exporting) -> None:
        async with ex.open("web"):
            vc.faults(soap_status=503, soap_status_times=1)

    with_vcenter(vc, act)
    assert ends(vc) == ["completed"]


def test_a_missing_privilege_is_named(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(methods={"ExportVm": Fault("NoPermission")})
    fails(vc, tmp_path, SourceDenied, r"VApp\.Export", retryable=False)


def test_a_vm_that_another_task_holds_is_worth_a_retry(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(methods={"ExportVm": Fault("TaskInProgress", times=1)})
    fails(vc, tmp_path, SourceBusy, "TaskInProgress", retryable=True)
    then_succeeds(vc, tmp_path)


# Given back, whatever happens


def test_defect_13_a_download_that_failed_gives_the_lease_back_and_keeps_nothing_alive(vc: VCenter) -> None:
    async def failing(ex: Exporting) -> None:
        async with ex.open("web"):
            await asyncio.sleep(1.8)
            raise OSError("the disk is full")

    async def act(ex: Exporting) -> None:
        vc.faults(lease_seconds=3)
        with pytest.raises(OSError, match="full"):
            await failing(ex)
        told = vc.log().soap["HttpNfcLeaseProgress"]
        assert told, "it was kept alive until then"
        assert not vc.leases(), "the VM is still locked"
        await asyncio.sleep(1.8)
        assert vc.log().soap["HttpNfcLeaseProgress"] == told

    with_vcenter(vc, act)


def test_an_exception_in_the_middle_aborts(vc: VCenter) -> None:
    async def act(ex: Exporting) -> None:
        async with ex.open("web"):
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        with_vcenter(vc, act)
    assert ends(vc) == ["aborted"]
    assert vc.log().soap["HttpNfcLeaseAbort"] == 1
    assert "HttpNfcLeaseComplete" not in vc.log().soap


@pytest.mark.parametrize("moments", range(0, 16, 3))
def test_a_cancellation_at_any_moment_leaves_nothing(vc: VCenter, tmp_path: Path, moments: int) -> None:
    async def act(ex: Exporting) -> None:
        vc.faults(bytes_per_second=1_500_000)
        transfer = asyncio.create_task(ex.transfer("web", tmp_path))
        await asyncio.sleep(0.03 * moments)
        transfer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await transfer
        assert not vc.leases()
        assert not any(vc.log().streams.values())

    with_vcenter(vc, act)
    assert set(ends(vc)) <= {"aborted"}


class Interrupted(VCenterConnection):
    """Cancels a task while a request of its is under way."""

    victim: asyncio.Task[Any] | None = None
    requests = 0

    async def call(self, function: Callable[[Any], T]) -> T:
        self.requests -= 1
        if self.requests == 0 and self.victim is not None:
            asyncio.get_running_loop().call_soon(self.victim.cancel)
        return await super().call(function)


@pytest.mark.parametrize("request_number", range(1, 6))
def test_a_cancellation_during_any_request_leaves_nothing(vc: VCenter, request_number: int) -> None:
    async def run() -> None:
        async with Interrupted(connection(vc).access) as entered:
            opened = source(entered, ExportLimits())
            vm = (await inventory(opened))["web"]

            async def held() -> None:
                async with opened.export(vm, "import-1"):
                    pass

            entered.requests, entered.victim = request_number, asyncio.create_task(held())
            with suppress(asyncio.CancelledError):
                await entered.victim
            assert entered.requests <= 0, "there were so many requests"
            assert not vc.leases()

    asyncio.run(run())
    assert len(ends(vc)) == vc.log().soap.get("ExportVm", 0)


def test_a_cancellation_while_it_is_given_back_waits_for_that(vc: VCenter) -> None:
    async def act(ex: Exporting) -> None:
        async def leave() -> None:
            async with ex.open("web"):
                vc.faults(soap_status=503, soap_status_times=1)  # giving back takes a second

        leaving = asyncio.create_task(leave())
        await until(lambda: "ExportVm" in vc.log().soap)
        await asyncio.sleep(0.5)
        leaving.cancel()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert not vc.leases()

    with_vcenter(vc, act)


def test_the_vm_can_be_used_again_at_once(vc: VCenter, tmp_path: Path) -> None:
    vc.faults(cut_after=1000, cut_times=1)
    fails(vc, tmp_path, SourceError, "of web", retryable=True)
    imported(vc, tmp_path)


# Limits


def test_ten_exports_share_one_session_and_keep_within_the_limits(vc: VCenter, tmp_path: Path) -> None:
    sessions: list[int] = []

    async def act(ex: Exporting) -> None:
        vc.faults(bytes_per_second=2_000_000)
        names = [name for name in ex.vms if name.startswith("farm")]
        assert len(names) == 10
        transfers = [asyncio.create_task(ex.transfer(name, tmp_path)) for name in names]
        while not all(transfer.done() for transfer in transfers):
            sessions.append(len(await asyncio.to_thread(vc.sessions)))
            await asyncio.sleep(0.1)
        await asyncio.gather(*transfers)

    with_vcenter(vc, act, ExportLimits(per_source=3, per_host=2))
    assert set(sessions) == {1}
    log = vc.log()
    assert log.soap["Login"] == 1
    assert set(log.peak_streams) == {"esx-1", "esx-2"}
    assert max(log.peak_streams.values()) == 2
    assert sum(log.peak_streams.values()) >= 3
    assert ends(vc) == ["completed"] * 10
    assert {path.read_bytes() for path in tmp_path.glob("farm*.raw")} == set(RAW[:2])
    assert len(list(tmp_path.glob("farm*.raw"))) == 20


def test_an_export_that_waits_for_its_turn_can_be_cancelled_and_touches_nothing(vc: VCenter, tmp_path: Path) -> None:
    async def act(ex: Exporting) -> None:
        async with ex.open("farm-a-00001"):
            waiting = asyncio.create_task(ex.transfer("web", tmp_path))
            await asyncio.sleep(0.3)
            assert [lease.vm for lease in vc.leases()] == ["farm-a-00001"]
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await ex.transfer("web", tmp_path)

    with_vcenter(vc, act, ExportLimits(per_source=1, per_host=1))
    assert written(tmp_path) == list(RAW)


def test_an_export_that_is_stopped_does_not_wait_for_another(vc: VCenter, tmp_path: Path) -> None:
    async def act(ex: Exporting) -> None:
        async with ex.open("farm-a-00001") as other:
            source = other.disks[0].bytes
            assert source is not None
            vc.faults(bytes_per_second=1_000_000)
            stream = await asyncio.to_thread(source.open)
            stopped = asyncio.create_task(ex.transfer("web", tmp_path))
            await until(lambda: sum(vc.log().streams.values()) + len(vc.log().downloads) > 1)
            stopped.cancel()  # two of its disks wait in threads, while the other export reads on
            with pytest.raises(asyncio.CancelledError):
                await stopped
            stream.close()

    with_vcenter(vc, act, ExportLimits(per_source=2, per_host=2))


@pytest.mark.parametrize("limits", [(0, 1), (1, 0), (-1, 4)])
def test_a_limit_below_one_is_no_limit(limits: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        ExportLimits(*limits)
