"""Limits on bandwidth on the command line. A bucket can only be late, so the fastest that bytes came is asserted."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig import cli
from rig.webserver import serve
from thresher.model.units import MIB, Bytes
from thresher.samples.ova import write_sample_ova

API = "migration.harvesterhci.io/v1beta1"
RATE = 4 * MIB


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    for name in ("web", "db"):
        write_sample_ova(folder / f"{name}.ova", "marker", name=name, capacity=Bytes(32 * MIB), data=Bytes(8 * MIB))
    return folder


def pair(url: str, name: str, **limit: Any) -> list[dict[str, Any]]:
    """A source with a limit, and an import from it."""
    source = {"apiVersion": API, "kind": "OvaSource", "metadata": {"name": name}}
    cluster = {"apiVersion": API, "kind": "OvaSource", "name": name}
    vmi = {"apiVersion": API, "kind": "VirtualMachineImport", "metadata": {"name": name}}
    return [
        source | {"spec": {"url": f"{url}{name}.ova", **limit}},
        vmi | {"spec": {"virtualMachineName": name, "sourceCluster": cluster}},
    ]


def written(folder: Path, objects: list[dict[str, Any]]) -> Path:
    path = folder / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(objects))
    return path


def run(folder: Path, objects: list[dict[str, Any]], *words: str) -> tuple[int, float]:
    """Run the imports; how many bytes of disks they read, and in how many seconds."""
    began = time.monotonic()
    outcome = cli.here("run", "-f", written(folder, objects), "--to", folder / "out", "-o", "json", *words)
    seconds = time.monotonic() - began
    assert outcome.code == 0, outcome.err
    return sum(disk["bytes_read"] for vm in json.loads(outcome.out) for disk in vm["disks"]), seconds


def test_all_imports_together_keep_to_the_limit(site: Path, tmp_path: Path) -> None:
    with serve(site) as web:
        read, seconds = run(tmp_path, [*pair(web.url, "web"), *pair(web.url, "db")], "--bandwidth", "4Mi")
    assert read > 2 * RATE, "less would prove nothing"
    assert read <= RATE * seconds * 1.05


def test_each_source_keeps_to_its_own(site: Path, tmp_path: Path) -> None:
    with serve(site) as web:
        read, seconds = run(tmp_path, [*pair(web.url, "web", bandwidth="4Mi"), *pair(web.url, "db", bandwidth="16Gi")])
    assert read / 2 <= RATE * seconds * 1.05, "the slower one has half of the bytes"


def test_a_conversion_keeps_to_the_limit(tmp_path: Path) -> None:
    image = tmp_path / "d.qcow2"
    raw = tmp_path / "d.raw"
    raw.write_bytes(bytes(range(256)) * (8 * MIB // 256))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)  # noqa: S603, S607 - the rig's
    done = cli.here("convert", image, tmp_path / "out.raw", "--bandwidth", "4Mi", "-o", "json").json
    assert done["bytes_read"] >= 8 * MIB
    assert done["bytes_read"] <= RATE * done["seconds"] * 1.05
    assert (tmp_path / "out.raw").read_bytes() == raw.read_bytes()


def test_a_source_in_its_blackout_waits_and_says_so_and_can_be_interrupted(site: Path, tmp_path: Path) -> None:
    with serve(site) as web:
        path = written(tmp_path, pair(web.url, "web", blackout=["00:00-24:00 Asia/Seoul"]))
        words = cli.command("run", "-f", path, "--to", tmp_path / "out")
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603
        with process:
            assert process.stdout is not None
            said = ""
            while "sourceReady" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            process.send_signal(signal.SIGINT)
            said += process.stdout.read()
    window = "00:00-24:00 Asia/Seoul until it is changed"
    assert f"OvaSource default/web is paused by its blackout window {window}" in said
    assert process.returncode == 130, said
    assert not list((tmp_path / "out").rglob("disk-0.raw"))


@pytest.mark.parametrize("rate", ["0", "fast", "-5", ""])
@pytest.mark.parametrize("words", [("run", "-f", "x", "--to", "y"), ("convert", "x", "y")], ids=["run", "convert"])
def test_what_is_no_rate_is_refused(words: tuple[str, ...], rate: str) -> None:
    outcome = cli.here(*words, "--bandwidth", rate)
    assert outcome.code == 2
    assert "--bandwidth" in outcome.err


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ({"bandwidth": "fast"}, "spec.bandwidth must be bytes a second as a quantity"),
        ({"bandwidth": 5}, "spec.bandwidth must be text"),
        ({"blackout": ["8-18"]}, "spec.blackout[0] must be a window of the day"),
        ({"blackout": ["08:00-18:00 Mars/Olympus"]}, "no time zone that is known here: Mars/Olympus"),
    ],
)
def test_a_source_with_a_wrong_limit_is_refused(tmp_path: Path, limit: dict[str, Any], why: str) -> None:
    path = written(tmp_path, pair("http://x/", "web", **limit))
    outcome = cli.here("run", "-f", path, "--to", tmp_path / "out")
    assert outcome.code == 2
    assert why in outcome.err
