"""``thresher inspect`` as a user has it: what each platform's package holds, from wherever it lies."""

import base64
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig import cli, ova
from rig.ova import PackedDisk
from rig.webserver import Faults, serve
from thresher.model.units import GIB, MIB
from thresher.samples.ova import write_sample_ova

USAGE, FORMAT, SOURCE = 2, 3, 4
DATA = Path(__file__).parent.parent / "data" / "ovf"

VM_KEYS = {
    "name",
    "guest_os",
    "vcpus",
    "cores_per_socket",
    "memory_bytes",
    "firmware",
    "disks",
    "nics",
    "warnings",
}
"""Of one VM of the JSON, as the README documents it."""
FIRMWARE_KEYS = {"type", "secure_boot", "tpm"}
DISK_KEYS = {"key", "file", "format", "capacity_bytes", "bus", "controller"}
NIC_KEYS = {"network", "mac", "model"}


def shaped(vms: Any) -> list[dict[str, Any]]:
    """The VMs, proved to have exactly the documented keys and types."""
    assert isinstance(vms, list)
    for vm in vms:
        assert set(vm) == VM_KEYS
        assert set(vm["firmware"]) == FIRMWARE_KEYS
        assert vm["firmware"]["type"] in {"bios", "efi"}
        assert all(set(disk) == DISK_KEYS for disk in vm["disks"])
        assert all(set(nic) == NIC_KEYS for nic in vm["nics"])
        assert all(isinstance(warning, str) for warning in vm["warnings"])
        for number in (vm["vcpus"], vm["cores_per_socket"], vm["memory_bytes"]):
            assert type(number) is int
        assert type(vm["firmware"]["secure_boot"]) is type(vm["firmware"]["tpm"]) is bool
    return vms


def inspected(location: str | Path, *options: str | Path) -> list[dict[str, Any]]:
    return shaped(cli.here("inspect", location, "--output", "json", *options).json)


def disk(key: str, file: str | None, kind: str, capacity: int | None, bus: str, controller: str) -> dict[str, Any]:
    return {
        "key": key,
        "file": file,
        "format": kind,
        "capacity_bytes": capacity,
        "bus": bus,
        "controller": controller,
    }


PLATFORMS: Mapping[str, list[dict[str, Any]]] = {
    "vmware_linux": [
        {
            "name": "web01",
            "guest_os": "ubuntu64Guest",
            "vcpus": 2,
            "cores_per_socket": 1,
            "memory_bytes": 4 * GIB,
            "firmware": {"type": "bios", "secure_boot": False, "tpm": False},
            "disks": [
                disk("vmdisk1", "web01-disk1.vmdk", "vmdk-stream", 40 * GIB, "scsi", "pvscsi"),
                disk("vmdisk2", "web01-disk2.vmdk", "vmdk-stream", 100 * GIB, "scsi", "pvscsi"),
            ],
            "nics": [
                {"network": "VM Network", "mac": "00:50:56:9a:1b:01", "model": "vmxnet3"},
                {"network": "prod/db", "mac": "00:50:56:9a:1b:02", "model": "e1000"},
            ],
        }
    ],
    "vmware_windows": [
        {
            "name": "win app",
            "guest_os": "windows2019srvNext_64Guest",
            "vcpus": 8,
            "cores_per_socket": 4,
            "memory_bytes": 16 * GIB,
            "firmware": {"type": "efi", "secure_boot": True, "tpm": True},
            "disks": [
                disk("vmdisk2", "win%20app-disk2.vmdk", "vmdk-stream", 100 * GIB, "scsi", "lsilogicsas"),
                disk("vmdisk1", "win%20app-disk1.vmdk", "vmdk-stream", 90 * GIB, "nvme", "nvme"),
            ],
            "nics": [{"network": "DMZ", "mac": None, "model": "e1000e"}],
        }
    ],
    "virtualbox_1": [
        {
            "name": "deb",
            "guest_os": "Debian_64",
            "vcpus": 2,
            "cores_per_socket": 1,
            "memory_bytes": 2 * GIB,
            "firmware": {"type": "efi", "secure_boot": False, "tpm": False},
            "disks": [
                disk("vmdisk1", "deb-disk001.vmdk", "vmdk-stream", 20 * GIB, "sata", "ahci"),
                disk("vmdisk2", "deb-disk002.vmdk", "vmdk-stream", GIB, "ide", "piix4"),
            ],
            "nics": [{"network": "NAT", "mac": "08:00:27:c4:d5:e6", "model": "e1000"}],
        }
    ],
    "virtualbox_2": [
        {
            "name": "alp",
            "guest_os": "Linux26_64",
            "vcpus": 1,
            "cores_per_socket": 1,
            "memory_bytes": 512 * MIB,
            "firmware": {"type": "bios", "secure_boot": False, "tpm": False},
            "disks": [disk("vmdisk1", "alp-disk001.vmdk", "vmdk-stream", 8 * GIB, "sata", "ahci")],
            "nics": [{"network": "Bridged", "mac": None, "model": "virtio"}],
        }
    ],
}
"""What each platform's own descriptor says, by its file."""

CAPACITIES = {
    "web01-disk1.vmdk": 40 * GIB,
    "web01-disk2.vmdk": 100 * GIB,
    "win%20app-disk1.vmdk": 90 * GIB,
    "win%20app-disk2.vmdk": 100 * GIB,
    "deb-disk001.vmdk": 20 * GIB,
    "deb-disk002.vmdk": GIB,
    "alp-disk001.vmdk": 8 * GIB,
}


def folder_of(name: str, folder: Path) -> Path:
    """The platform's descriptor with a disk beside it for each file it names, the manifest vouching for them."""
    descriptor = (DATA / f"{name}.ovf").read_bytes()
    files = {f"{name}.ovf": descriptor}
    files |= {
        file: ova.vmdk(1, 1000, capacity) for file, capacity in CAPACITIES.items() if f'"{file}"'.encode() in descriptor
    }
    for file, content in files.items():
        (folder / file).write_bytes(content)
    (folder / f"{name}.mf").write_bytes(ova.manifest(files))
    return folder / f"{name}.ovf"


def without_warnings(vms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in vm.items() if key != "warnings"} for vm in vms]


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_descriptor_with_its_disks_beside_it(name: str, tmp_path: Path) -> None:
    assert without_warnings(inspected(folder_of(name, tmp_path))) == PLATFORMS[name]


@pytest.mark.parametrize("name", PLATFORMS)
def test_an_archive_of_the_same(name: str, tmp_path: Path) -> None:
    descriptor = folder_of(name, tmp_path)
    members = [descriptor, *sorted(tmp_path.glob("*.vmdk")), descriptor.with_suffix(".mf")]
    packed = ova.archive(tmp_path / "x.ova", [(file.name, file.read_bytes()) for file in members])
    assert without_warnings(inspected(packed)) == PLATFORMS[name]


def test_a_descriptor_of_ovirt(tmp_path: Path) -> None:
    """Its disks are not here; what the descriptor says is shown all the same."""
    (tmp_path / "vm.ovf").write_bytes((DATA / "ovirt.ovf").read_bytes())
    (vm,) = inspected(tmp_path / "vm.ovf")
    assert (vm["name"], vm["guest_os"], vm["vcpus"], vm["cores_per_socket"]) == ("rhel8-db", "rhel_8x64", 4, 2)
    assert vm["firmware"] == {"type": "efi", "secure_boot": True, "tpm": True}
    assert [(one["bus"], one["controller"], one["format"]) for one in vm["disks"]] == [
        ("scsi", "virtio-scsi", "qcow2"),
        ("virtio", "virtio", "raw"),
    ]
    assert vm["nics"] == [
        {"network": "ovirtmgmt", "mac": "56:6f:1a:2b:00:01", "model": "virtio"},
        {"network": None, "mac": None, "model": "e1000"},
    ]


def test_what_is_lost_is_among_the_warnings(tmp_path: Path) -> None:
    (vm,) = inspected(folder_of("vmware_linux", tmp_path))
    assert any("Floppy 1" in warning for warning in vm["warnings"])
    assert any("CD-ROM 1" in warning for warning in vm["warnings"])


def test_a_collection_of_two_vms(tmp_path: Path) -> None:
    held = {"front": [PackedDisk("a.vmdk", ova.vmdk(1))], "back": [PackedDisk("b.vmdk", ova.vmdk(2))]}
    files = [("two.ovf", ova.ovf(held)), *((one.href, one.content) for vm in held.values() for one in vm)]
    front, back = inspected(ova.archive(tmp_path / "two.ova", files))
    assert (front["name"], back["name"]) == ("front", "back")
    assert [one["file"] for vm in (front, back) for one in vm["disks"]] == ["a.vmdk", "b.vmdk"]
    assert (front["vcpus"], front["memory_bytes"]) == (2, 512 * MIB)


def test_a_blank_disk_has_no_file(tmp_path: Path) -> None:
    (tmp_path / "shop.ovf").write_bytes((DATA / "collection.ovf").read_bytes())
    app = inspected(tmp_path / "shop.ovf")[0]
    assert app["disks"][1] == disk("scratch", None, "blank", 5 * 10**9, "scsi", "buslogic")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sample.ova"
    write_sample_ova(path, "hello")
    return path


WAYS: Mapping[str, Faults] = {"Range": Faults(), "no Range": Faults(ranges=False)}


@pytest.mark.parametrize("faults", WAYS.values(), ids=WAYS)
def test_a_url_says_what_the_file_says(faults: Faults, sample: Path) -> None:
    with serve(sample.parent, faults=faults) as web:
        assert inspected(f"{web.url}{sample.name}") == inspected(sample)
        assert web.sent < sample.stat().st_size / 2, "a look at the package is no download"


def test_a_server_with_a_certificate_and_a_password_of_its_own(sample: Path, tmp_path: Path) -> None:
    with serve(sample.parent, tls=True, faults=Faults(credentials=("kim", "secret"))) as web:
        (tmp_path / "ca.pem").write_text(web.ca_pem)
        url = web.url.replace("https://", "https://kim:secret@") + sample.name
        assert inspected(url, "--ca", tmp_path / "ca.pem") == inspected(sample)
        distrusted = cli.here("inspect", url)
    assert distrusted.code == SOURCE
    assert "secret" not in cli.complaint(distrusted)


def test_yaml_says_what_json_says(sample: Path) -> None:
    text = cli.run("inspect", sample, "-o", "yaml").out
    assert yaml.safe_load(text) == inspected(sample)


def test_the_table_fits_a_terminal_and_names_everything(sample: Path) -> None:
    outcome = cli.run("inspect", sample, env={"COLUMNS": "80"})
    assert outcome.code == 0
    assert max(len(line) for line in outcome.out.splitlines()) <= 80
    wanted = ("thresher-sample", "64.0 MiB", "1.0 GiB", "sata", "VM Network", "00:50:56:12:34:56", "bios", "vmxnet3")
    assert [word for word in wanted if word not in outcome.out] == []
    assert "thresher-sample-disk1.vmdk" in outcome.out.replace("\n", "")


def test_markup_in_a_name_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    held = {"[red]rack[/red]": [PackedDisk("a.vmdk", ova.vmdk(1))]}
    packed = ova.archive(tmp_path / "x.ova", [("x.ovf", ova.ovf(held)), ("a.vmdk", ova.vmdk(1))])
    assert "[red]rack[/red]" in cli.here("inspect", packed).out


def test_a_missing_disk_is_a_warning_and_the_vm_is_still_shown(tmp_path: Path) -> None:
    held = {"vm": [PackedDisk("here.vmdk", ova.vmdk(1)), PackedDisk("gone.vmdk", b"")]}
    packed = ova.archive(tmp_path / "x.ova", [("x.ovf", ova.ovf(held)), ("here.vmdk", ova.vmdk(1))])
    (vm,) = inspected(packed)
    assert [one["file"] for one in vm["disks"]] == ["here.vmdk", "gone.vmdk"]
    (warning,) = vm["warnings"]
    assert "gone.vmdk" in warning
    table = cli.here("inspect", packed)
    assert table.code == 0
    assert "gone.vmdk" in table.out


# -- what is no package -------------------------------------------------------------------------------------


def refused(code: int, *words: str | Path) -> str:
    outcome = cli.here("inspect", *words, "-o", "json")
    said = cli.complaint(outcome)
    assert outcome.code == code, said
    assert outcome.out == ""
    return said


def _escaping(_: Path) -> bytes:
    return ova.ovf({"vm": [PackedDisk("../../etc/passwd", b"")]})


def _bomb(_: Path) -> bytes:
    """The "billion laughs"."""
    rows = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{rows}]><Envelope>&l9;</Envelope>'.encode()


def _peeking(folder: Path) -> bytes:
    """An external entity: it must never be opened."""
    (folder / "secret.txt").write_text("the-secret")
    entity = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{folder}/secret.txt">]>'
    return f'<?xml version="1.0"?>{entity}<Envelope>&s;</Envelope>'.encode()


BAD_DESCRIPTORS: Mapping[str, tuple[Callable[[Path], bytes], str]] = {
    "a file outside the package": (_escaping, "../../etc/passwd"),
    "an entity bomb": (_bomb, "entity"),
    "an external entity": (_peeking, "entity"),
    "no XML": (lambda _: b"hello", "XML"),
    "another XML": (lambda _: b"<html/>", "x.ovf"),
    "nothing": (lambda _: b"", "x.ovf"),
}


@pytest.mark.parametrize(("make", "word"), BAD_DESCRIPTORS.values(), ids=BAD_DESCRIPTORS)
@pytest.mark.parametrize("packed", [False, True], ids=["ovf", "ova"])
def test_bad_descriptors(make: Callable[[Path], bytes], word: str, *, packed: bool, tmp_path: Path) -> None:
    content = make(tmp_path)
    place = tmp_path / "x.ovf"
    place.write_bytes(content)
    if packed:
        place = ova.archive(tmp_path / "x.ova", [("x.ovf", content)])
    said = refused(FORMAT, place)
    assert word.replace("x.ovf", place.name) in said
    assert "the-secret" not in said


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert "none.ova" in refused(SOURCE, tmp_path / "none.ova")


def test_a_folder(tmp_path: Path) -> None:
    assert str(tmp_path) in refused(SOURCE, tmp_path)


NO_ARCHIVES = {
    "noise": ova.vmdk(3)[70_000:90_000],
    "zeros": bytes(10_240),
    "text": b"<!DOCTYPE html>\n<title>Log in</title>\n" * 40,
    "nothing": b"",
}


@pytest.mark.parametrize("content", NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_a_file_that_is_no_archive(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.ova").write_bytes(content)
    assert "x.ova" in refused(FORMAT, tmp_path / "x.ova")


def test_an_archive_without_a_descriptor(tmp_path: Path) -> None:
    assert "descriptor" in refused(FORMAT, ova.archive(tmp_path / "x.ova", [("readme.txt", b"hi")]))


def test_an_archive_that_is_cut(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "x.ova").write_bytes(sample.read_bytes()[:100_000])
    assert "cut" in refused(FORMAT, tmp_path / "x.ova")


def test_an_archive_with_a_member_outside(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.ova", "w") as tar:
        tar.addfile(tarfile.TarInfo("../../etc/passwd"))
    assert "../../etc/passwd" in refused(FORMAT, tmp_path / "x.ova")


ANSWERS: Mapping[str, tuple[Faults, int, str]] = {
    "404": (Faults(status=404), SOURCE, "404"),
    "401": (Faults(credentials=("kim", "secret")), SOURCE, "401"),
    "403": (Faults(status=403), SOURCE, "403"),
    "500": (Faults(status=500), SOURCE, "500"),
    "HTML": (Faults(page=True), SOURCE, "web page"),
}


@pytest.mark.parametrize(("faults", "code", "word"), ANSWERS.values(), ids=ANSWERS)
def test_answers_of_a_web_server(faults: Faults, code: int, word: str, sample: Path) -> None:
    with serve(sample.parent, faults=faults) as web:
        said = refused(code, f"{web.url}{sample.name}")
    assert word in said
    assert sample.name in said


def test_nobody_listens_and_the_password_stays_untold() -> None:
    said = refused(SOURCE, "http://kim:hush-hush@127.0.0.1:1/x.ova")
    assert "127.0.0.1:1" in said
    assert "hush-hush" not in said
    assert base64.b64encode(b"kim:hush-hush").decode() not in said


def test_an_address_that_is_none() -> None:
    assert "http" in refused(USAGE, "ftp://example.com/x.ova")


def test_json_of_several_vms_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "shop.ovf").write_bytes((DATA / "collection.ovf").read_bytes())
    assert len(json.loads(cli.run("inspect", tmp_path / "shop.ovf", "-o", "json").out)) == 2
