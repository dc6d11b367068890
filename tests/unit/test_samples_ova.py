import hashlib
import subprocess
import tarfile
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from thresher.api.convert import import_spec
from thresher.api.manifests import load_manifests
from thresher.model.units import MIB, Bytes
from thresher.samples.boot import boot_sector
from thresher.samples.disk import sample_disk
from thresher.samples.manifests import sample_manifests
from thresher.samples.ova import write_sample_ova

CAPACITY = Bytes(32 * MIB)
DATA = Bytes(4 * MIB)
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"


@pytest.fixture(scope="module")
def ova(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ova") / "sample.ova"
    write_sample_ova(path, "marker-ova", capacity=CAPACITY, data=DATA)
    return path


@pytest.fixture(scope="module")
def unpacked(ova: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(ova) as tar:
        tar.extractall(folder, filter="data")
    return folder


def _descriptor(folder: Path) -> Element:
    root = fromstring((folder / "thresher-sample.ovf").read_text())
    assert isinstance(root, Element)
    return root


def test_the_archive_is_ustar_with_descriptor_and_manifest_first(ova: Path) -> None:
    with tarfile.open(ova) as tar:
        names = tar.getnames()
    assert [name.rpartition(".")[2] for name in names] == ["ovf", "mf", "vmdk", "vmdk"]
    assert ova.read_bytes()[257:265] == b"ustar\x0000"  # POSIX ustar, not GNU's "ustar  "
    assert [p.name for p in ova.parent.iterdir()] == ["sample.ova"]  # no scratch is left


def test_the_manifest_has_the_sha256_of_every_other_member(unpacked: Path) -> None:
    lines = (unpacked / "thresher-sample.mf").read_text().splitlines()
    expected = {
        f"SHA256({file.name})= {hashlib.sha256(file.read_bytes()).hexdigest()}"
        for file in unpacked.iterdir()
        if file.suffix != ".mf"
    }
    assert len(lines) == 3
    assert set(lines) == expected


def test_the_descriptor_names_the_files_with_their_sizes_and_capacities(unpacked: Path) -> None:
    root = _descriptor(unpacked)
    sizes = {f.attrib[f"{OVF}href"]: int(f.attrib[f"{OVF}size"]) for f in root.iter(f"{OVF}File")}
    assert sizes == {f.name: f.stat().st_size for f in unpacked.glob("*.vmdk")}
    capacities = [int(disk.attrib[f"{OVF}capacity"]) for disk in root.iter(f"{OVF}Disk")]
    assert capacities == [CAPACITY, 256 * MIB]


def test_qemu_img_reads_from_it_the_disk_that_was_described(unpacked: Path, tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    vmdk = unpacked / "thresher-sample-disk1.vmdk"
    command = ["qemu-img", "convert", "-f", "vmdk", "-O", "raw", str(vmdk), str(raw)]
    subprocess.run(command, check=True)  # noqa: S603 -- our own file
    expected = bytearray(CAPACITY)
    for extent in sample_disk(CAPACITY, 1, marker="marker-ova", data=DATA):
        expected[extent.offset : extent.end] = extent.data or b""
    assert hashlib.sha256(raw.read_bytes()).digest() == hashlib.sha256(expected).digest()
    assert expected[:512] == boot_sector("marker-ova", CAPACITY // 512)


def test_a_name_that_xml_or_kubernetes_would_not_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        write_sample_ova(tmp_path / "x.ova", "m", name="<b>")


def test_nothing_is_left_where_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        write_sample_ova(tmp_path / "x.ova", "m", capacity=Bytes(MIB))
    assert list(tmp_path.iterdir()) == []


def test_the_manifests_of_the_demo_load_whatever_the_words() -> None:
    text = sample_manifests("http://127.0.0.1:1/a%20b.ova?x=#y", 'a: "VM"\t#1', name="demo")
    manifests = load_manifests(text)
    (vmi,) = manifests.imports
    assert import_spec(vmi).vm_name == 'a: "VM"\t#1'
    source = manifests.source(vmi.source_ref)
    assert source.kind == "OvaSource"
    assert source.spec.url == "http://127.0.0.1:1/a%20b.ova?x=#y"
