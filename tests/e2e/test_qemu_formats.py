"""Random-access images of every kind that qemu-img writes, through our server and back, byte by byte."""

import asyncio
import contextlib
import os
import random
import signal
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rig.blocks import MemorySource
from thresher.model.errors import FormatError, ImageError, SourceUnreachable, Stopped, TargetError, ThresherError
from thresher.model.units import KIB, MIB, SECTOR, Bytes
from thresher.model.vm import Disk, DiskFormat
from thresher.ports import ByteSource, DiskResult, DiskStream, Export
from thresher.transfer import qemu
from thresher.transfer.disk import DiskTransfer, Options
from thresher.transfer.disks import ThreadTransfer
from thresher.transfer.sparse import SparseFile

FORMATS = {"vmdk": DiskFormat.VMDK, "qcow2": DiskFormat.QCOW2, "vpc": DiskFormat.VHD, "vhdx": DiskFormat.VHDX}


def qemu_img(*words: str | Path) -> None:
    subprocess.run(["qemu-img", *map(str, words)], check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607


def content(size: int, seed: int = 1) -> bytes:
    """Noise, text and zeros, in runs that begin and end off every boundary."""
    chance = random.Random(seed)  # noqa: S311  repeatable, not secret
    out = bytearray()
    while len(out) < size:
        length = chance.randrange(1, 300 * KIB)
        out += chance.choice([chance.randbytes(length), b"some text " * (length // 10 + 1), bytes(length)])
    return bytes(out[:size])


def disk(source: ByteSource, kind: str, siblings: Sequence[tuple[str, ByteSource]] = ()) -> DiskStream:
    return DiskStream(Disk("2000", None), FORMATS[kind], source, None, tuple(siblings))


def transfer(stream: DiskStream, path: Path) -> DiskResult:
    run = ThreadTransfer(Options(durable=False)).run(Export((stream,)), {"2000": path}, lambda _: None)
    return asyncio.run(run)["2000"]


def stream_of(image: Path, kind: str) -> DiskStream:
    others = sorted(path for path in image.parent.iterdir() if path != image)
    return disk(MemorySource.of(image), kind, [(path.name, MemorySource.of(path)) for path in others])


def check(image: Path, kind: str, tmp_path: Path) -> None:
    """What we make of an image is what qemu-img makes of the file itself."""
    qemu_img("convert", "-f", kind, "-O", "raw", image, tmp_path / "want")
    result = transfer(stream_of(image, kind), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == (tmp_path / "want").read_bytes()
    assert result.capacity == (tmp_path / "want").stat().st_size


def make(tmp_path: Path, raw: bytes, kind: str, *options: str) -> Path:
    (tmp_path / "raw").write_bytes(raw)
    (tmp_path / "image").mkdir()
    image = tmp_path / "image" / f"disk.{kind}"
    qemu_img("convert", "-f", "raw", "-O", kind, *options, tmp_path / "raw", image)
    return image


CASES = [
    *(("vmdk", "-o", f"subformat={sub}") for sub in ("monolithicSparse", "monolithicFlat")),
    *(("vmdk", "-o", f"subformat=twoGbMaxExtent{sub}") for sub in ("Sparse", "Flat")),
    ("vmdk", "-o", "subformat=streamOptimized"),
    ("vmdk", "-o", "subformat=monolithicSparse,adapter_type=lsilogic,hwversion=6"),
    *(("qcow2", "-o", f"compat={compat}") for compat in ("0.10", "1.1")),
    *(("qcow2", "-o", f"cluster_size={size}") for size in (512, 4096, 65536, 2 * MIB)),
    ("qcow2", "-c"),
    ("qcow2", "-c", "-o", "compression_type=zstd"),
    ("qcow2", "-o", "extended_l2=on,cluster_size=128k"),
    ("qcow2", "-o", "preallocation=metadata"),
    *(("vpc", "-o", f"subformat={sub}{size}") for sub in ("dynamic", "fixed") for size in ("", ",force_size=on")),
    ("vhdx",),
    ("vhdx", "-o", "subformat=fixed"),
    ("vhdx", "-o", "block_size=1M"),
]


@pytest.mark.parametrize("size", [5 * MIB, 3 * MIB + 7 * SECTOR], ids=["even", "odd"])
@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_every_format_comes_out_as_qemu_img_reads_it(tmp_path: Path, case: tuple[str, ...], size: int) -> None:
    kind, *options = case
    check(make(tmp_path, content(size), kind, *options), kind, tmp_path)


def test_a_file_that_ends_within_a_sector_is_read_to_its_last_byte(tmp_path: Path) -> None:
    image = make(tmp_path, content(MIB), "vpc", "-o", "subformat=fixed,force_size=on")
    os.truncate(image, image.stat().st_size - 1)  # footers of 511 bytes were written by Virtual PC before 2004
    check(image, "vpc", tmp_path)


def test_a_disk_of_several_extents_comes_out_whole(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    raw, image = tmp_path / "raw", tmp_path / "image" / "disk.vmdk"
    with raw.open("wb") as handle:
        handle.truncate(4 * 1024 * MIB + 5 * MIB)
        for place in (0, 2048 * MIB - 700, 3000 * MIB, 4096 * MIB - 5, 4096 * MIB + 5 * MIB - 3000):
            handle.seek(place)
            handle.write(content(3000, place))
    qemu_img("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", raw, image)
    others = sorted(path for path in image.parent.iterdir() if path != image)
    assert len(others) == 3
    siblings = [(path.name, FileSource(path)) for path in others]
    result = transfer(disk(MemorySource.of(image), "vmdk", siblings), tmp_path / "got")
    assert result.capacity == raw.stat().st_size
    subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "raw", raw, tmp_path / "got"], check=True)  # noqa: S603, S607
    assert result.data < MIB


class FileSource:
    """A sparse file as it lies on the disk: too large for memory."""

    seekable = True
    version = ""

    def __init__(self, path: Path) -> None:
        self.name, self.size, self._path = path.name, Bytes(path.stat().st_size), path

    def open(self, offset: int = 0):  # type: ignore[no-untyped-def]  # noqa: ANN201  a file is a ByteStream
        handle = self._path.open("rb", buffering=0)
        handle.seek(offset)
        return handle


def descriptor(*extents: str) -> MemorySource:
    lines = [
        "# Disk DescriptorFile", "version=1", "CID=12345678", "parentCID=ffffffff", 'createType="custom"', *extents
    ]  # fmt: skip
    return MemorySource("\n".join([*lines, ""]).encode())


def flat(sectors: int, seed: int) -> MemorySource:
    return MemorySource(content(sectors * SECTOR, seed))


def test_read_only_extents_zeros_and_offsets_are_part_of_the_disk(tmp_path: Path) -> None:
    one, two = flat(300, 1), flat(100, 2)
    main = descriptor(
        'RW 100 FLAT "a.vmdk" 0',
        "RW 77 ZERO",
        'RDONLY 50 FLAT "b.vmdk" 50',
        'RDONLY 200 FLAT "a.vmdk" 100',
        'rw 10 vmfs "b.vmdk"',
        "RDONLY 9 ZERO",
    )
    transfer(disk(main, "vmdk", [("a.vmdk", one), ("b.vmdk", two)]), tmp_path / "got")
    a, b = one.data, two.data
    want = a[:51200] + bytes(77 * 512) + b[25600:51200] + a[51200:153600] + b[:5120] + bytes(9 * 512)
    assert (tmp_path / "got").read_bytes() == want


def test_a_disk_of_zeros_alone_is_zeros(tmp_path: Path) -> None:
    assert transfer(disk(descriptor("RW 2048 ZERO"), "vmdk"), tmp_path / "got").data == 0
    assert (tmp_path / "got").read_bytes() == bytes(MIB)


def vmware_extent(data: bytes, redundant_at: int = 1, primary_at: int = 6, flags: int = 3) -> bytes:
    """A hosted sparse extent as VMware splits disks: no descriptor, the redundant directory in its second sector.

    One grain table of each kind, grains of 64 KiB: Virtual Disk Format 5.0, "Hosted Sparse Extents".
    """
    grains = [data[at : at + 65536].ljust(65536, b"\0") for at in range(0, len(data), 65536)]
    table, place, body = [], 128, b""
    for grain in grains:
        table.append(place if any(grain) else 0)
        if any(grain):
            body += grain
            place += 128
    places = (redundant_at, primary_at, 128, 0, b"\n \r\n", 0)
    header = struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", 1, flags, len(data) // 512, 128, 0, 0, 512, *places)
    tables = struct.pack(f"<{len(table)}I", *table).ljust(2048, b"\0")
    redundant = struct.pack("<I", 2).ljust(512, b"\0") + tables
    primary = struct.pack("<I", 7).ljust(512, b"\0") + tables
    return (header.ljust(512, b"\0") + redundant + primary).ljust(128 * 512, b"\0") + body


def esx_extent(data: bytes) -> bytes:
    """An ESX sparse extent of grains of one sector: Virtual Disk Format 5.0, "ESX Server Sparse Extents"."""
    header = struct.pack("<4sIIIIIII", b"COWD", 1, 3, len(data) // 512, 1, 4, 1, 37).ljust(2048, b"\0")
    sectors = [data[at : at + 512] for at in range(0, len(data), 512)]
    directory = struct.pack("<I", 5).ljust(512, b"\0")
    table = struct.pack(f"<{len(sectors)}I", *(37 + at for at in range(len(sectors)))).ljust(4096 * 4, b"\0")
    return header + directory + table + data


def test_sparse_extents_as_vmware_writes_them(tmp_path: Path) -> None:
    hosted, esx = content(MIB, 5) + bytes(MIB), content(200 * SECTOR, 6)
    main = descriptor('RW 4096 SPARSE "s001.vmdk"', 'RDONLY 200 VMFSSPARSE "delta.vmdk"')
    siblings = [("s001.vmdk", MemorySource(vmware_extent(hosted))), ("delta.vmdk", MemorySource(esx_extent(esx)))]
    transfer(disk(main, "vmdk", siblings), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == hosted + esx


def test_a_sparse_extent_whose_primary_directory_comes_first(tmp_path: Path) -> None:
    data = content(MIB, 5)
    sibling = ("s.vmdk", MemorySource(vmware_extent(data, redundant_at=6, primary_at=1)))
    transfer(disk(descriptor('RW 2048 SPARSE "s.vmdk"'), "vmdk", [sibling]), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == data


def test_a_sparse_extent_that_cannot_be_opened_by_itself_is_refused(tmp_path: Path) -> None:
    sibling = ("s.vmdk", MemorySource(vmware_extent(content(MIB, 5), redundant_at=0, primary_at=1, flags=1)))
    with pytest.raises(ImageError, match="grain directory"):
        transfer(disk(descriptor('RW 2048 SPARSE "s.vmdk"'), "vmdk", [sibling]), tmp_path / "got")


@pytest.mark.parametrize(
    ("extents", "words"),
    [
        (['RW 100 FLAT "gone.vmdk" 0'], "gone.vmdk.*missing"),
        (['RW 101 FLAT "a.vmdk" 0'], "cut short"),
        (['RW 100 FLAT "a.vmdk" 1'], "cut short"),
        (['RW 100 SPARSE "a.vmdk"'], "no sparse extent"),
        (['RW 4097 SPARSE "s.vmdk"'], "another disk"),
        (['NOACCESS 100 FLAT "a.vmdk" 0'], "cannot be read"),
        (['RW 100 SESPARSE "a.vmdk"'], "SESPARSE"),
        (['RW 100 FLAT "../a.vmdk" 0'], "climbs"),
        (['RW 100 FLAT "nbd://host/a" 0'], "directory"),
    ],
)
def test_a_descriptor_that_does_not_fit_its_files_is_refused(tmp_path: Path, extents: list[str], words: str) -> None:
    siblings = [("a.vmdk", flat(100, 1)), ("s.vmdk", MemorySource(vmware_extent(content(2 * MIB))))]
    with pytest.raises(FormatError, match=words):
        transfer(disk(descriptor(*extents), "vmdk", siblings), tmp_path / "got")
    assert list(tmp_path.iterdir()) == []


def test_an_image_with_a_backing_file_of_this_machine_is_refused(tmp_path: Path) -> None:
    secret, image = tmp_path / "secret", tmp_path / "image.qcow2"
    secret.write_bytes(content(MIB))
    qemu_img("create", "-f", "qcow2", "-b", secret, "-F", "raw", image)
    with pytest.raises(ImageError, match="backing file"):
        transfer(disk(MemorySource.of(image), "qcow2"), tmp_path / "got")


@pytest.mark.parametrize("name", ["a,b:c", "nbd:host:1,size=7", "ümlaut 'quoted' {x}"])
def test_any_name_of_the_new_disk_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    a = flat(100, 1)
    transfer(disk(descriptor('RW 100 FLAT "a.vmdk" 0'), "vmdk", [("a.vmdk", a)]), Path(name))
    assert (tmp_path / name).read_bytes() == a.data
    (tmp_path / name).unlink()
    transfer(disk(MemorySource.of(make(tmp_path, a.data, "qcow2")), "qcow2"), Path(name))
    assert (tmp_path / name).read_bytes() == a.data


def test_a_source_that_passes_only_once_is_kept_aside(tmp_path: Path) -> None:
    raw = content(3 * MIB)
    source = MemorySource(make(tmp_path, raw, "qcow2").read_bytes())
    source.seekable = False
    transfer(disk(source, "qcow2"), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == raw
    assert source.opened == [0]


def test_a_damaged_image_is_refused_in_a_sentence_without_our_paths(tmp_path: Path) -> None:
    image = make(tmp_path, content(MIB), "vhdx")
    damaged = MemorySource(image.read_bytes()[:8] + bytes(MIB))
    with pytest.raises(ImageError, match="the vhdx disk 2000 is damaged or was cut short: ") as caught:
        transfer(disk(damaged, "vhdx"), tmp_path / "got")
    assert "thresher-" not in str(caught.value)
    assert "json" not in str(caught.value)


@pytest.mark.timeout(300)
def test_twenty_conversions_in_a_row_come_to_their_end(tmp_path: Path) -> None:
    raw = content(24 * MIB)
    image = make(tmp_path, raw, "qcow2").read_bytes()
    for turn in range(20):
        transfer(disk(MemorySource(image), "qcow2"), tmp_path / f"got{turn}")
        assert (tmp_path / f"got{turn}").read_bytes() == raw
        (tmp_path / f"got{turn}").unlink()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_source_that_fails_in_the_middle_says_what_it_said(tmp_path: Path, kind: str) -> None:
    image = make(tmp_path, content(8 * MIB), kind).read_bytes()
    source = MemorySource(image, fails_at=len(image) // 2)
    with pytest.raises(SourceUnreachable, match="memory broke at byte"):
        transfer(disk(source, kind), tmp_path / "got")
    assert source.open_streams == 0
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("fails_at", [0, 70 * KIB])
def test_an_extent_that_fails_says_what_it_said(tmp_path: Path, fails_at: int) -> None:
    bad = MemorySource(content(100 * KIB), fails_at=fails_at)
    main = descriptor('RW 100 FLAT "a.vmdk" 0', 'RW 200 FLAT "b.vmdk" 0')
    with pytest.raises(SourceUnreachable, match="memory broke"):
        transfer(disk(main, "vmdk", [("a.vmdk", flat(100, 1)), ("b.vmdk", bad)]), tmp_path / "got")


def run_in_thread(stream: DiskStream, path: Path, stop: threading.Event) -> Iterator[ThresherError]:
    """Run one disk to the error it ends in."""
    with ThreadPoolExecutor(2) as workers:
        run = DiskTransfer(
            stream, path, workers, options=Options(durable=False), progress=lambda _: None, stop=stop
        )  # fmt: skip
        try:
            run.run()
        except ThresherError as error:
            yield error


def test_stop_ends_it_while_the_source_is_silent(tmp_path: Path) -> None:
    image = make(tmp_path, content(8 * MIB), "qcow2").read_bytes()
    stop, released = threading.Event(), threading.Event()

    def silent(place: int) -> None:
        if place > len(image) // 2:
            stop.set()
            released.wait(30)

    source = MemorySource(image, on_read=silent)
    try:
        (error,) = run_in_thread(disk(source, "qcow2"), tmp_path / "got", stop)
        assert isinstance(error, Stopped)
        assert not released.is_set()
    finally:
        released.set()
    for thread in threading.enumerate():
        if thread.name == "nbd-client":
            thread.join()
    assert source.open_streams == 0
    assert not list(tmp_path.glob("got*"))


def child_of_this_process() -> int:
    """The process id of the qemu-img that runs."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # others come and go meanwhile
            name, _, rest = entry.read_text().rpartition(")")
            if int(rest.split()[1]) == os.getpid() and "qemu-img" in name:
                return int(entry.parent.name)
    raise AssertionError("no qemu-img runs")


def frozen_at(place: int, then: Callable[[], None] = lambda: None) -> Callable[[int], None]:
    done = threading.Event()

    def freeze(position: int) -> None:
        if position > place and not done.is_set():
            done.set()
            os.kill(child_of_this_process(), signal.SIGSTOP)
            then()

    return freeze


def test_stop_ends_a_qemu_img_that_stands_still(tmp_path: Path) -> None:
    image = make(tmp_path, content(8 * MIB), "qcow2").read_bytes()
    stop = threading.Event()
    source = MemorySource(image, on_read=frozen_at(4 * MIB, stop.set))
    (error,) = run_in_thread(disk(source, "qcow2"), tmp_path / "got", stop)
    assert isinstance(error, Stopped)
    assert source.open_streams == 0


def test_a_qemu_img_that_stands_still_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu, "STALL_SECONDS", 0.5)
    image = make(tmp_path, content(8 * MIB), "qcow2").read_bytes()
    source = MemorySource(image, on_read=frozen_at(4 * MIB))
    with pytest.raises(TargetError, match="stood still"):
        transfer(disk(source, "qcow2"), tmp_path / "got")


def test_progress_of_a_split_disk_never_goes_back(tmp_path: Path) -> None:
    seen: list[float] = []
    main = descriptor(*(f'RW 4096 FLAT "{name}.vmdk" 0' for name in "abcd"))
    siblings = {f"{name}.vmdk": flat(4096, number) for number, name in enumerate("abcd")}
    sink = SparseFile(tmp_path / "got")
    sink.open(keep=False)
    place = qemu.Place(sink, tmp_path)
    stream = disk(main, "vmdk", list(siblings.items()))
    stop = threading.Event()
    capacity = qemu.convert(stream, main, place, digest=None, on_percent=lambda at, _: seen.append(at), stop=stop)
    assert capacity == 8 * MIB
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(100)
