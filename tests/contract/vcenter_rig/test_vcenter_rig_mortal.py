"""A vCenter that is killed forgets what a vCenter forgets, and nothing else."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyVmomi import vim

from rig.vcenter import POWERED_OFF, POWERED_ON, Disk, Inventory, MortalVCenter, VCenter, Vm
from rig.vcenter.client import connected, disks, find, finished, opened, ready
from rig.vcenter.samples import MIB, STREAM


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[MortalVCenter]:
    (tmp_path / "one.vmdk").write_bytes(STREAM)
    disk = Disk(8 * MIB, stream=tmp_path / "one.vmdk", content_id="c0ffee")
    vms = (*(Vm(name, disks=(disk,), power=POWERED_ON) for name in ("a", "b")), Vm("c", disks=(disk,)))
    made = MortalVCenter(Inventory(vms=vms), tmp_path / "vcenter")
    made.start()
    yield made
    made.kill()


def known(vc: VCenter) -> dict[str, tuple[str, str]]:
    return {machine.name: (machine.moref, machine.power) for machine in vc.machines()}


def test_vms_their_ids_and_power_and_the_authority_stay(mortal: MortalVCenter) -> None:
    authority = mortal.vc.ca_pem
    with connected(mortal.vc) as si:
        finished(find(si, "DC0/vm/a").PowerOffVM_Task())
        finished(find(si, "DC0/vm/c").PowerOnVM_Task())
    before = known(mortal.vc)
    assert [power for _, power in (before[name] for name in "abc")] == [POWERED_OFF, POWERED_ON, POWERED_ON]
    for _ in range(2):
        mortal.kill()
        mortal.start()
        assert known(mortal.vc) == before
    assert mortal.vc.ca_pem == authority


def test_sessions_and_leases_end_with_it(mortal: MortalVCenter) -> None:
    with pytest.raises((OSError, vim.fault.NotAuthenticated)), connected(mortal.vc) as si:  # noqa: PT012 - to its end
        ready(find(si, "DC0/vm/c").ExportVm())
        assert len(mortal.vc.leases()) == 1
        mortal.kill()
        mortal.start()
        assert mortal.vc.leases() == []
        assert mortal.vc.sessions() == []
        find(si, "DC0/vm/c")


def test_a_disk_states_the_content_it_was_given(mortal: MortalVCenter) -> None:
    with connected(mortal.vc) as si:
        devices = find(si, "DC0/vm/c").config.hardware.device
        (disk,) = [device for device in devices if isinstance(device, vim.vm.device.VirtualDisk)]
        assert disk.backing.contentId == "c0ffee"


def test_a_download_under_way_is_cut_and_a_lease_times_out(mortal: MortalVCenter) -> None:
    mortal.vc.faults(bytes_per_second=len(STREAM) // 10)
    with connected(mortal.vc) as si:
        lease = ready(find(si, "DC0/vm/c").ExportVm())
        with opened(disks(lease)[0].url) as reply:
            reply.read(1)
            mortal.vc.cut()
            with pytest.raises((OSError, http.client.HTTPException)):
                reply.read()
        sent = mortal.vc.log().bytes
        assert 0 < sent < len(STREAM)
        mortal.vc.time_out_leases()
        assert lease.state == vim.HttpNfcLease.State.error
        assert isinstance(lease.error, vim.fault.Timedout)
