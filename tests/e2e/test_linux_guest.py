"""A real Linux survives the way: disk, stream-optimized VMDK, OVA over HTTP, ``thresher run``, console."""

import time
from pathlib import Path
from secrets import token_hex

import pytest

from rig import cli, disks, linux, vmware_ova
from rig.machines import no_machine_left
from rig.webserver import Faults, serve
from thresher.model.units import MIB, Bytes

MANIFESTS = """
apiVersion: migration.harvesterhci.io/v1beta1
kind: OvaSource
metadata:
  name: archive
  namespace: default
spec:
  url: {url}
---
apiVersion: migration.harvesterhci.io/v1beta1
kind: VirtualMachineImport
metadata:
  name: linux
  namespace: default
spec:
  virtualMachineName: {name}
  defaultDiskBusType: virtio
  sourceCluster:
    apiVersion: migration.harvesterhci.io/v1beta1
    kind: OvaSource
    name: archive
    namespace: default
"""


def manifests(folder: Path, url: str, name: str) -> Path:
    path = folder / "manifests.yaml"
    path.write_text(MANIFESTS.format(url=url, name=name))
    return path


def archive(folder: Path, name: str, raw: Path) -> Path:
    vmdk = disks.stream_vmdk(raw, folder / f"{name}.vmdk")
    return vmware_ova.pack(name, vmdk, Bytes(raw.stat().st_size), folder / f"{name}.ova")


def console(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in folder.rglob("console.log"))


def disk_of(folder: Path) -> Path:
    (path,) = folder.rglob("disk-0.raw")
    return path


def wait_for(text: str, folder: Path) -> str:
    """What the console says, once it says ``text``; else what it said until the guest had had time enough."""
    for _ in range(600):
        if text in console(folder):
            break
        time.sleep(0.1)
    return console(folder)


def test_linux_reaches_its_marker_on_a_virtio_disk(tmp_path: Path) -> None:
    guest = linux.build(tmp_path, token_hex(8))
    out = tmp_path / "out"
    image = archive(tmp_path, "penguin", guest.path)
    with serve(image.parent) as web, no_machine_left(out):
        wanted = manifests(tmp_path, web.url + "penguin.ova", "penguin")
        outcome = cli.run("run", "-f", wanted, "--to", out, "--boot", timeout=300)
        assert outcome.code == 0, outcome.err + outcome.out
        assert "virtualMachineRunning" in outcome.out + outcome.err
        assert guest.marker in wait_for("login:", out)
    assert disks.difference(disk_of(out), guest.path) == ""


@pytest.mark.parametrize("ranges", [True, False], ids=["Range", "no Range"])
def test_killed_run_goes_on(ranges: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """Killed in the middle, the same command goes on from what is safely written, and the bytes are right."""
    raw = tmp_path / "disk.raw"
    raw.write_bytes(disks.noise(48 * MIB, 51))
    out = tmp_path / "out"
    image = archive(tmp_path, "penguin", raw)
    size = image.stat().st_size
    with serve(image.parent, faults=Faults(ranges=ranges, rate=6 * MIB)) as web:
        wanted = manifests(tmp_path, web.url + "penguin.ova", "penguin")
        with cli.started("run", "-f", wanted, "--to", out) as process:
            while web.sent < size * 2 // 3:
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.02)
            process.kill()
        assert not list(out.rglob("disk-0.raw")), "half a disk under a finished disk's name"
        web.faults, before = Faults(ranges=ranges), web.sent
        outcome = cli.run("run", "-f", wanted, "--to", out)
        assert outcome.code == 0, outcome.err
        if ranges:
            assert web.sent - before < size * 3 // 4, "it read again what was written before"
    assert disks.difference(disk_of(out), raw) == ""


def test_finished_run_done_again_reads_no_disk(tmp_path: Path) -> None:
    raw = disks.raw_disk("random", tmp_path)
    image = archive(tmp_path, "penguin", raw)
    out = tmp_path / "out"
    with serve(image.parent) as web:
        wanted = manifests(tmp_path, web.url + "penguin.ova", "penguin")
        assert cli.run("run", "-f", wanted, "--to", out).code == 0
        before = web.sent
        assert cli.run("run", "-f", wanted, "--to", out).code == 0
        assert web.sent - before < image.stat().st_size // 2
    assert disks.difference(disk_of(out), raw) == ""
