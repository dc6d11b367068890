"""The local target as far as it needs no running VM, and what a console's bytes mean."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from rig.source_vms import LINUX_BIOS, LINUX_EFI, ODD_NAME, SIX_DISKS, SPEC, WINDOWS
from thresher.model.errors import BootError, TargetError, UsageError
from thresher.model.spec import DiskMode, ImportSpec
from thresher.model.vm import SourceVM
from thresher.ports import Target
from thresher.targets.local import LocalTarget, qemu
from thresher.targets.local.console import console_text, last_words, wait_for_console


def with_disks(folder: Path, vm: SourceVM) -> LocalTarget:
    target = LocalTarget(folder)
    for index in range(len(vm.disks)):
        with target.disk_path(SPEC, vm, index).open("wb") as disk:
            disk.truncate(1 << 20)
    return target


def test_it_is_a_target(tmp_path: Path) -> None:
    target: Target = LocalTarget(tmp_path)  # mypy holds it to the port
    assert target.disk_path(SPEC, LINUX_BIOS, 0) == tmp_path / "web" / "disk-0.raw"
    assert (tmp_path / "web").is_dir()


def test_every_disk_has_a_file_of_its_own_in_the_vms_folder(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path)
    paths = {target.disk_path(SPEC, SIX_DISKS, index) for index in range(6)}
    assert paths == {tmp_path / "storage" / f"disk-{index}.raw" for index in range(6)}


def test_defect_17_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    assert LocalTarget(tmp_path).home(SPEC, ODD_NAME).parent == tmp_path
    asked = ImportSpec("prod", "i", "u", "web", target_name="../../etc")
    with pytest.raises(UsageError):
        LocalTarget(tmp_path).disk_path(asked, LINUX_BIOS, 0)


def test_creating_writes_what_harvester_and_libvirt_would_get_and_twice_is_once(tmp_path: Path) -> None:
    target = with_disks(tmp_path, SIX_DISKS)
    asyncio.run(target.create_vm(SPEC, SIX_DISKS))
    home = tmp_path / "storage"
    first = {path.name: path.read_bytes() for path in home.iterdir()}
    assert set(first) == {*(f"disk-{i}.raw" for i in range(6)), "domain.xml", "import.json", "manifests.yaml"}
    kinds = [made["kind"] for made in yaml.safe_load_all(first["manifests.yaml"])]
    assert kinds == ["VirtualMachineImage"] * 5 + ["VirtualMachine"]  # the sixth disk is blank
    assert b"disk-5.raw" in first["domain.xml"]

    asyncio.run(target.create_vm(SPEC, SIX_DISKS))
    assert {path.name: path.read_bytes() for path in home.iterdir()} == first
    assert asyncio.run(target.vm_state(SPEC, SIX_DISKS)).exists


def test_with_disk_mode_volume_the_manifests_have_volumes_in_place_of_images(tmp_path: Path) -> None:
    target = with_disks(tmp_path, SIX_DISKS)
    asyncio.run(target.create_vm(replace(SPEC, disk_mode=DiskMode.VOLUME), SIX_DISKS))
    made = list(yaml.safe_load_all((tmp_path / "storage" / "manifests.yaml").read_bytes()))
    assert [each["kind"] for each in made] == ["PersistentVolumeClaim"] * 6 + ["VirtualMachine"]
    used = [volume["persistentVolumeClaim"]["claimName"] for volume in made[6]["spec"]["template"]["spec"]["volumes"]]
    assert used == [claim["metadata"]["name"] for claim in made[:6]]


def test_a_vm_that_was_never_started_says_so(tmp_path: Path) -> None:
    target = with_disks(tmp_path, LINUX_BIOS)
    state = asyncio.run(target.vm_state(SPEC, LINUX_BIOS))
    assert (state.exists, state.running, state.message) == (False, False, "not started")
    asyncio.run(target.stop_vm(SPEC, LINUX_BIOS))  # nothing to do


def test_a_folder_that_cannot_be_made_is_the_targets_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match=r"cannot be made"):
        LocalTarget(tmp_path / "file").disk_path(SPEC, LINUX_BIOS, 0)


def test_a_missing_qemu_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = with_disks(tmp_path, LINUX_BIOS)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetError, match="package qemu-system-x86"):
        asyncio.run(target.start_vm(SPEC, LINUX_BIOS))


@pytest.mark.parametrize("vm", [LINUX_EFI, WINDOWS], ids=["efi", "secure-boot"])
def test_missing_efi_firmware_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vm: SourceVM) -> None:
    target = with_disks(tmp_path, vm)
    monkeypatch.setattr(qemu, "_OVMF", tmp_path)
    with pytest.raises(TargetError, match="package ovmf"):
        asyncio.run(target.start_vm(SPEC, vm))


def console(folder: Path, raw: bytes) -> Path:
    path = folder / "console.log"
    path.write_bytes(raw)
    return path


def test_a_console_is_read_without_its_terminal_control(tmp_path: Path) -> None:
    path = console(tmp_path, b"\x1b[2J\x1b[01;01H\x1b[=3hlogin:\x1b[0m \r\n\x07root\xff\r\n\r\n")
    assert console_text(path) == "login:\nroot\ufffd"


def test_the_words_of_efi_firmware_are_not_the_guests(tmp_path: Path) -> None:
    said = b'BdsDxe: loading Boot0001 "UEFI QEMU HARDDISK" from PciRoot(0x0)\r\n>>Start PXE over IPv4.\r\n'
    assert console_text(console(tmp_path, said)) == ""
    assert console_text(console(tmp_path, said + b"Linux version 6.1\r\n")) == "Linux version 6.1"


def test_a_marker_may_look_like_firmware(tmp_path: Path) -> None:
    path = console(tmp_path, b"Press any key to continue\r\n")
    assert asyncio.run(wait_for_console(path, "any key", 60, lambda: False)) == "Press any key to continue"


def test_no_console_is_no_words(tmp_path: Path) -> None:
    assert console_text(tmp_path / "none") == ""
    assert last_words(tmp_path / "none") == ""


def test_only_the_end_of_a_long_console_is_told(tmp_path: Path) -> None:
    path = console(tmp_path, b"".join(b"line %d\n" % number for number in range(300_000)))
    assert last_words(path) == "line 299997 / line 299998 / line 299999"


def test_a_vm_that_spoke_and_ended_gave_its_sign_of_life(tmp_path: Path) -> None:
    path = console(tmp_path, b"BOOT-OK\n")
    assert asyncio.run(wait_for_console(path, "BOOT-OK", 60, lambda: False)) == "BOOT-OK"
    assert asyncio.run(wait_for_console(path, None, 60, lambda: False)) == "BOOT-OK"


def test_waiting_ends_with_what_was_said_instead(tmp_path: Path) -> None:
    path = console(tmp_path, b"kernel panic\n")
    with pytest.raises(BootError, match=r"ended before it said 'login'.*kernel panic"):
        asyncio.run(wait_for_console(path, "login", 60, lambda: False))
    with pytest.raises(BootError, match=r"did not say 'login'.*within 0 s.*kernel panic"):
        asyncio.run(wait_for_console(path, "login", 0, lambda: True))
