"""``thresher run`` as a user has it: manifests in, VMs in a folder out, and one sentence for what goes wrong."""

import hashlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig import cli, ova, terminal
from rig.mounts import on_small_disk
from rig.ova import PackedDisk
from rig.webserver import Faults, serve
from thresher.model.units import MIB, Bytes
from thresher.samples.ova import write_sample_ova

USAGE, FORMAT, SOURCE, TARGET, VERIFICATION, PREFLIGHT, STOPPED = 2, 3, 4, 5, 6, 7, 130
MARKER = "proof of test_cli_run"
CAPACITY = 32 * MIB
API = "migration.harvesterhci.io/v1beta1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A web server's folder with two sample VMs, web and db."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("web", "db"):
        write_sample_ova(folder / f"{name}.ova", MARKER, name=name, capacity=Bytes(CAPACITY), data=Bytes(4 * MIB))
    return folder


def source(url: str, name: str = "web", **spec: object) -> dict[str, Any]:
    return {"apiVersion": API, "kind": "OvaSource", "metadata": {"name": name}, "spec": {"url": url, **spec}}


def wanted(name: str = "web", source_name: str = "", **spec: object) -> dict[str, Any]:
    cluster = {"apiVersion": API, "kind": "OvaSource", "name": source_name or name}
    return {
        "apiVersion": API,
        "kind": "VirtualMachineImport",
        "metadata": {"name": name},
        "spec": {"virtualMachineName": name, "sourceCluster": cluster, **spec},
    }


def secret(**values: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": values}


LOGIN: dict[str, Any] = {"credentials": {"name": "login", "namespace": "default"}}


def manifests(folder: Path, *objects: dict[str, Any]) -> Path:
    path = folder / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(objects))
    return path


def imported(folder: Path, *objects: dict[str, Any], to: Path | None = None) -> cli.Outcome:
    return cli.here("run", "-f", manifests(folder, *objects), "--to", to or folder / "out", "-o", "json")


def results(outcome: cli.Outcome, code: int = 0) -> list[dict[str, Any]]:
    """The JSON of a run, which is all that stands on its standard output, whatever its exit code."""
    assert outcome.code == code, outcome.err
    parsed = json.loads(outcome.out)
    assert isinstance(parsed, list)
    return parsed


def complaints(outcome: cli.Outcome) -> list[str]:
    """The sentences of failures; the rest of standard error are status lines with a time in front."""
    assert "Traceback" not in outcome.err
    return [line for line in outcome.err.splitlines() if line.startswith("thresher: ")]


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


# -- what goes well -----------------------------------------------------------------------------------------


def test_several_imports_of_one_file(site: Path, tmp_path: Path) -> None:
    with serve(site) as web:
        objects = [source(f"{web.url}{name}.ova", name) for name in ("web", "db")]
        outcome = imported(tmp_path, *objects, wanted("web"), wanted("db"))
    both = results(outcome)
    assert [(one["name"], one["vm"], one["status"]) for one in both] == [
        ("web", "web", "virtualMachineCreated"),
        ("db", "db", "virtualMachineCreated"),
    ]
    for one in both:
        assert [disk["capacity_bytes"] for disk in one["disks"]] == [CAPACITY, 256 * MIB]
        for disk in one["disks"]:
            assert disk["bytes_data"] < disk["capacity_bytes"]
            assert "sha256" in " ".join(disk["verified"])
            assert Path(disk["path"]).stat().st_size == disk["capacity_bytes"]
        home = tmp_path / "out" / one["name"]
        assert {"disk-0.raw", "disk-1.raw", "domain.xml", "manifests.yaml"} <= {f.name for f in home.iterdir()}
        kinds = [each["kind"] for each in yaml.safe_load_all((home / "manifests.yaml").read_text())]
        assert kinds == ["VirtualMachineImage", "VirtualMachineImage", "VirtualMachine"]


def test_status_lines_say_what_happens(site: Path, tmp_path: Path) -> None:
    with serve(site) as web:
        outcome = imported(tmp_path, source(f"{web.url}web.ova"), wanted())
    text = "\n".join(re.findall(r"^\d\d:\d\d:\d\d default/web (.*)$", outcome.err, re.MULTILINE))
    words = (
        "virtualMachineImportValid",
        "sourceReady: copying 2 disks, 288.0 MiB",
        "disksExported",
        "diskImageSubmitted",
        "diskImagesReady",
        "virtualMachineCreated",
    )
    places = [text.index(word) for word in words]
    assert places == sorted(places), text
    assert "aiting for" not in text


def test_basic_authentication_by_a_secret(site: Path, tmp_path: Path) -> None:
    with serve(site, faults=Faults(credentials=("kim", "geheim"))) as web:
        objects = source(f"{web.url}web.ova", **LOGIN), wanted()
        right = imported(tmp_path, secret(username="kim", password="geheim"), *objects)
        wrong = imported(tmp_path, secret(username="kim", password="wrong-one"), *objects, to=tmp_path / "other")
    assert results(right)[0]["status"] == "virtualMachineCreated"
    results(wrong, SOURCE)
    (said,) = complaints(wrong)
    assert "401" in said
    assert "wrong-one" not in wrong.err + wrong.out


def test_a_server_without_range(site: Path, tmp_path: Path) -> None:
    with serve(site, faults=Faults(ranges=False)) as web:
        streamed = imported(tmp_path, source(f"{web.url}web.ova"), wanted())
    with serve(site) as web:
        ranged = imported(tmp_path, source(f"{web.url}web.ova"), wanted(), to=tmp_path / "ranged")
    pairs = zip(results(streamed)[0]["disks"], results(ranged)[0]["disks"], strict=True)
    assert all(digest(Path(one["path"])) == digest(Path(other["path"])) for one, other in pairs)


def test_sha512_on_request(site: Path, tmp_path: Path) -> None:
    with serve(site) as web:
        (one,) = results(imported(tmp_path, source(f"{web.url}web.ova"), wanted(verify="sha512")))
    for disk in one["disks"]:
        assert disk["checksum_algorithm"] == "sha512"
        assert disk["checksum"] == digest(Path(disk["path"]))


def test_the_same_run_again_copies_nothing(site: Path, tmp_path: Path) -> None:
    with serve(site) as web:
        objects = source(f"{web.url}web.ova"), wanted()
        results(imported(tmp_path, *objects))
        sent = web.sent
        (again,) = results(imported(tmp_path, *objects))
        assert web.sent - sent < MIB
    assert again["status"] == "virtualMachineCreated"


def test_a_disk_that_was_removed_is_fetched_again(site: Path, tmp_path: Path) -> None:
    with serve(site) as web:
        objects = source(f"{web.url}web.ova"), wanted()
        (first,) = results(imported(tmp_path, *objects))
        path = Path(first["disks"][0]["path"])
        before = digest(path)
        path.unlink()
        (again,) = results(imported(tmp_path, *objects))
    assert again["status"] == "virtualMachineCreated"
    assert digest(path) == before


def test_an_efi_vm_is_described_as_one(tmp_path: Path) -> None:
    disk = PackedDisk("a.raw", bytes(MIB), MIB, format="http://example.com/raw")
    descriptor = ova.ovf({"efi": [disk]}).replace(
        b"</VirtualHardwareSection>",
        b'<vmw:Config xmlns:vmw="http://www.vmware.com/schema/ovf" vmw:key="firmware" vmw:value="efi"/>'
        b"</VirtualHardwareSection>",
    )
    ova.archive(tmp_path / "efi.ova", [("efi.ovf", descriptor), ("a.raw", disk.content)])
    with serve(tmp_path) as web:
        (one,) = results(imported(tmp_path, source(f"{web.url}efi.ova", "efi"), wanted("efi")))
    assert any("EFI" in finding for finding in one["findings"])
    home = tmp_path / "out" / "efi"
    machine = list(yaml.safe_load_all((home / "manifests.yaml").read_text()))[-1]
    assert "efi" in machine["spec"]["template"]["spec"]["domain"]["firmware"]["bootloader"]
    assert 'firmware="efi"' in (home / "domain.xml").read_text()


# -- what is refused before anything is touched -------------------------------------------------------------


def test_every_finding_at_once_and_nothing_touched(tmp_path: Path) -> None:
    disks = [PackedDisk("here.vmdk", ova.vmdk(1)), PackedDisk("gone-1.vmdk", b""), PackedDisk("gone-2.vmdk", b"")]
    ova.archive(tmp_path / "vm.ova", [("vm.ovf", ova.ovf({"vm": disks})), ("here.vmdk", disks[0].content)])
    with serve(tmp_path) as web:
        outcome = imported(tmp_path, source(f"{web.url}vm.ova", "vm"), wanted("vm"))
    (one,) = results(outcome, PREFLIGHT)
    assert one["status"] == "virtualMachineImportInvalid"
    (said,) = complaints(outcome)
    assert "gone-1.vmdk" in said
    assert "gone-2.vmdk" in said
    assert not (tmp_path / "out" / "vm" / "disk-0.raw").exists()


def test_a_second_unmapped_nic_blocks(tmp_path: Path) -> None:
    nics = "".join(
        f"<Item><rasd:Address>00:50:56:00:00:0{n}</rasd:Address><rasd:Connection>net-{n}</rasd:Connection>"
        f"<rasd:ElementName>NIC {n}</rasd:ElementName><rasd:InstanceID>2{n}</rasd:InstanceID>"
        "<rasd:ResourceSubType>E1000</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType></Item>"
        for n in (1, 2)
    )
    disk = PackedDisk("a.raw", bytes(MIB), MIB, format="http://example.com/raw")
    descriptor = ova.ovf({"vm": [disk]}).replace(
        b"</VirtualHardwareSection>", f"{nics}</VirtualHardwareSection>".encode()
    )
    ova.archive(tmp_path / "vm.ova", [("vm.ovf", descriptor), ("a.raw", disk.content)])
    row = {"sourceNetwork": "net-2", "destinationNetwork": "default/vlan2"}
    with serve(tmp_path) as web:
        blocked = imported(tmp_path, source(f"{web.url}vm.ova", "vm"), wanted("vm"))
        mapped = imported(tmp_path, source(f"{web.url}vm.ova", "vm"), wanted("vm", networkMapping=[row]))
    results(blocked, PREFLIGHT)
    (said,) = complaints(blocked)
    assert "net-2" in said
    assert results(mapped)[0]["status"] == "virtualMachineCreated"


def test_a_folder_of_somebody_else(site: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "out" / "web"
    theirs.mkdir(parents=True)
    (theirs / "thesis.txt").write_text("mine")
    with serve(site) as web:
        outcome = imported(tmp_path, source(f"{web.url}web.ova"), wanted())
    results(outcome, PREFLIGHT)
    assert "targetName" in complaints(outcome)[0]
    assert [file.name for file in theirs.iterdir()] == ["thesis.txt"]


def test_one_that_fails_does_not_stop_the_other(site: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / ".thresher").mkdir(parents=True)
    (tmp_path / "out" / ".thresher" / "default.web.json").write_text("garbage")
    with serve(site) as web:
        objects = [source(f"{web.url}{name}.ova", name) for name in ("web", "db")]
        outcome = imported(tmp_path, *objects, wanted("web"), wanted("db"))
    first, second = results(outcome, TARGET)
    assert "default.web.json" in first["message"]
    assert second["status"] == "virtualMachineCreated"


# -- manifests ----------------------------------------------------------------------------------------------


def refused(folder: Path, *objects: dict[str, Any]) -> str:
    outcome = imported(folder, *objects)
    (said,) = complaints(outcome)
    assert (outcome.code, outcome.out) == (USAGE, ""), said
    assert not (folder / "out").exists()
    return said


def test_an_unknown_field(tmp_path: Path) -> None:
    said = refused(tmp_path, source("http://localhost/x.ova"), wanted(networkMapings=[]))
    assert "networkMapings" in said
    assert "networkMapping?" in said


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    assert "default/login" in refused(tmp_path, source("http://localhost/x.ova", **LOGIN), wanted())


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    assert "default/other" in refused(tmp_path, source("http://localhost/x.ova"), wanted(source_name="other"))


def test_no_import_at_all(tmp_path: Path) -> None:
    assert "VirtualMachineImport" in refused(tmp_path, source("http://localhost/x.ova"))


def test_no_such_file_of_manifests(tmp_path: Path) -> None:
    outcome = cli.here("run", "-f", tmp_path / "none.yaml", "--to", tmp_path / "out")
    assert outcome.code == USAGE
    assert "none.yaml" in cli.complaint(outcome)


# -- what fails on the way ----------------------------------------------------------------------------------


def test_a_wrong_checksum_in_the_manifest(tmp_path: Path) -> None:
    good = tmp_path / "good.ova"
    write_sample_ova(good, MARKER, name="web", capacity=Bytes(CAPACITY), data=Bytes(4 * MIB))
    content = good.read_bytes()
    at = content.index(b"SHA256(web-disk1.vmdk)= ") + 24
    wrong = b"0" if content[at : at + 1] != b"0" else b"1"
    (tmp_path / "web.ova").write_bytes(content[:at] + wrong + content[at + 1 :])
    with serve(tmp_path) as web:
        outcome = imported(tmp_path, source(f"{web.url}web.ova"), wanted())
    results(outcome, VERIFICATION)
    (said,) = complaints(outcome)
    assert "vmdisk1" in said
    assert not (tmp_path / "out" / "web" / "disk-0.raw").exists()


def test_a_full_disk(site: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    with serve(site) as web:
        path = manifests(tmp_path, source(f"{web.url}web.ova"), wanted())
        outcome = cli.run(
            *("run", "-f", path, "--to", small, "-o", "json"), prefix=on_small_disk("3m", str(small)), timeout=300
        )
    results(outcome, TARGET)
    (said,) = complaints(outcome)
    assert "full" in said or "space" in said


def test_no_such_ova(tmp_path: Path) -> None:
    with serve(tmp_path) as web:
        outcome = imported(tmp_path, source(f"{web.url}none.ova"), wanted())
    results(outcome, SOURCE)
    assert "404" in complaints(outcome)[0]


def test_what_is_no_ova(tmp_path: Path) -> None:
    (tmp_path / "x.ova").write_bytes(ova.vmdk(1)[70_000:100_000])
    with serve(tmp_path) as web:
        outcome = imported(tmp_path, source(f"{web.url}x.ova"), wanted())
    results(outcome, FORMAT)
    assert len(complaints(outcome)) == 1


def test_a_server_that_comes_back_is_asked_again(site: Path, tmp_path: Path) -> None:
    with serve(site, faults=Faults(unavailable=2)) as web:
        outcome = imported(tmp_path, source(f"{web.url}web.ova"), wanted())
    assert results(outcome)[0]["status"] == "virtualMachineCreated"
    assert "attempt 1 of 5 failed, another follows" in outcome.err
    assert "503" in outcome.err


# -- interruption -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_and_run_again(how: signal.Signals, site: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serve(site, faults=Faults(rate=2 * MIB)) as web:
        path = manifests(tmp_path, source(f"{web.url}web.ova"), wanted())
        with cli.started("run", "-f", path, "--to", out) as process:
            _until(lambda: web.sent > 2 * MIB)
            process.send_signal(how)
            assert process.wait(60) == STOPPED
        assert not (out / "web" / "disk-1.raw").exists(), "a half disk must not look finished"
        web.faults = Faults()
        (one,) = results(imported(tmp_path, source(f"{web.url}web.ova"), wanted()))
    with serve(site) as web:
        (whole,) = results(imported(tmp_path, source(f"{web.url}web.ova"), wanted(), to=tmp_path / "whole"))
    pairs = zip(one["disks"], whole["disks"], strict=True)
    assert all(digest(Path(first["path"])) == digest(Path(second["path"])) for first, second in pairs)


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


# -- boot, and a terminal -----------------------------------------------------------------------------------


@contextmanager
def qemu_ended(home: Path) -> Iterator[None]:
    """Whatever VM runs from ``home`` is ended at the end."""
    try:
        yield
    finally:
        pid = home / "qemu.pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)


def test_boot_ends_with_a_running_vm_and_its_words(site: Path, tmp_path: Path) -> None:
    home = tmp_path / "out" / "web"
    with serve(site) as web, qemu_ended(home):
        path = manifests(tmp_path, source(f"{web.url}web.ova"), wanted())
        words = ("run", "-f", path, "--to", tmp_path / "out", "--boot")
        table = cli.here(*words)
        assert table.code == 0, table.err
        assert "virtualMachineRunning" in table.out
        assert MARKER in table.out
        assert f"kill $(cat {home / 'qemu.pid'})" in table.out
        assert MARKER in (home / "console.log").read_text()
        (again,) = results(cli.here(*words, "-o", "json"))
        assert (again["status"], again["running"]) == ("virtualMachineRunning", True)
        assert MARKER in again["console"]


def test_the_results_fit_80_columns(site: Path, tmp_path: Path) -> None:
    with serve(site) as web:
        path = manifests(tmp_path, source(f"{web.url}web.ova"), wanted(verify="sha512"))
        outcome = cli.run("run", "-f", path, "--to", tmp_path / "out", env={"COLUMNS": "80"})
    assert outcome.code == 0, outcome.err
    rows = [line for line in outcome.out.splitlines() if line.strip().startswith("disk-")]
    assert len(rows) == 2
    assert all(len(row) <= 80 for row in rows)
    assert digest(tmp_path / "out" / "web" / "disk-0.raw") in outcome.out


def test_a_terminal_gets_progress_bars_and_is_left_clean(site: Path, tmp_path: Path) -> None:
    with serve(site, faults=Faults(rate=8 * MIB)) as web:
        path = manifests(tmp_path, source(f"{web.url}web.ova"), wanted())
        code, screen = terminal.run(cli.command("run", "-f", path, "--to", tmp_path / "out"))
    assert code == 0, screen
    assert "━" in screen, "no progress bar"
    assert "MiB" in screen
    assert "virtualMachineCreated" in screen
    assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") > 0, "the cursor stays hidden"
