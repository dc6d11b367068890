"""The worker as a process: a whole transfer, and all that can come between."""

import hashlib
import signal
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig import goclient
from rig.mounts import on_small_disk
from rig.webserver import Faults, WebServer, serve
from rig.worker import TOKEN, WorkerProcess, worker
from thresher.model.errors import Fault
from thresher.model.report import DiskPhase, Report, WorkerPhase
from thresher.model.units import MIB, Bytes
from thresher.samples.disk import sample_disk
from thresher.samples.manifests import sample_manifests
from thresher.samples.ova import DEFAULT_NAME, write_sample_ova
from thresher.transfer.ledger import Ledger

CAPACITY, DATA = Bytes(128 * MIB), Bytes(40 * MIB)
SECOND = Bytes(256 * MIB)
"""The sample VM's data disk; see thresher.samples.ova."""
MARKER = "proof of the worker"


@dataclass(frozen=True)
class Sample:
    ova: Path
    hashes: tuple[str, str]

    @property
    def size(self) -> int:
        return self.ova.stat().st_size

    @property
    def stream(self) -> int:
        """Bytes of the first disk's VMDK, as they cross the wire."""
        with tarfile.open(self.ova) as archive:
            return archive.getmember(f"{DEFAULT_NAME}-disk1.vmdk").size


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The OVA, and the SHA-512 of its disks as they were described, not as anything of ours reads them."""
    folder = tmp_path_factory.mktemp("ova")
    write_sample_ova(folder / "vm.ova", MARKER, capacity=CAPACITY, data=DATA)
    first = _hash(folder, CAPACITY, 1, DATA, MARKER)
    return Sample(folder / "vm.ova", (first, _hash(folder, SECOND, 2, Bytes(8 * MIB), None)))


def _hash(folder: Path, capacity: Bytes, seed: int, data: Bytes, marker: str | None) -> str:
    path = folder / "expected.raw"
    with path.open("w+b") as file:
        file.truncate(capacity)
        for extent in sample_disk(capacity, seed, marker=marker, data=data):
            file.seek(extent.offset)
            file.write(extent.data or b"")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha512").hexdigest()
    path.unlink()
    return digest


@pytest.fixture
def web(sample: Sample) -> Iterator[WebServer]:
    with serve(sample.ova.parent) as server:
        yield server


@pytest.fixture
def manifests(web: WebServer) -> str:
    return sample_manifests(web.url + "vm.ova", DEFAULT_NAME)


def fetched(report: Report, folder: Path) -> tuple[str, ...]:
    """The SHA-512 of every disk, as Longhorn's client gets it."""
    return tuple(goclient.download(disk.url, folder / "fetched.raw").sha512 for disk in report.disks)


def first_disk_is_on_its_way(report: Report) -> bool:
    return bool(report.disks) and report.disks[0].position > 4 * MIB


def test_the_whole_way(sample: Sample, manifests: str, tmp_path: Path) -> None:
    with worker(tmp_path / "w", manifests, scratch=tmp_path / "scratch") as running:
        report = running.wait_until_serving()
        assert [disk.capacity for disk in report.disks] == [CAPACITY, SECOND]
        assert [disk.state for disk in report.disks] == [DiskPhase.DONE, DiskPhase.DONE]
        assert all("sha256" in disk.verified for disk in report.disks), "the OVA's manifest states SHA-256"
        assert [disk.url.rpartition("/")[2] for disk in report.disks] == ["disk-0.raw", "disk-1.raw"]
        assert fetched(report, tmp_path) == sample.hashes
        assert running.stops() == 0
        assert running.report is not None
        assert running.report.phase is WorkerPhase.DONE
        assert {line["import"] for line in running.log} == {"default/demo"}
        assert TOKEN not in (tmp_path / "w" / "log").read_text(), "whoever reads logs may not read disks"


def test_sha512_on_request_is_that_of_the_image(sample: Sample, manifests: str, tmp_path: Path) -> None:
    asked = manifests.replace("  virtualMachineName:", "  verify: sha512\n  virtualMachineName:")
    with worker(tmp_path / "w", asked, scratch=tmp_path / "scratch") as running:
        report = running.wait_until_serving()
    assert [(disk.checksum.algorithm, disk.checksum.hexdigest) for disk in report.disks if disk.checksum] == [
        ("sha512", digest) for digest in sample.hashes
    ]


def test_a_finished_disk_is_served_while_the_other_arrives(
    web: WebServer, sample: Sample, manifests: str, tmp_path: Path
) -> None:
    web.faults = Faults(rate=6 * MIB)
    with worker(tmp_path / "w", manifests, scratch=tmp_path / "scratch") as running:
        report = running.wait_for(lambda report: any(disk.url for disk in report.disks))
        assert [disk.state for disk in report.disks] == [DiskPhase.RUNNING, DiskPhase.DONE]
        assert goclient.download(report.disks[1].url, tmp_path / "fetched.raw").sha512 == sample.hashes[1]
        missing = report.disks[1].url.replace("disk-1", "disk-0")
        with pytest.raises(goclient.DownloadFailedError, match="404"):
            goclient.download(missing, tmp_path / "fetched.raw")
        assert running.wait_for(lambda report: report.disks[0].rate > 0).phase is WorkerPhase.EXPORTING


def test_it_obeys_the_rate_that_it_is_told_while_it_reads(sample: Sample, manifests: str, tmp_path: Path) -> None:
    with worker(tmp_path / "w", manifests, scratch=tmp_path / "scratch", options=("--bandwidth", "0")) as running:
        running.wait_for(lambda report: any(disk.state is DiskPhase.RUNNING for disk in report.disks))
        time.sleep(1)
        assert running.report is not None
        assert [disk.read for disk in running.report.disks] == [0, 0], "it should be paused"
        running.command("bandwidth 2Mi")
        running.wait_for(first_disk_is_on_its_way)
        running.command("bandwidth 0")
        paused = running.wait_for(lambda report: all(disk.rate == 0 for disk in report.disks))
        assert paused.disks[0].state is DiskPhase.RUNNING
        assert paused.disks[0].read > 0
        running.command("bandwidth")
        assert fetched(running.wait_until_serving(), tmp_path) == sample.hashes
        said = [line["message"] for line in running.log if line["message"].startswith("bandwidth")]
        assert said == [f"bandwidth: {words}" for words in ("2097152 bytes a second", "0 bytes a second", "no limit")]


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_the_next_worker_goes_on(
    kind: signal.Signals, web: WebServer, sample: Sample, manifests: str, tmp_path: Path
) -> None:
    """What was flushed is not read again: only what was in flight, and a look at the beginning."""
    web.faults = Faults(rate=3 * MIB)
    scratch = tmp_path / "scratch"

    def flushed(_: Report) -> bool:
        ledgers = [Ledger.load(path) for path in scratch.rglob("*.ledger")]
        safe = [_safe(ledger) for ledger in ledgers if ledger is not None]
        return web.sent > 8 * MIB and len(safe) == 2 and min(safe) > 0 and sum(safe) > 4 * MIB

    with worker(tmp_path / "w", manifests, scratch=scratch) as first:
        first.wait_for(flushed)
        first.process.send_signal(kind)
        assert first.ends() == (130 if kind is signal.SIGTERM else -kind)
    before, web.faults = web.sent, Faults()
    assert before < sample.size, "it was stopped in the middle"
    with worker(tmp_path / "w", manifests, scratch=scratch) as second:
        report = second.wait_until_serving()
        assert fetched(report, tmp_path) == sample.hashes
    assert report.disks[0].read < sample.stream, "it went on"
    assert web.sent - before < sample.stream


def _safe(ledger: Ledger) -> int:
    """How much of the stream need not be read again."""
    if ledger.result is not None:
        return ledger.result.read
    return ledger.resume.offset if ledger.resume is not None else 0


def test_a_finished_disk_is_not_read_again(web: WebServer, sample: Sample, manifests: str, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    with worker(tmp_path / "w", manifests, scratch=scratch) as first:
        first.wait_until_serving()
    before = web.sent
    with worker(tmp_path / "w", manifests, scratch=scratch) as second:
        assert fetched(second.wait_until_serving(), tmp_path) == sample.hashes
    assert web.sent - before < MIB, "but the descriptor and the disks' heads"


def test_a_source_that_fails_and_recovers(web: WebServer, sample: Sample, manifests: str, tmp_path: Path) -> None:
    web.faults = Faults(status=503)
    with worker(tmp_path / "w", manifests, scratch=tmp_path / "scratch") as running:
        waiting = running.wait_for(lambda report: report.retry_at is not None)
        assert waiting.failure is not None
        assert (waiting.failure.reason, waiting.failure.retryable) == ("SourceUnreachable", True)
        assert waiting.failure.fault is Fault.SOURCE
        assert waiting.phase is WorkerPhase.EXPORTING
        web.faults = Faults()
        report = running.wait_until_serving()
        assert (report.failure, report.retry_at) == (None, None)
        assert report.attempt > 1
        assert fetched(report, tmp_path) == sample.hashes


def test_a_source_that_fails_in_the_middle(web: WebServer, sample: Sample, manifests: str, tmp_path: Path) -> None:
    """An answer is cut, and those that come after say 503: the disk's own tries end, and the worker's begin."""
    web.faults = Faults(rate=4 * MIB, cut_after=14 * MIB, cuts=9)
    with worker(tmp_path / "w", manifests, scratch=tmp_path / "scratch") as running:
        running.wait_for(lambda _: web.sent > 6 * MIB)
        web.faults = Faults(status=503)
        waiting = running.wait_for(lambda report: report.retry_at is not None)
        assert waiting.disks[0].failure is not None
        assert waiting.disks[0].failure.retryable
        web.faults = Faults()
        assert fetched(running.wait_until_serving(), tmp_path) == sample.hashes


@pytest.mark.parametrize(("status", "reason"), [(404, "SourceNotFound"), (401, "SourceDenied")])
def test_a_failure_that_no_retry_mends(
    status: int, reason: str, web: WebServer, manifests: str, tmp_path: Path
) -> None:
    web.faults = Faults(status=status)
    with worker(tmp_path / "w", manifests, scratch=tmp_path / "scratch") as running:
        assert running.ends() == 4
        report = running.report
    assert report is not None
    assert report.phase is WorkerPhase.FAILED
    assert report.failure is not None
    assert (report.failure.reason, report.failure.retryable, report.failure.exit_code) == (reason, False, 4)


def test_damaged_bytes_fail_and_are_never_served(sample: Sample, tmp_path: Path) -> None:
    damaged = tmp_path / "web" / "vm.ova"
    damaged.parent.mkdir()
    content = bytearray(sample.ova.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with serve(damaged.parent) as web:
        manifests = sample_manifests(web.url + "vm.ova", DEFAULT_NAME)
        with worker(tmp_path / "w", manifests, scratch=tmp_path / "scratch") as running:
            assert running.ends() in (3, 6)
            report = running.report
    assert report is not None
    assert report.phase is WorkerPhase.FAILED
    assert (report.disks[0].state, report.disks[0].url) == (DiskPhase.FAILED, "")


def test_stopped_in_the_middle(web: WebServer, manifests: str, tmp_path: Path) -> None:
    """A cancelled import: nobody wants the rest, so the worker ends well."""
    web.faults = Faults(rate=4 * MIB)
    with worker(tmp_path / "w", manifests, scratch=tmp_path / "scratch") as running:
        running.wait_for(first_disk_is_on_its_way)
        assert running.stops() == 0
        assert running.report is not None
        assert running.report.phase is WorkerPhase.DONE


def test_manifests_that_cannot_be_carried_out_are_reported(manifests: str, tmp_path: Path) -> None:
    with worker(tmp_path / "w", manifests.replace("OvaSource", "OvaSauce"), scratch=tmp_path / "scratch") as running:
        assert running.ends() == 2
        assert running.report is not None
        assert running.report.failure is not None
        assert running.report.failure.reason == "InvalidSpec"


# -- a full scratch volume (harvester/harvester#8849) ------------------------------------------------------

_GROWS = """
folder=$1; go=$2; shift 2
"$@" & pid=$!
until [ -e "$go" ]; do sleep 0.1; kill -0 $pid || exit 97; done
mount -o remount,size=256m "$folder"
wait $pid
"""


def full(report: Report) -> bool:
    return report.failure is not None and report.failure.reason == "TargetFull"


@pytest.fixture
def on_full_volume(manifests: str, tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker on a volume of 24 MiB, which has 256 MiB once there is a file "go"."""
    scratch = tmp_path / "small"
    scratch.mkdir()
    prefix = [*on_small_disk("24m", str(scratch)), "sh", "-c", _GROWS, "sh", str(scratch), str(tmp_path / "go")]
    with worker(tmp_path / "w", manifests, scratch=scratch, prefix=prefix) as running:
        yield running


def test_a_full_volume_is_told_and_nothing_is_downloaded_until_there_is_room(
    on_full_volume: WorkerProcess, web: WebServer, sample: Sample, tmp_path: Path
) -> None:
    report = on_full_volume.wait_for(full)
    assert report.failure is not None
    assert report.failure.fault is Fault.TARGET
    assert "of 24.0 MiB" in report.failure.message, "how much is there"
    assert "384.0 MiB" in report.failure.message, "how much is needed: both disks' capacity"
    sent = web.sent
    time.sleep(5)  # longer than it takes to look at the volume again, and than the first retry of anything
    assert web.sent == sent, "a volume that stays full costs the source nothing"
    (tmp_path / "go").touch()
    assert fetched(on_full_volume.wait_until_serving(), tmp_path) == sample.hashes
    assert on_full_volume.stops() == 0


def test_a_worker_that_waits_for_room_can_be_stopped(on_full_volume: WorkerProcess) -> None:
    on_full_volume.wait_for(full)
    on_full_volume.command("stop")
    on_full_volume.wait_for(lambda report: report.phase is WorkerPhase.DONE)
