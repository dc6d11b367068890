"""``thresher convert`` makes of every image the very bytes that ``qemu-img convert -O raw`` makes of it."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rig import cli, disks, vmdk
from rig.disks import Case
from thresher.formats.vmdk import write_stream
from thresher.model.extent import Extent
from thresher.model.units import KIB, MIB, SECTOR, Bytes

STREAM = "subformat=streamOptimized"
CORPUS = [
    *(Case(disk, "vmdk", STREAM) for disk in disks.RAW_DISKS),
    *(Case("mixed", "vmdk", f"{STREAM},adapter_type={kind}") for kind in ("lsilogic", "buslogic", "legacyESX")),
    Case("mixed", "vmdk", f"{STREAM},compat6=on"),
    Case("mixed", "vmdk", f"{STREAM},hwversion=19"),
    *(
        Case(disk, "vmdk", f"subformat={kind}")
        for kind in ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat")
        for disk in ("mixed", "odd")
    ),
    Case("large", "vmdk", "subformat=twoGbMaxExtentSparse"),
    Case("large", "vmdk", "subformat=twoGbMaxExtentFlat"),
    Case("zero", "vmdk", "subformat=monolithicSparse"),
    Case("mixed", "vmdk", "subformat=monolithicSparse,compat6=on"),
    Case("mixed", "vmdk", "subformat=monolithicSparse,zeroed_grain=on"),
    Case("mixed", "qcow2"),
    Case("mixed", "qcow2", compressed=True),
    Case("mixed", "qcow2", "compression_type=zstd", compressed=True),
    Case("mixed", "qcow2", "cluster_size=512"),
    Case("odd", "qcow2", "cluster_size=2M"),
    Case("mixed", "qcow2", "compat=0.10"),
    Case("large", "qcow2"),
    Case("mixed", "vpc", "subformat=dynamic"),
    Case("mixed", "vpc", "subformat=fixed"),
    Case("odd", "vpc", "subformat=dynamic,force_size=on"),
    Case("odd", "vpc", "subformat=fixed,force_size=on"),
    Case("mixed", "vhdx", "subformat=dynamic"),
    Case("mixed", "vhdx", "subformat=fixed"),
]


@pytest.fixture(scope="session")
def raw_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("raw")


def convert(source: str | Path, target: Path, *options: str, stdin: bytes | None = None) -> Mapping[str, Any]:
    result = cli.run("convert", source, target, "--output", "json", *options, stdin=stdin).json
    assert isinstance(result, dict)
    return result


def proved(image: Path, tmp_path: Path, form: str = "vmdk") -> Mapping[str, Any]:
    """Convert ``image`` both ways, prove the bytes the same and the figures true."""
    truth = disks.reference(image, tmp_path / "truth.raw", form)
    out = tmp_path / "out.raw"
    result = convert(image, out)
    assert disks.difference(out, truth) == ""
    assert result["capacity_bytes"] == truth.stat().st_size
    assert disks.is_sparse(out, result["bytes_data"])
    assert result["checksum"] is None
    assert result["seconds"] >= 0
    return result


@pytest.mark.parametrize("case", CORPUS, ids=str)
def test_corpus_of_qemu_img(case: Case, raw_folder: Path, tmp_path: Path) -> None:
    raw = disks.raw_disk(case.disk, raw_folder)
    image = disks.make(case, raw, tmp_path)
    result = proved(image, tmp_path, case.format)
    if "streamOptimized" in case.options:
        assert result["bytes_read"] == image.stat().st_size


def test_a_disk_of_zeros_is_a_hole(raw_folder: Path, tmp_path: Path) -> None:
    image = disks.stream_vmdk(disks.raw_disk("zero", raw_folder), tmp_path / "disk.vmdk")
    assert proved(image, tmp_path)["bytes_data"] == 0


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("disk", ["mixed", "short-last-grain"])
def test_versions_of_a_stream(disk: str, version: int, raw_folder: Path, tmp_path: Path) -> None:
    """QEMU's stream with each version that VMware has written; the layout is the same."""
    image = disks.stream_vmdk(disks.raw_disk(disk, raw_folder), tmp_path / "disk.vmdk")
    with image.open("r+b") as handle:
        handle.seek(4)
        handle.write(version.to_bytes(4, "little"))
    proved(image, tmp_path)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("grain_size", [8, 16, 128, 2048])
def test_footer_only(grain_size: int, version: int, raw_folder: Path, tmp_path: Path) -> None:
    """VMware's layout: gdOffset is all ones, tables and footer come behind the grains."""
    raw = disks.raw_disk("mixed", raw_folder).read_bytes()
    header = vmdk.Header(len(raw) // SECTOR, grain_size, version)
    image = tmp_path / "disk.vmdk"
    image.write_bytes(vmdk.stream(header, vmdk.in_grains(raw, grain_size)))
    proved(image, tmp_path)


def test_grains_out_of_order(raw_folder: Path, tmp_path: Path) -> None:
    raw = disks.raw_disk("random", raw_folder).read_bytes()
    grains = list(vmdk.in_grains(raw).items())
    image = tmp_path / "disk.vmdk"
    image.write_bytes(vmdk.stream(vmdk.Header(len(raw) // SECTOR), grains[1::2] + grains[::2][::-1]))
    proved(image, tmp_path)
    digest = convert(image, tmp_path / "again.raw", "--checksum", "sha512")["checksum"]
    assert digest == hashlib.sha512(raw).hexdigest()


def test_explicit_zero_grains_are_holes(tmp_path: Path) -> None:
    grain = 64 * KIB
    data = disks.noise(grain, 31)
    grains = {0: bytes(grain), 128: data, 256: bytes(grain), 384: bytes(grain - 1) + b"\1"}
    image = tmp_path / "disk.vmdk"
    image.write_bytes(vmdk.stream(vmdk.Header(8 * 128), grains))
    assert proved(image, tmp_path)["bytes_data"] == 2 * grain


@pytest.mark.parametrize("stored", [SECTOR, 64 * KIB], ids=["cut", "padded"])
def test_short_last_grain(stored: int, tmp_path: Path) -> None:
    """The capacity ends inside the last grain; writers cut that grain or pad it with zeros."""
    last = disks.noise(SECTOR, 32)
    image = tmp_path / "disk.vmdk"
    grains = {0: disks.text(64 * KIB, 33), 128: last.ljust(stored, b"\0")}
    image.write_bytes(vmdk.stream(vmdk.Header(129), grains))
    assert proved(image, tmp_path)["capacity_bytes"] == 129 * SECTOR


def test_metadata_between_grains_is_no_data(tmp_path: Path) -> None:
    """Grain tables may stand between grains, as the specification draws them."""
    made = vmdk.Stream(vmdk.Header(512 * 128 + 128))
    made.add(0, disks.noise(64 * KIB, 34))
    made.body += vmdk.marker(vmdk.GRAIN_TABLE, disks.noise(4 * SECTOR, 35))
    made.add(512 * 128, disks.noise(64 * KIB, 36))
    image = tmp_path / "disk.vmdk"
    image.write_bytes(made.finish())
    proved(image, tmp_path)


def _extents(raw: bytes) -> Iterator[Extent]:
    """A disk in pieces that fit no grain, zeros as runs without data."""
    step = 100 * KIB + 7 * SECTOR
    for start in range(0, len(raw), step):
        piece = raw[start : start + step]
        yield Extent(Bytes(start), Bytes(len(piece)), piece if any(piece) else None)


@pytest.mark.parametrize("disk", [name for name in disks.RAW_DISKS if name not in {"large", "no-whole-sectors"}])
def test_our_own_writer(disk: str, raw_folder: Path, tmp_path: Path) -> None:
    """What write_stream makes, QEMU and we read back to the very disk it was made from."""
    source = disks.raw_disk(disk, raw_folder)
    image = tmp_path / "disk.vmdk"
    with image.open("wb") as handle:
        handle.writelines(write_stream(_extents(source.read_bytes()), Bytes(source.stat().st_size)))
    proved(image, tmp_path)
    assert disks.difference(tmp_path / "out.raw", source) == ""


@pytest.mark.parametrize("disk", ["mixed", "zero", "large"])
def test_from_a_pipe(disk: str, raw_folder: Path, tmp_path: Path) -> None:
    raw = disks.raw_disk(disk, raw_folder)
    image = disks.stream_vmdk(raw, tmp_path / "disk.vmdk")
    result = convert("-", tmp_path / "out.raw", stdin=image.read_bytes())
    assert disks.difference(tmp_path / "out.raw", raw) == ""
    assert result["bytes_read"] == image.stat().st_size


@pytest.mark.parametrize("case", [Case("mixed", "vmdk", STREAM), Case("mixed", "qcow2")], ids=str)
def test_checksum_of_the_raw_image(case: Case, raw_folder: Path, tmp_path: Path) -> None:
    raw = disks.raw_disk(case.disk, raw_folder)
    result = convert(disks.make(case, raw, tmp_path), tmp_path / "out.raw", "--checksum", "sha512")
    digest = hashlib.sha512(raw.read_bytes()).hexdigest()
    assert result["checksum"] == digest


def test_table_names_the_figures(raw_folder: Path, tmp_path: Path) -> None:
    image = disks.stream_vmdk(disks.raw_disk("mixed", raw_folder), tmp_path / "disk.vmdk")
    outcome = cli.run("convert", image, tmp_path / "out.raw", "--output", "table")
    assert outcome.code == 0, outcome.err
    assert "9.0 MiB" in outcome.out, "the capacity of nine MiB, in the project's own unit format"


def test_all_random_is_all_data(raw_folder: Path, tmp_path: Path) -> None:
    image = disks.stream_vmdk(disks.raw_disk("random", raw_folder), tmp_path / "disk.vmdk")
    assert proved(image, tmp_path)["bytes_data"] == 4 * MIB
