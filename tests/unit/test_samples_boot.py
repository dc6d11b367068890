import struct
import subprocess
import time
from pathlib import Path

import pytest

from thresher.samples.boot import DEMO_TAG, GREETING, PARTITION_START, boot_sector


def test_it_is_a_boot_sector_with_one_active_partition() -> None:
    sector = boot_sector("m", disk_sectors=1 << 21)
    assert len(sector) == 512
    assert sector[510:] == b"\x55\xaa"
    entries = [sector[446 + 16 * n : 462 + 16 * n] for n in range(4)]
    assert entries[0][0] == 0x80
    assert struct.unpack_from("<II", entries[0], 8) == (PARTITION_START, (1 << 21) - PARTITION_START)
    assert entries[1:] == [bytes(16)] * 3


def test_the_longest_marker_that_fits_leaves_the_partition_table_alone() -> None:
    plain = boot_sector("m")
    longest = max(n for n in range(446) if _fits("x" * n))
    assert longest > 200
    assert boot_sector("x" * longest)[446:] == plain[446:]
    with pytest.raises(ValueError, match="1 too long"):
        boot_sector("x" * (longest + 1))


def _fits(marker: str) -> bool:
    try:
        boot_sector(marker)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("marker", ["höher", "line\nbreak", "\0"])
def test_a_marker_that_a_console_could_not_show_is_refused(marker: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        boot_sector(marker)


@pytest.mark.parametrize("sectors", [PARTITION_START, 1 << 32])
def test_a_disk_that_an_mbr_cannot_describe_is_refused(sectors: int) -> None:
    with pytest.raises(ValueError, match="sectors"):
        boot_sector("m", disk_sectors=sectors)


def test_it_boots_and_says_so_on_the_serial_console(tmp_path: Path) -> None:
    disk, log = tmp_path / "disk.raw", tmp_path / "serial.log"
    disk.write_bytes(boot_sector("marker-1234").ljust(1 << 20, b"\0"))
    drive = f"file={disk},format=raw,if=virtio"
    machine = ["-accel", "tcg", "-M", "q35", "-m", "64", "-display", "none", "-no-reboot", "-net", "none"]
    command = ["qemu-system-x86_64", *machine, "-serial", f"file:{log}", "-drive", drive]
    with subprocess.Popen(command) as vm:  # noqa: S603 -- our own machine
        try:
            while vm.poll() is None and not _text(log).endswith("marker-1234\r\n"):
                time.sleep(0.05)  # pytest's time-out ends a machine that never speaks
        finally:
            vm.terminate()
    assert f"{GREETING}\r\n{DEMO_TAG} marker-1234\r\n" in _text(log)


def _text(log: Path) -> str:
    return log.read_bytes().decode("ascii", "replace") if log.exists() else ""
