"""From a vCenter to a running VM by the command line, against the simulator over TLS."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rig import cli, disks
from rig.machines import no_machine_left
from rig.vcenter import POWERED_OFF, POWERED_ON, Datacenter, Disk, Inventory, Nic, Shutdown, VCenter, Vm, vcenter
from rig.vcenter.client import until
from rig.vcenter_source import source_manifests
from thresher.formats.vmdk import write_stream
from thresher.model.units import MIB, Bytes
from thresher.samples.disk import sample_disk

INTERRUPTED = 130
CAPACITY = Bytes(64 * MIB)
SECOND = Bytes(32 * MIB)
MARKER = "came from the vCenter"

IMPORT = """
---
apiVersion: migration.harvesterhci.io/v1beta1
kind: VirtualMachineImport
metadata: {{name: {name}}}
spec:
  virtualMachineName: "{vm}"
  gracefulShutdownTimeoutSeconds: 2
  networkMapping: [{{sourceNetwork: VM Network, destinationNetwork: default/vlan1}}]
  sourceCluster: {{apiVersion: "migration.harvesterhci.io/v1beta1", kind: VmwareSource, name: vcenter}}
"""


@pytest.fixture(scope="module")
def streams(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("streams")
    boot, data = folder / "boot.vmdk", folder / "data.vmdk"
    extents = sample_disk(CAPACITY, 1, marker=MARKER, data=Bytes(8 * MIB))
    boot.write_bytes(b"".join(write_stream(extents, CAPACITY)))
    data.write_bytes(b"".join(write_stream(sample_disk(SECOND, 2, data=Bytes(4 * MIB)), SECOND)))
    return boot, data


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def machine(name: str, streams: tuple[Path, Path], **more: object) -> Vm:
    boot, data = streams
    held = (Disk(CAPACITY, stream=boot, controller="ahci"), Disk(SECOND, stream=data, controller="lsilogic"))
    return Vm(name, disks=held, nics=(Nic(),), **more)  # type: ignore[arg-type]  # the fields of Vm


def manifests(folder: Path, vc: VCenter, *names: str, ca: bool = True, password: str = "") -> Path:
    path = folder / "manifests.yaml"
    text = source_manifests(vc, ca=ca, password=password)
    path.write_text(text + "".join(IMPORT.format(name=f"i{n}", vm=name) for n, name in enumerate(names)))
    return path


def nothing_left(vc: VCenter) -> bool:
    vms = [machine.name for machine in vc.machines()]
    return not vc.leases() and not vc.sessions() and not any(vc.snapshots(vm) for vm in vms)


@pytest.fixture
def running(streams: tuple[Path, Path]) -> Iterator[VCenter]:
    vms = (machine("web", streams, power=POWERED_ON), machine("db", streams, power=POWERED_OFF))
    with vcenter(Inventory(vms=vms, datacenters=(Datacenter(),))) as vc:
        yield vc


def test_a_running_vm_is_shut_down_exported_and_runs_here(
    running: VCenter, streams: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with no_machine_left(out):
        wanted = manifests(tmp_path, running, "web")
        outcome = cli.run("run", "-f", wanted, "--to", out, "--boot", "--output", "json")
        (result,) = outcome.json
        assert result["status"] == "virtualMachineRunning"
        assert MARKER in result["console"]
        assert "clusterReady" in outcome.err
    assert running.power("web") == POWERED_OFF, "the VM runs at the destination: it must not run twice"
    assert nothing_left(running)
    for stream, raw in zip(streams, ("disk-0.raw", "disk-1.raw"), strict=True):
        truth = disks.reference(stream, tmp_path / f"truth-{raw}")
        got = out / "web" / raw
        if raw == "disk-1.raw":  # the guest boots from the other one, which it may write to
            assert disks.difference(got, truth) == ""
        assert got.stat().st_size == truth.stat().st_size
    assert running.password not in outcome.err + outcome.out


def test_a_vm_that_was_off_is_not_started_unless_asked(running: VCenter, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (result,) = cli.run("run", "-f", manifests(tmp_path, running, "db"), "--to", out, "--output", "json").json
    assert result["status"] == "virtualMachineCreated"
    assert "runStrategy: Halted" in (out / "db" / "manifests.yaml").read_text()
    assert running.power("db") == POWERED_OFF
    assert nothing_left(running)


def test_a_failed_import_switches_the_source_on_again(running: VCenter, tmp_path: Path) -> None:
    running.faults(nfc_status=404)
    out = tmp_path / "out"
    outcome = cli.run("run", "-f", manifests(tmp_path, running, "web"), "--to", out)
    assert outcome.code == 4
    assert "VMMigrationFailed" in outcome.out
    assert running.power("web") == POWERED_ON
    assert nothing_left(running)
    assert not list(out.rglob("disk-*.raw"))


def test_a_cut_connection_is_taken_up_again(running: VCenter, tmp_path: Path) -> None:
    running.faults(cut_after=2_000_000, cut_times=1)
    (result,) = cli.run(
        "run", "-f", manifests(tmp_path, running, "db"), "--to", tmp_path / "out", "--output", "json"
    ).json
    assert result["status"] == "virtualMachineCreated"
    assert nothing_left(running)


def test_a_guest_that_never_shuts_down_is_switched_off(streams: tuple[Path, Path], tmp_path: Path) -> None:
    stubborn = machine("stubborn", streams, power=POWERED_ON, shutdown=Shutdown(never=True))
    with vcenter(Inventory(vms=(stubborn,))) as vc:
        outcome = cli.run("run", "-f", manifests(tmp_path, vc, "stubborn"), "--to", tmp_path / "out")
        assert outcome.code == 0, outcome.err + outcome.out
        assert vc.power("stubborn") == POWERED_OFF
        assert nothing_left(vc)


@pytest.mark.parametrize("moment", ["look", "shut-down", "off", "lease", "stream", "second-disk"])
def test_ctrl_c_at_any_moment_leaves_the_source_as_it_was(
    moment: str, streams: tuple[Path, Path], tmp_path: Path
) -> None:
    slow = machine("slow", streams, power=POWERED_ON, shutdown=Shutdown(seconds=1))
    out = tmp_path / "out"
    with vcenter(Inventory(vms=(slow,))) as vc:
        vc.faults(bytes_per_second=(2 if moment == "second-disk" else 8) * MIB)
        reached: dict[str, Callable[[], object]] = {
            "look": vc.sessions,
            "shut-down": lambda: vc.log().soap.get("ShutdownGuest"),
            "off": lambda: vc.power("slow") == POWERED_OFF,
            "lease": vc.leases,
            "stream": lambda: any(vc.log().streams.values()),
            "second-disk": lambda: vc.log().downloads,
        }
        with cli.started("run", "-f", manifests(tmp_path, vc, "slow"), "--to", out) as process:
            until(lambda: bool(reached[moment]()))
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == INTERRUPTED
        assert vc.power("slow") == POWERED_ON
        assert nothing_left(vc)
        assert not list(out.rglob("disk-*.raw")), "a copy of a VM that runs again is stale"


def test_a_suspended_import_says_so_and_touches_nothing(running: VCenter, tmp_path: Path) -> None:
    wanted = manifests(tmp_path, running, "web")
    wanted.write_text(wanted.read_text().replace("spec:\n  virtual", "spec:\n  suspend: true\n  virtual"))
    outcome = cli.run("run", "-f", wanted, "--to", tmp_path / "out")
    assert outcome.code == 2
    assert "Set spec.suspend to false" in outcome.out + outcome.err
    assert running.power("web") == POWERED_ON
    assert nothing_left(running)


def test_many_imports_share_one_session(streams: tuple[Path, Path], tmp_path: Path) -> None:
    names = [f"vm{number}" for number in range(10)]
    with vcenter(Inventory(vms=tuple(machine(name, streams) for name in names))) as vc:
        vc.faults(bytes_per_second=4 * MIB)  # so slow that several disks are read at once, if they may
        wanted, limits = manifests(tmp_path, vc, *names), ("--imports", "10", "--disks-per-source", "3")
        outcome = cli.run("run", "-f", wanted, "--to", tmp_path / "out", *limits, "--output", "json")
        assert {result["status"] for result in outcome.json} == {"virtualMachineCreated"}
        assert vc.log().soap["Login"] <= 2, "one for the look at the source, one for all imports"
        assert 1 < max(vc.log().peak_streams.values()) <= 3
        assert nothing_left(vc)


def test_inventory_and_check(running: VCenter, tmp_path: Path) -> None:
    wanted = manifests(tmp_path, running)
    listed = cli.run("inventory", "-f", wanted, "--output", "json").json
    assert sorted(vm["name"] for vm in listed) == ["db", "web"]
    assert {vm["name"]: vm["power"] for vm in listed} == {"db": "off", "web": "on"}
    assert "2 VMs" in cli.run("inventory", "-f", wanted).out
    assert cli.run("inventory", "-f", wanted, "--output", "csv").out.startswith("name,")
    (look,) = cli.run("check", "-f", wanted, "--output", "json").json
    assert (look["status"], look["fingerprint"]) == ("clusterReady", None)
    assert nothing_left(running)


def test_a_wrong_password_is_said_and_not_shown(running: VCenter, tmp_path: Path) -> None:
    wanted = manifests(tmp_path, running, "web", password="wr0ng-s3cret")
    for words in (("check", "-f", wanted), ("run", "-f", wanted, "--to", tmp_path / "out")):
        outcome = cli.run(*words)
        assert outcome.code == 4
        assert "clusterNotReady" in outcome.out
        assert "wr0ng-s3cret" not in outcome.out + outcome.err
    assert running.power("web") == POWERED_ON


def test_a_self_signed_certificate_is_pinned_and_a_changed_one_refused(
    streams: tuple[Path, Path], tmp_path: Path
) -> None:
    with vcenter(Inventory(vms=(machine("web", streams),)), tls="self-signed") as vc:
        wanted = manifests(tmp_path, vc, ca=False)
        (look,) = cli.run("check", "-f", wanted, "--output", "json").json
        assert look["status"] == "clusterReady"
        first = look["fingerprint"]
        assert first.replace(":", "").lower() == vc.fingerprint.replace(":", "").lower()
        vc.change_certificate()
        outcome = cli.run("check", "-f", wanted)
        assert outcome.code == 4
        assert "clusterNotReady" in outcome.out
        assert first in outcome.out
        assert vc.fingerprint.replace(":", "").lower() in outcome.out.replace(":", "").lower()


def test_an_expired_session_is_opened_again(running: VCenter, tmp_path: Path) -> None:
    running.faults(expire_after_calls=12)
    outcome = cli.run("run", "-f", manifests(tmp_path, running, "db"), "--to", tmp_path / "out")
    assert outcome.code == 0, outcome.err + outcome.out
    assert running.log().soap["Login"] >= 3, "the look, the imports, and again after the session expired"
    assert nothing_left(running)
