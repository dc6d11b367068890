"""Bad input ends in one clear sentence, the documented exit code and no file that looks finished.

Exit codes: the table in ``thresher.model.errors``.
"""

import struct
import zlib
from pathlib import Path

import pytest

from rig import cli, disks, vmdk
from rig.disks import Case
from rig.mounts import on_small_disk
from thresher.model.units import KIB, MIB, SECTOR

FORMAT, SOURCE, TARGET = 3, 4, 5
STREAM = "subformat=streamOptimized"
GRAIN = 64 * KIB
DATA_AT = 128 * SECTOR
FIRST = disks.noise(GRAIN, 41)
FIRST_END = DATA_AT + len(vmdk.grain(0, FIRST))
WHOLE = vmdk.stream(vmdk.Header(8 * 128), {0: FIRST, 128: disks.text(GRAIN, 42), 512: disks.noise(GRAIN, 43)})


def refused(source: str | Path, target: Path, code: int, stdin: bytes | None = None) -> str:
    """Convert what cannot be converted; returns the complaint."""
    outcome = cli.run("convert", source, target, stdin=stdin)
    said = cli.complaint(outcome)
    assert outcome.code == code, said
    assert not target.exists()
    return said


def from_file(data: bytes, tmp_path: Path, code: int) -> str:
    image = tmp_path / "disk.vmdk"
    image.write_bytes(data)
    return refused(image, tmp_path / "out.raw", code)


def test_the_whole_stream_is_good(tmp_path: Path) -> None:
    """What the other tests break is whole before they break it."""
    image = tmp_path / "disk.vmdk"
    image.write_bytes(WHOLE)
    assert cli.run("convert", image, tmp_path / "out.raw").code == 0


CUTS = {
    "in the overhead": 40 * SECTOR,
    "before the first grain": DATA_AT,
    "in a grain's head": DATA_AT + 7,
    "in a grain": DATA_AT + 30 * KIB,
    "between two grains": FIRST_END,
    "before the footer": len(WHOLE) - 3 * SECTOR,
    "before the end marker": len(WHOLE) - SECTOR,
}


@pytest.mark.parametrize("length", CUTS.values(), ids=CUTS)
def test_cut_off_stream(length: int, tmp_path: Path) -> None:
    said = from_file(WHOLE[:length], tmp_path, FORMAT)
    assert "cut" in said


@pytest.mark.parametrize("length", [DATA_AT + 30 * KIB, FIRST_END], ids=["in a grain", "between two grains"])
def test_cut_off_pipe(length: int, tmp_path: Path) -> None:
    said = refused("-", tmp_path / "out.raw", SOURCE, stdin=WHOLE[:length])
    assert "cut" in said


@pytest.mark.parametrize("missing", [1, 2, 40])
@pytest.mark.parametrize("disk", ["random", "mixed"])
def test_cut_off_stream_of_qemu(disk: str, missing: int, tmp_path: Path) -> None:
    """QEMU writes no end marker: its grain tables, in front, tell that grains are missing behind the cut."""
    image = disks.stream_vmdk(disks.raw_disk(disk, tmp_path), tmp_path / "disk.vmdk")
    data = image.read_bytes()
    ends = vmdk.grain_ends(data)
    from_file(data[: ends[max(0, len(ends) - 1 - missing)]], tmp_path, FORMAT)


def test_zeros_in_place_of_grains_are_no_end(tmp_path: Path) -> None:
    """A sector of zeros is an end marker's very bytes; QEMU's grain tables tell that it came too early."""
    image = disks.stream_vmdk(disks.raw_disk("random", tmp_path), tmp_path / "disk.vmdk")
    data = image.read_bytes()
    middle = vmdk.grain_ends(data)[30]
    outcome = cli.run("convert", "-", tmp_path / "out.raw", stdin=data[:middle].ljust(len(data), b"\0"))
    cli.complaint(outcome)
    assert outcome.code in {FORMAT, SOURCE}
    assert not (tmp_path / "out.raw").exists()


@pytest.mark.parametrize("data", [b"", b"K", WHOLE[:511]], ids=["empty", "one byte", "511 bytes"])
def test_less_than_a_header(data: bytes, tmp_path: Path) -> None:
    image = tmp_path / "disk.vmdk"
    image.write_bytes(data)
    outcome = cli.run("convert", image, tmp_path / "out.raw")
    cli.complaint(outcome)
    assert outcome.code in {FORMAT, SOURCE}  # nobody can tell a cut VMDK from something else
    assert not (tmp_path / "out.raw").exists()


FLIPS = {"zlib header": 12, "deflated data": 12 + 20_000, "Adler-32": 12 + len(zlib.compress(FIRST)) - 1}


@pytest.mark.parametrize("place", FLIPS.values(), ids=FLIPS)
def test_flipped_byte_in_a_grain(place: int, tmp_path: Path) -> None:
    broken = bytearray(WHOLE)
    broken[DATA_AT + place] ^= 0x10
    from_file(bytes(broken), tmp_path, FORMAT)


def _with_grain(lba: int, packed: bytes) -> bytes:
    """A stream whose second grain is what the test says."""
    made = vmdk.Stream(vmdk.Header(8 * 128))
    made.add(0, FIRST)
    made.body += vmdk.padded(struct.pack("<QI", lba, len(packed)) + packed)
    return made.finish()


BAD_GRAINS = {
    "does not inflate": _with_grain(128, disks.noise(3000, 44)),
    "inflates to more than a grain": _with_grain(128, zlib.compress(bytes(GRAIN + 1))),
    "inflates to a hundred megabytes": _with_grain(128, zlib.compress(bytes(100 * MIB))),
    "inflates to less than its place": _with_grain(128, zlib.compress(disks.noise(GRAIN - SECTOR, 45))),
    "outside the disk": _with_grain(8 * 128, zlib.compress(FIRST)),
    "far outside the disk": _with_grain(2**62, zlib.compress(FIRST)),
    "between two places": _with_grain(128 + 64, zlib.compress(FIRST)),
    "two for one place": _with_grain(0, zlib.compress(FIRST)),
    "of four gigabytes": vmdk.padded(WHOLE[:DATA_AT] + struct.pack("<QI", 0, 2**32 - 1)) + WHOLE[DATA_AT:],
}


@pytest.mark.parametrize("stream", BAD_GRAINS.values(), ids=BAD_GRAINS)
def test_bad_grain(stream: bytes, tmp_path: Path) -> None:
    from_file(stream, tmp_path, FORMAT)


LIES = {
    "capacity of 2^63 sectors": struct.pack("<4sIIQQ", b"KDMV", 3, 0x30001, 2**63, 128),
    "capacity of 2^63 bytes": struct.pack("<4sIIQQ", b"KDMV", 3, 0x30001, 2**54, 128),
    "grain size 0": struct.pack("<4sIIQQ", b"KDMV", 3, 0x30001, 1024, 0),
    "grain size 100": struct.pack("<4sIIQQ", b"KDMV", 3, 0x30001, 1024, 100),
    "grain size 2^40": struct.pack("<4sIIQQ", b"KDMV", 3, 0x30001, 1024, 2**40),
    "version 77": struct.pack("<4sIIQQ", b"KDMV", 77, 0x30001, 1024, 128),
}


@pytest.mark.parametrize("head", LIES.values(), ids=LIES)
def test_lying_header(head: bytes, tmp_path: Path) -> None:
    from_file(head + WHOLE[len(head) :], tmp_path, FORMAT)


def test_header_smaller_than_its_grains(tmp_path: Path) -> None:
    """A capacity of one grain in front of grains that lie behind it: nothing is dropped in silence."""
    from_file(vmdk.Header(128).pack() + WHOLE[SECTOR:], tmp_path, FORMAT)


def test_footer_that_contradicts_the_header(tmp_path: Path) -> None:
    broken = bytearray(WHOLE)
    broken[-2 * SECTOR + 12 : -2 * SECTOR + 20] = struct.pack("<Q", 4 * 128)
    from_file(bytes(broken), tmp_path, FORMAT)


def test_garbage_behind_the_grains(tmp_path: Path) -> None:
    from_file(WHOLE[:FIRST_END] + disks.noise(8 * KIB, 46), tmp_path, FORMAT)


def test_html_in_place_of_a_disk(tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><html><head><title>Please log in</title></head></html>\n" * 20
    said = from_file(page, tmp_path, FORMAT)
    assert "disk.vmdk" in said


def test_missing_file(tmp_path: Path) -> None:
    said = refused(tmp_path / "nowhere.vmdk", tmp_path / "out.raw", SOURCE)
    assert "nowhere.vmdk" in said


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    refused(tmp_path, tmp_path / "out.raw", SOURCE)


CUT_IMAGES = [
    Case("random", "vmdk", "subformat=monolithicSparse"),
    Case("random", "vmdk", "subformat=monolithicFlat"),
    Case("random", "qcow2"),
    Case("random", "vpc", "subformat=dynamic"),
    Case("random", "vhdx", "subformat=dynamic"),
]


@pytest.mark.parametrize("case", CUT_IMAGES, ids=str)
def test_cut_off_random_access_image(case: Case, tmp_path: Path) -> None:
    """QEMU reads what lies behind a file's end as zeros, without a word; a disk that lost its end must not pass.

    ``qemu-img check`` tells for sparse VMDKs and qcow2, opening for VHD and VHDX, and for a flat extent nothing
    but the length that its descriptor states.
    """
    image = disks.make(case, disks.raw_disk(case.disk, tmp_path), tmp_path)
    holder = max(tmp_path.glob("disk*"), key=lambda path: path.stat().st_size)
    with holder.open("r+b") as handle:
        handle.truncate(holder.stat().st_size // 2)
    outcome = cli.run("convert", image, tmp_path / "out.raw")
    cli.complaint(outcome)
    assert outcome.code in {FORMAT, SOURCE}
    assert not (tmp_path / "out.raw").exists()


def test_image_that_reaches_for_another_file(tmp_path: Path) -> None:
    """An image from a stranger must not make us read this machine's files into a disk."""
    folder = tmp_path / "upload"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(disks.noise(MIB, 47))
    image = folder / "disk.qcow2"
    disks.overlay(tmp_path / "secret", image)
    refused(image, tmp_path / "out.raw", FORMAT)


@pytest.mark.parametrize("name", ["{folder}/secret", "../secret"], ids=["absolute", "relative"])
def test_descriptor_that_reaches_for_another_file(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "upload"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(disks.noise(MIB, 48))
    extent = f'RW {MIB // SECTOR} FLAT "{name.format(folder=tmp_path)}" 0'
    lines = ["# Disk DescriptorFile", "version=1", "CID=fffffffe", "parentCID=ffffffff"]
    image = folder / "disk.vmdk"
    image.write_text("\n".join([*lines, 'createType="monolithicFlat"', extent, ""]))
    refused(image, tmp_path / "out.raw", FORMAT)


def test_failure_leaves_an_earlier_image_alone(tmp_path: Path) -> None:
    """Overwriting is allowed or refused, but a failed conversion takes no finished image away."""
    out = tmp_path / "out.raw"
    out.write_bytes(b"an earlier image")
    (tmp_path / "disk.vmdk").write_bytes(WHOLE[:FIRST_END])
    outcome = cli.run("convert", tmp_path / "disk.vmdk", out)
    cli.complaint(outcome)
    assert outcome.code != 0
    assert out.read_bytes() == b"an earlier image"


@pytest.mark.parametrize("case", [Case("random", "vmdk", STREAM), Case("random", "qcow2")], ids=str)
def test_full_target_disk(case: Case, tmp_path: Path) -> None:
    """Four MiB of data onto a file system of two: the real ENOSPC, from a tmpfs."""
    image = disks.make(case, disks.raw_disk(case.disk, tmp_path), tmp_path)
    small = tmp_path / "small"
    small.mkdir()
    outcome = cli.run("convert", image, small / "out.raw", prefix=on_small_disk("2m", str(small)))
    said = cli.complaint(outcome)
    assert outcome.code == TARGET, said
    assert "space" in said
    assert "out.raw" not in (tmp_path / "small.left").read_text().splitlines()


def test_target_that_may_not_grow(tmp_path: Path) -> None:
    """A limit on the file's size (ulimit -f, in KiB here) stops the writing with EFBIG."""
    image = disks.stream_vmdk(disks.raw_disk("random", tmp_path), tmp_path / "disk.vmdk")
    prefix = ["bash", "-c", 'ulimit -f 1024; "$@"', "bash"]
    outcome = cli.run("convert", image, tmp_path / "out.raw", prefix=prefix)
    said = cli.complaint(outcome)
    assert outcome.code == TARGET, said
    assert not (tmp_path / "out.raw").exists()
