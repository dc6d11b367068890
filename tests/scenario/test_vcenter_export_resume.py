"""An export that is done again goes on where it stopped only if the disk is what it was."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from pyVmomi import vim

from rig.disks import noise
from rig.vcenter import Disk, Inventory, VCenter, Vm, vcenter
from rig.vcenter.client import connected, find, finished, until
from rig.vcenter_source import connection, inventory, source
from rig.vmdk import Header, in_grains, stream
from thresher.model.errors import StreamCut
from thresher.model.units import MIB, SECTOR
from thresher.ports import DiskResult
from thresher.sources.vcenter.limits import ExportLimits
from thresher.sources.vcenter.properties import read
from thresher.transfer.disk import Options
from thresher.transfer.disks import ThreadTransfer
from thresher.transfer.pipeline import Pace

SIZE = 8 * MIB
BEFORE, AFTER = (noise(SIZE, seed) for seed in (1, 2))


def packed(raw: bytes) -> bytes:
    return stream(Header(SIZE // SECTOR), in_grains(raw))


@dataclass(frozen=True)
class Lab:
    """A simulator with one VM, whose disk's stream is in a file."""

    vc: VCenter
    stream: Path
    target: Path

    def guest_writes(self, raw: bytes, content_id: str) -> None:
        """Give the disk other content, and with it another content id, as running the VM does."""
        self.stream.write_bytes(packed(raw))
        with connected(self.vc) as si:
            machine = find(si, "DC0/vm/web")
            disk = next(d for d in machine.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk))
            self._make_file(si, disk.backing.fileName)
            disk.backing.contentId = content_id
            edit = vim.vm.device.VirtualDeviceSpec(operation="edit", device=disk)
            finished(machine.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[edit])))

    def _make_file(self, si: vim.ServiceInstance, name: str) -> None:
        """The simulator changes no disk without a file, and makes none for the disks it begins with."""
        spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
            capacityKb=SIZE // 1024, diskType="thin", adapterType="lsiLogic"
        )
        manager = si.content.virtualDiskManager
        task = manager.CreateVirtualDisk_Task(name=name, datacenter=find(si, "DC0"), spec=spec)
        until(lambda: read(si, task, "info.state")["info.state"] in ("success", "error"))  # there it is, or was

    def imported(self) -> DiskResult:
        async def run() -> DiskResult:
            async with connection(self.vc) as entered:
                opened = source(entered, ExportLimits())
                vm = (await inventory(opened))["web"]
                async with opened.export(vm, "import-1") as export:
                    paths = {vm.disks[0].key: self.target}
                    return (await ThreadTransfer(Options()).run(export, paths, lambda _: None))[vm.disks[0].key]

        return asyncio.run(run())

    def cut(self) -> None:
        """An attempt that ends in the middle, after some of it was made durable."""
        self.vc.faults(cut_after=6 * MIB, cut_times=1, bytes_per_second=8 * MIB)
        with pytest.raises(StreamCut):
            self.imported()
        self.vc.faults()

    def version(self) -> str:
        async def run() -> str:
            async with connection(self.vc) as entered:
                opened = source(entered, ExportLimits())
                async with opened.export((await inventory(opened))["web"], "import-1") as export:
                    found = export.disks[0].bytes
                    assert found is not None
                    assert not found.seekable
                    assert found.size is None
                    return found.version

        return asyncio.run(run())


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setattr("thresher.transfer.pipeline.Pace", partial(Pace, bytes=MIB))  # disks here are small
    (tmp_path / "disk.vmdk").write_bytes(packed(BEFORE))
    with vcenter(Inventory((Vm("web", (Disk(SIZE, tmp_path / "disk.vmdk"),)),))) as vc:
        yield Lab(vc, tmp_path / "disk.vmdk", tmp_path / "disk.raw")
        assert not vc.leases()
        assert not vc.sessions()


def test_a_disk_of_the_same_content_id_is_gone_on_with(lab: Lab) -> None:
    lab.guest_writes(BEFORE, "c0ffee")
    lab.cut()
    mark = bytes([BEFORE[0] ^ 0xFF])
    with lab.target.with_name("disk.raw.part").open("r+b") as part:
        part.write(mark)
    result = lab.imported()
    assert lab.target.read_bytes() == mark + BEFORE[1:], "what was durable is not written again"
    assert result.read == len(packed(BEFORE)), "a host sends everything, whoever needs it"


def test_a_disk_that_was_written_to_meanwhile_starts_over(lab: Lab) -> None:
    lab.guest_writes(BEFORE, "c0ffee")
    lab.cut()
    lab.guest_writes(AFTER, "decade")
    result = lab.imported()
    assert lab.target.read_bytes() == AFTER
    assert result.read == len(packed(AFTER))


def test_without_a_content_id_nothing_is_gone_on_with(lab: Lab) -> None:
    assert lab.version() == ""
    lab.cut()
    lab.stream.write_bytes(packed(AFTER))
    assert lab.imported().read == len(packed(AFTER))
    assert lab.target.read_bytes() == AFTER


def test_a_version_names_the_content_and_who_packs_it(lab: Lab) -> None:
    lab.guest_writes(BEFORE, "c0ffee")
    first = lab.version()
    assert first == lab.version()
    assert "c0ffee" in first
    lab.guest_writes(BEFORE, "decade")
    assert lab.version() != first
