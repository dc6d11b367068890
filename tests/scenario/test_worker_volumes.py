"""The worker as a process that writes volumes: what it is told, and what it leaves on scratch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from rig.webserver import Faults, WebServer, serve
from rig.worker import worker
from thresher.model.report import DiskPhase, Report, WorkerPhase
from thresher.model.units import KIB, MIB, Bytes
from thresher.samples.disk import sample_disk
from thresher.samples.manifests import sample_manifests
from thresher.samples.ova import DEFAULT_NAME, write_sample_ova

CAPACITIES = (Bytes(16 * MIB), Bytes(256 * MIB))
"""Of the system disk as it is made here, and of the sample VM's data disk."""
ROOM = 257 * MIB
KEYS = ("vmdisk1", "vmdisk2")
MARKER = "in its place"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebServer]:
    folder = tmp_path / "web"
    folder.mkdir()
    write_sample_ova(folder / "vm.ova", MARKER, capacity=CAPACITIES[0], data=Bytes(2 * MIB))
    with serve(folder) as server:
        yield server


@pytest.fixture
def manifests(web: WebServer) -> str:
    text = sample_manifests(web.url + "vm.ova", DEFAULT_NAME)
    return text.replace("  virtualMachineName:", "  diskMode: volume\n  virtualMachineName:")


@pytest.fixture
def volumes(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"uid-{number}" for number in range(2)]
    for path in made:
        with path.open("wb") as file:
            file.truncate(ROOM)
    return made


def told(volumes: Sequence[Path]) -> list[str]:
    return [word for key, path in zip(KEYS, volumes, strict=False) for word in ("--volume", f"{key}={path}")]


def hold_their_disks(volumes: Sequence[Path]) -> bool:
    contents = (
        sample_disk(CAPACITIES[0], 1, marker=MARKER, data=Bytes(2 * MIB)),
        sample_disk(CAPACITIES[1], 2, data=Bytes(8 * MIB)),
    )
    for path, extents in zip(volumes, contents, strict=True):
        expected = bytearray(ROOM)
        for extent in extents:
            expected[extent.offset : extent.end] = extent.data or b""
        if path.read_bytes() != expected:
            return False
    return True


def test_each_disk_is_written_to_its_volume_and_nothing_is_served(
    manifests: str, volumes: list[Path], tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    with worker(tmp_path / "w", manifests, scratch=scratch, options=told(volumes)) as running:
        report = running.wait_until_serving()
        assert [(disk.key, disk.state, disk.url) for disk in report.disks] == [
            (key, DiskPhase.DONE, "") for key in KEYS
        ]
        assert not any("served at" in line["message"] for line in running.log)
        assert running.stops() == 0
    assert hold_their_disks(volumes)
    left = sorted(path for path in scratch.rglob("*") if path.is_file())
    assert [path.name for path in left] == ["uid-0.ledger", "uid-1.ledger"]
    assert sum(path.stat().st_size for path in left) < 8 * KIB


def test_the_next_worker_goes_on(web: WebServer, manifests: str, volumes: list[Path], tmp_path: Path) -> None:
    web.faults = Faults(rate=MIB)
    scratch = tmp_path / "scratch"

    def flushed(_: Report) -> bool:
        return web.sent > 3 * MIB and all('"offset"' in path.read_text() for path in scratch.rglob("uid-1.ledger"))

    with worker(tmp_path / "w", manifests, scratch=scratch, options=told(volumes)) as first:
        first.wait_for(flushed)
        first.process.kill()
        first.ends()
    before, web.faults = web.sent, Faults()
    with worker(tmp_path / "w", manifests, scratch=scratch, options=told(volumes)) as second:
        second.wait_until_serving()
    assert hold_their_disks(volumes)
    assert web.sent - before < (tmp_path / "web" / "vm.ova").stat().st_size - MIB // 2, "it went on"


def failure(manifests: str, options: Sequence[str], tmp_path: Path) -> tuple[int, str]:
    """Its exit code, and what it says."""
    with worker(tmp_path / "w", manifests, scratch=tmp_path / "scratch", options=options) as running:
        code = running.ends()
        report = running.report
    assert report is not None
    assert report.phase is WorkerPhase.FAILED
    assert report.failure is not None
    return code, report.failure.message


def test_a_disk_without_a_volume_is_not_written_elsewhere(manifests: str, volumes: list[Path], tmp_path: Path) -> None:
    code, message = failure(manifests, told(volumes[:1]), tmp_path)
    assert code == 5
    assert "vmdisk2 has no volume" in message


def test_what_it_is_told_has_to_fit_the_import(manifests: str, volumes: list[Path], tmp_path: Path) -> None:
    code, message = failure(manifests.replace("diskMode: volume", "diskMode: image"), told(volumes), tmp_path)
    assert code == 2
    assert "diskMode: volume" in message
    code, message = failure(manifests, ["--volume", "vmdisk1"], tmp_path)
    assert code == 2
    assert "KEY=PATH" in message
