"""VMs that really run: a boot sector speaks over COM1, from the very disk that was imported."""

import asyncio
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thresher.model.errors import BootError, TargetError
from thresher.model.spec import ImportSpec
from thresher.model.units import Bytes, MiB
from thresher.model.vm import Bus, CpuTopology, Disk, Firmware, FirmwareType, Network, Nic, SourceVM
from thresher.targets.local import LocalTarget

SPEC = ImportSpec("default", "boot", str(uuid.UUID(int=1)), "Boot Me")
PATIENCE_S = 120.0

HALT = b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp hlt


def boot_sector(words: str, then: bytes = HALT) -> bytes:
    """A PC boot sector (real mode, at 0x7c00) that writes ``words`` to COM1 and then runs ``then``."""
    code = bytearray(
        b"\xfa\x31\xc0\x8e\xd8"  # cli; xor ax,ax; mov ds,ax
        b"\xbe\x00\x00"  # mov si,message
        b"\xac\x84\xc0\x74\x10"  # lodsb; test al,al; jz done
        b"\x88\xc3"  # mov bl,al
        b"\xba\xfd\x03\xec\xa8\x20\x74\xfb"  # mov dx,0x3fd; wait: in al,dx; test al,0x20; jz wait
        b"\xb2\xf8\x88\xd8\xee"  # mov dl,0xf8; mov al,bl; out dx,al
    )
    loop = code.index(0xAC)
    code += b"\xeb" + ((loop - len(code) - 2) & 0xFF).to_bytes(1, "little")  # jmp next
    code[loop + 4] = len(code) - (loop + 5)
    code += then
    code[6:8] = (0x7C00 + len(code)).to_bytes(2, "little")
    code += words.encode("ascii") + b"\r\n\0"
    return bytes(code.ljust(510, b"\0")) + b"\x55\xaa"


def machine(bus: Bus, **changes: object) -> SourceVM:
    values: dict[str, object] = {
        "cpu": CpuTopology(2, 2),
        "memory": MiB(64),
        "smbios_uuid": "4c4c4544-0001-0002-8003-b4c04f564433",
        "disks": (Disk("d0", Bytes(1 << 20), bus),),
        "nics": (Nic("n0", Network("VM Network"), "52:54:00:00:00:01", "vmxnet3"),),
    }
    return SourceVM("Boot Me", **(values | changes))  # type: ignore[arg-type] # test data by keyword


@contextmanager
def imported(folder: Path, vm: SourceVM, *sectors: bytes) -> Iterator[LocalTarget]:
    """The VM with its disks written, created; whatever runs of it is stopped at the end."""
    target = LocalTarget(folder)
    for index, sector in enumerate(sectors):
        with target.disk_path(SPEC, vm, index).open("wb") as disk:
            disk.write(sector)
            disk.truncate(1 << 20)
    asyncio.run(target.create_vm(SPEC, vm))
    try:
        yield target
    finally:
        asyncio.run(target.stop_vm(SPEC, vm))


@pytest.mark.parametrize("bus", [Bus.VIRTIO, Bus.SATA, Bus.SCSI, Bus.USB])
def test_a_vm_boots_from_its_own_disk_on_every_bus(tmp_path: Path, bus: Bus) -> None:
    vm, marker = machine(bus), f"HELLO-{bus.value}-{uuid.uuid4()}"
    with imported(tmp_path, vm, boot_sector(marker)) as target:
        assert not asyncio.run(target.vm_state(SPEC, vm)).running
        asyncio.run(target.start_vm(SPEC, vm))
        assert marker in asyncio.run(target.prove_boot(SPEC, vm, marker, PATIENCE_S))

        later = LocalTarget(tmp_path)  # knows nothing but the folder, as a later process does
        state = asyncio.run(later.vm_state(SPEC, vm))
        assert state.exists
        assert state.running
        assert marker in state.message

        asyncio.run(later.stop_vm(SPEC, vm))
        state = asyncio.run(target.vm_state(SPEC, vm))
        assert not state.running
        assert "ran and ended" in state.message
        assert marker in state.message


def test_the_source_boot_order_decides_which_disk_boots(tmp_path: Path) -> None:
    disks = tuple(Disk(f"d{i}", Bytes(1 << 20), Bus.SATA, unit=i, boot_order=2 - i) for i in range(2))
    vm = machine(Bus.SATA, disks=disks)
    with imported(tmp_path, vm, boot_sector("I AM DISK 0"), boot_sector("I AM DISK 1")) as target:
        asyncio.run(target.start_vm(SPEC, vm))
        assert asyncio.run(target.prove_boot(SPEC, vm, "DISK 1", PATIENCE_S)) == "I AM DISK 1"


def test_starting_twice_is_starting_once(tmp_path: Path) -> None:
    vm = machine(Bus.VIRTIO)
    with imported(tmp_path, vm, boot_sector("once")) as target:
        asyncio.run(target.start_vm(SPEC, vm))
        first = (target.home(SPEC, vm) / "qemu.pid").read_text()
        asyncio.run(target.start_vm(SPEC, vm))
        assert (target.home(SPEC, vm) / "qemu.pid").read_text() == first


def test_a_guest_that_reboots_itself_after_speaking_has_run(tmp_path: Path) -> None:
    vm = machine(Bus.SATA)
    reset = b"\xb0\xfe\xe6\x64\xf4"  # mov al,0xfe; out 0x64,al: the keyboard controller's reset line
    with imported(tmp_path, vm, boot_sector("goodbye", reset)) as target:
        asyncio.run(target.start_vm(SPEC, vm))
        assert asyncio.run(target.prove_boot(SPEC, vm, "goodbye", PATIENCE_S)) == "goodbye"
        while asyncio.run(target.vm_state(SPEC, vm)).running:
            time.sleep(0.05)
        assert asyncio.run(target.vm_state(SPEC, vm)).message == "ran and ended, console said: goodbye"
        with pytest.raises(BootError, match=r"ended before it said 'more'.*goodbye"):
            asyncio.run(target.prove_boot(SPEC, vm, "more", PATIENCE_S))


def test_a_disk_that_does_not_boot_gives_no_sign_of_life(tmp_path: Path) -> None:
    vm = machine(Bus.VIRTIO)
    with imported(tmp_path, vm, bytes(512)) as target:
        asyncio.run(target.start_vm(SPEC, vm))
        with pytest.raises(BootError, match="said nothing"):
            asyncio.run(target.prove_boot(SPEC, vm, None, 1.5))


def test_efi_firmware_alone_is_no_sign_of_life(tmp_path: Path) -> None:
    vm = machine(Bus.SATA, firmware=Firmware(FirmwareType.EFI), memory=MiB(256))
    with imported(tmp_path, vm, bytes(512)) as target:
        asyncio.run(target.start_vm(SPEC, vm))
        while b"startup.nsh" not in target.console_path(SPEC, vm).read_bytes():
            time.sleep(0.05)  # nothing boots, so the firmware tries the disk and ends in its shell
        with pytest.raises(BootError, match="said nothing"):
            asyncio.run(target.prove_boot(SPEC, vm, None, 1.0))
        assert (target.home(SPEC, vm) / "efi-vars.fd").is_file()


def test_qemu_says_in_its_own_words_why_it_did_not_start(tmp_path: Path) -> None:
    vm = machine(Bus.SATA, nics=(Nic("n0", None, "not-a-mac"),))
    with imported(tmp_path, vm, boot_sector("never")) as target:
        with pytest.raises(BootError, match="not-a-mac"):
            asyncio.run(target.start_vm(SPEC, vm))
        state = asyncio.run(LocalTarget(tmp_path).vm_state(SPEC, vm))
        assert not state.running
        assert "not-a-mac" in state.message


def test_qemu_takes_every_bus_and_nic_model_at_once(tmp_path: Path) -> None:
    buses = [Bus.SATA] * 7 + [Bus.SCSI] * 2 + [Bus.USB] * 2 + [Bus.VIRTIO] * 2
    disks = tuple(Disk(f"d{i}", Bytes(1 << 20), bus) for i, bus in enumerate(buses))
    models = ["vmxnet3", "e1000", "e1000e", "pcnet32", "rtl8139", "ne2k_pci"]
    nics = tuple(Nic(f"n{i}", None, f"52:54:00:00:00:0{i}", model) for i, model in enumerate(models))
    vm = machine(Bus.SATA, disks=disks, nics=nics)
    with imported(tmp_path, vm, boot_sector("all there"), *[bytes(512)] * 12) as target:
        asyncio.run(target.start_vm(SPEC, vm))
        assert asyncio.run(target.prove_boot(SPEC, vm, None, PATIENCE_S)) == "all there"


def test_secure_boot_comes_up_in_system_management_mode(tmp_path: Path) -> None:
    secure = Firmware(FirmwareType.EFI, secure_boot=True, tpm=True)
    vm = machine(Bus.SATA, firmware=secure, memory=MiB(256))
    with imported(tmp_path, vm, bytes(512)) as target:
        asyncio.run(target.start_vm(SPEC, vm))
        while b"BdsDxe" not in target.console_path(SPEC, vm).read_bytes():
            time.sleep(0.05)  # the firmware refuses to come so far without SMM
        assert "without its TPM" in asyncio.run(target.vm_state(SPEC, vm)).message


def test_a_pid_of_another_process_is_not_taken_for_the_vm(tmp_path: Path) -> None:
    vm = machine(Bus.SATA)
    with imported(tmp_path, vm, boot_sector("never")) as target:
        (target.home(SPEC, vm) / "qemu.pid").write_text(f"{os.getpid()}\n")
        assert not asyncio.run(target.vm_state(SPEC, vm)).running
        asyncio.run(target.stop_vm(SPEC, vm))  # or it would end this test run


def test_without_a_disk_nothing_is_created(tmp_path: Path) -> None:
    vm, target = machine(Bus.SATA), LocalTarget(tmp_path)
    with pytest.raises(TargetError, match=r"disk-0\.raw"):
        asyncio.run(target.create_vm(SPEC, vm))
    assert not asyncio.run(target.vm_state(SPEC, vm)).exists
