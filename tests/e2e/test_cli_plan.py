"""thresher plan against the simulated vCenter, and its manifests against a real API server."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig import cli
from rig.kube import KubeCluster
from rig.vcenter import Datacenter, Disk, Inventory, Network, Nic, VCenter, Vm, vcenter
from rig.vcenter_source import source_manifests
from thresher.formats.vmdk import write_stream
from thresher.model.units import GIB, MIB, Bytes
from thresher.samples.disk import sample_disk

CRDS = Path(__file__).parents[2] / "deploy" / "crds"
NADS = """
kind: List
items:
- kind: NetworkAttachmentDefinition
  metadata: {name: untagged, namespace: default}
  spec: {config: '{"type":"bridge","bridge":"mgmt-br"}'}
"""
SIZE = Bytes(16 * MIB)


@pytest.fixture(scope="module")
def vc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VCenter]:
    stream = tmp_path_factory.mktemp("streams") / "small.vmdk"
    stream.write_bytes(b"".join(write_stream(sample_disk(SIZE, 1, data=Bytes(8 * MIB)), SIZE)))
    plain = Vm("web-1", (Disk(SIZE, stream=stream, controller="ahci"),), (Nic(model="e1000e"),), folder="Prod/Web")
    shared = Disk(GIB, sharing="sharingMultiWriter", controller="ahci")
    vms = (
        plain,
        Vm("Old.DB 1", (Disk(GIB, controller="lsilogic"),), (Nic(mac="00:50:56:80:00:02"),), guest_id="rhel5_64Guest"),
        Vm("cluster", (shared,), (Nic("pg-a", mac="00:50:56:80:00:03", model="e1000e"),), folder="Prod/Webstore"),
        Vm(
            "two-nics",
            (Disk(GIB, controller="ahci"),),
            (Nic(mac="00:50:56:80:00:04"), Nic("pg-a", mac="00:50:56:80:00:05")),
        ),
    )
    networks = (Network("VM Network"), Network("pg-a", "distributed", "DSwitch"))
    with vcenter(Inventory(vms, (Datacenter(networks=networks),))) as running:
        yield running


@pytest.fixture
def source(vc: VCenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "source.yaml"
    path.write_text(source_manifests(vc))
    return path


def planned(source: Path, *words: str | Path) -> dict[str, dict[str, object]]:
    done = cli.here("plan", "-f", source, "-o", "json", *words)
    assert done.code == 0, done.err
    return {vm["name"]: vm for vm in json.loads(done.out)["vms"]}


def rules(vm: dict[str, object]) -> set[str]:
    findings = vm["findings"]
    assert isinstance(findings, list)
    return {finding["rule"] for finding in findings}


def test_every_vm_is_judged(source: Path) -> None:
    found = planned(source)
    assert {name: vm["verdict"] for name, vm in found.items()} == {
        "web-1": "warnings",
        "Old.DB 1": "warnings",
        "cluster": "blocked",
        "two-nics": "warnings",
    }
    assert {"GuestDiskDriver", "GuestNicDriver", "NameChanged"} <= rules(found["Old.DB 1"])
    assert "SharedDisk" in rules(found["cluster"])
    assert rules(found["web-1"]) - {"ToolsStay", "ChangeTrackingOff"} == {"NetworkUndecided"}


def test_a_vm_whose_networks_are_known_is_ready(source: Path, tmp_path: Path) -> None:
    nads = tmp_path / "nads.yaml"
    nads.write_text(NADS)
    found = planned(source, "--networks", nads, "--vm", "web-*")
    assert {name: vm["verdict"] for name, vm in found.items()} == {"web-1": "ready"}


def test_vms_are_chosen_by_name_and_by_folder(source: Path) -> None:
    assert set(planned(source, "--vm", "web-?", "--vm", "two*")) == {"web-1", "two-nics"}
    assert set(planned(source, "--folder", "Prod/Web")) == {"web-1"}  # and not Prod/Webstore
    assert set(planned(source, "--folder", "/Prod/")) == {"web-1", "cluster"}
    outcome = cli.here("plan", "-f", source, "--vm", "nobody")
    assert outcome.code == 2
    assert "--vm" in cli.complaint(outcome)


def test_the_mapping_is_edited_and_taken_up(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan"
    planned(source, "--write", out)
    mapping = out / "networks.yaml"
    rows = yaml.safe_load(mapping.read_text())["networkMapping"]
    assert {row["sourceNetwork"] for row in rows} == {"VM Network", "DSwitch/pg-a"}
    for row in rows:
        row["destinationNetwork"] = f"default/{'a' if 'pg-a' in row['sourceNetwork'] else 'vm'}"
    edited = yaml.safe_dump({"networkMapping": rows})
    mapping.write_text(edited)
    (out / "wave-09.yaml").write_text("# Written by thresher plan: of an earlier time\n")
    (out / "wave-notes.yaml").write_text("# mine\n")
    assert "NetworkUndecided" not in rules(planned(source, "--write", out)["two-nics"])
    assert mapping.read_text() == edited
    assert sorted(path.name for path in out.iterdir()) == ["networks.yaml", "wave-01.yaml", "wave-notes.yaml"]
    imports = list(yaml.safe_load_all((out / "wave-01.yaml").read_text()))
    assert {one["spec"]["virtualMachineName"] for one in imports} == {"web-1", "two-nics", "Old.DB 1"}
    assert all(one["spec"]["networkMapping"] for one in imports)


def test_kubectl_takes_every_wave(source: Path, tmp_path: Path, kube: KubeCluster) -> None:
    assert kube.kubectl("apply", "--server-side", "-f", str(CRDS)).returncode == 0
    try:
        crd = "crd/virtualmachineimports.migration.harvesterhci.io"
        assert kube.kubectl("wait", "--for=condition=Established", "--timeout=60s", crd).returncode == 0
        planned(
            source,
            "--write",
            tmp_path / "plan",
            "--pilots",
            "1",
            "--wave-vms",
            "1",
            "--storage-class",
            "fast",
            "--disk-mode",
            "volume",
        )
        waves = sorted((tmp_path / "plan").glob("wave-*.yaml"))
        assert len(waves) == 3
        for wave in waves:
            done = kube.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", str(wave))
            assert done.returncode == 0, done.stderr
            assert "created (server dry run)" in done.stdout
    finally:
        kube.kubectl("delete", "--ignore-not-found", "-f", str(CRDS))


def test_the_bandwidth_is_measured_from_the_source(source: Path, vc: VCenter) -> None:
    done = cli.here("plan", "-f", source, "-o", "json", "--vm", "web-1", "--probe")
    assert done.code == 0, done.err
    by = json.loads(done.out)["assumptions"]
    assert by["bandwidth_measured"]
    assert by["bandwidth_bytes_per_s"] > 0
    assert not vc.leases()


def test_reports_for_people(source: Path) -> None:
    english, korean = (cli.here("plan", "-f", source, "--language", language) for language in ("en", "ko"))
    assert english.code == korean.code == 0
    assert english.out.startswith("# Migration plan: VmwareSource default/vcenter")
    assert korean.out.startswith("# 마이그레이션 계획")
    assert cli.here("plan", "-f", source, "-o", "csv").out.count("\n") == 5
    page = cli.here("plan", "-f", source, "-o", "html", "--language", "ko").out
    assert page.startswith('<!DOCTYPE html>\n<html lang="ko">')


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--bandwidth", "fast"], "--bandwidth"),
        (["--bandwidth", "0"], "--bandwidth"),
        (["--bandwidth", "1Gbit"], "--bandwidth"),
        (["--blackout", "8-18"], "--blackout"),
        (["--blackout", "08:00-18:00 Mars/Olympus"], "--blackout"),
        (["--start", "tomorrow"], "--start"),
        (["--networks", "/nowhere"], "/nowhere"),
        (["--free-storage", "much"], "--free-storage"),
    ],
)
def test_what_cannot_be_meant_is_said_before_the_source_is_asked(source: Path, words: list[str], named: str) -> None:
    outcome = cli.here("plan", "-f", source, *words)
    assert outcome.code == 2
    assert named in cli.complaint(outcome)


@pytest.mark.parametrize(
    ("limit", "words", "rate"),
    [
        ({}, [], 100 * MIB),
        ({}, ["--bandwidth", "125M"], 125_000_000),
        ({"bandwidth": "50Mi"}, [], 50 * MIB),
        ({"bandwidth": "50Mi"}, ["--bandwidth", "10Mi"], 10 * MIB),
        ({"bandwidth": "50Mi"}, ["--bandwidth", "1Gi"], 50 * MIB),
        ({"bandwidth": "500Mi"}, [], 500 * MIB),
    ],
)
def test_the_source_s_own_limits_hold(source: Path, limit: dict[str, str], words: list[str], rate: int) -> None:
    assert assumed(limited(source, **limit), *words)["assumptions"]["bandwidth_bytes_per_s"] == rate


def test_the_source_s_own_blackouts_hold(source: Path) -> None:
    path = limited(source, blackout=["08:00-18:00 Asia/Seoul"])
    assert assumed(path)["starts_at"]
    both = assumed(path, "--blackout", "22:00-23:00", "--start", "2027-01-31T12:00+09:00")
    assert both["blackouts"] == ["08:00-18:00 Asia/Seoul", "22:00-23:00 UTC"]
    assert datetime.fromisoformat(both["waves"][0]["starts_at"]) == datetime(2027, 1, 31, 9, tzinfo=UTC)
    outcome = cli.here("plan", "-f", limited(source, bandwidth="0"))
    assert outcome.code == 2
    assert "spec.bandwidth" in cli.complaint(outcome)


def limited(source: Path, **limit: object) -> Path:
    """The same source with limits of its own."""
    documents = list(yaml.safe_load_all(source.read_text()))
    documents[1]["spec"] |= limit
    source.write_text(yaml.safe_dump_all(documents))
    return source


def assumed(source: Path, *words: str) -> Any:
    return cli.here("plan", "-f", source, "-o", "json", *words).json
