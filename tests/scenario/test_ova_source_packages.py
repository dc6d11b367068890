"""Whole packages, in every order, from every kind of place: the disks that went in come out."""

import asyncio
import gzip
import hashlib
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import permutations
from pathlib import Path
from typing import TypeVar

import pytest

from rig.ova import STREAM, PackedDisk, archive, manifest, ovf, vmdk
from rig.webserver import Faults, Length, Seen, serve
from thresher.model.errors import (
    OvaError,
    OvfError,
    SourceDenied,
    SourceError,
    SourceNotFound,
    StreamCut,
    ThresherError,
    VerificationError,
)
from thresher.model.vm import DiskFormat, Severity, SourceVM
from thresher.ports import ByteSource, Export, SourceFacts
from thresher.sources.bytes import HttpAccess
from thresher.sources.ova import OvaSource

ONE, TWO = PackedDisk("disk1.vmdk", vmdk(1)), PackedDisk("disk2.vmdk", vmdk(2))
DESCRIPTOR = ovf({"web": [ONE, TWO]})
FILES = {"web.ovf": DESCRIPTOR, ONE.href: ONE.content, TWO.href: TWO.content}
ACCESS = HttpAccess(timeout_s=5)

Place = Callable[[Path], AbstractContextManager[str]]


@contextmanager
def here(path: Path) -> Iterator[str]:
    yield str(path)


def web(faults: Faults) -> Place:
    @contextmanager
    def place(path: Path) -> Iterator[str]:
        with serve(path.parent, faults=faults) as server:
            yield server.url + path.name

    return place


PLACES = {
    "file": here,
    "range": web(Faults()),
    "stream": web(Faults(ranges=False)),
    "stream of unknown length": web(Faults(ranges=False, length=Length.CHUNKED)),
}


def everything(source: ByteSource | None, offset: int = 0) -> bytes:
    assert source is not None
    stream = source.open(offset)
    buffer, out = memoryview(bytearray(1 << 16)), bytearray()
    try:
        while count := stream.readinto(buffer):
            out += buffer[:count]
    finally:
        stream.close()
    return bytes(out)


def find(location: str, name: str = "web") -> SourceVM:
    async def run() -> SourceVM:
        async with OvaSource(location, ACCESS) as source:
            return await source.find(name)

    return asyncio.run(run())


def check(location: str) -> SourceFacts:
    async def run() -> SourceFacts:
        async with OvaSource(location, ACCESS) as source:
            return await source.check()

    return asyncio.run(run())


T = TypeVar("T")


def exported(location: str, use: Callable[[Export], T], name: str = "web") -> T:
    async def run() -> T:
        async with OvaSource(location, ACCESS) as source:
            vm = await source.find(name)
            async with source.export(vm, "import-1") as export:
                return await asyncio.to_thread(use, export)

    return asyncio.run(run())


def contents(export: Export) -> dict[str, bytes]:
    return {disk.disk.key: everything(disk.bytes) for disk in export.disks}


def checksums(export: Export) -> dict[str, str | None]:
    return {one.disk.key: None if one.checksum is None else one.checksum.hexdigest for one in export.disks}


def packed(folder: Path, files: dict[str, bytes]) -> str:
    return str(archive(folder / "web.ova", files.items()))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("stated", [True, False])
def test_in_whichever_order_the_members_come(tmp_path: Path, place: str, *, stated: bool) -> None:
    members = FILES | ({"web.mf": manifest(FILES)} if stated else {})
    path = tmp_path / "web.ova"
    expected = {
        key: hashlib.sha256(disk.content).hexdigest() if stated else None for key, disk in (("d0", ONE), ("d1", TWO))
    }
    with PLACES[place](path) as location:
        for order in permutations(members):
            archive(path, [(name, members[name]) for name in order])
            found, sums = exported(location, lambda export: (contents(export), checksums(export)))
            assert found == {"d0": ONE.content, "d1": TWO.content}, order
            assert sums == expected, order


def test_disks_are_read_in_place_and_nothing_else_is_asked_for(tmp_path: Path) -> None:
    big = PackedDisk("disk1.vmdk", vmdk(1, 3_000_000))
    descriptor = ovf({"web": [big]})
    members = {"web.ovf": descriptor, "web.mf": manifest({"web.ovf": descriptor}), big.href: big.content}
    path = archive(tmp_path / "web.ova", members.items())
    with serve(tmp_path) as server:
        vm = find(server.url + path.name)
        asked = sum(last - first + 1 for first, last in map(span, server.requests))
    assert vm.disks[0].format is DiskFormat.VMDK_STREAM
    assert asked < 400_000


def span(seen: Seen) -> tuple[int, int]:
    first, last = seen.headers["range"].removeprefix("bytes=").split("-")
    return int(first), int(last)


def test_a_stream_that_is_in_order_passes_once_for_all_disks(tmp_path: Path) -> None:
    members = {"web.ovf": DESCRIPTOR, "web.mf": manifest(FILES), ONE.href: ONE.content, TWO.href: TWO.content}
    path = archive(tmp_path / "web.ova", members.items())
    with serve(tmp_path, faults=Faults(ranges=False)) as server:
        before = exported(server.url + path.name, lambda _: len(server.requests))
        assert exported(server.url + path.name, contents) == {"d0": ONE.content, "d1": TWO.content}
        assert len(server.requests) == 2 * before + 1


def test_disks_of_a_stream_are_given_in_the_order_they_come(tmp_path: Path) -> None:
    members = {TWO.href: TWO.content, ONE.href: ONE.content, "web.ovf": DESCRIPTOR}
    path = archive(tmp_path / "web.ova", members.items())
    with serve(tmp_path, faults=Faults(ranges=False)) as server:
        order = exported(server.url + path.name, lambda e: (e.parallel, [one.disk.key for one in e.disks]))
    assert order == (False, ["d1", "d0"])


def test_of_a_stream_one_disk_is_read_at_a_time(tmp_path: Path) -> None:
    path = archive(tmp_path / "web.ova", FILES.items())

    def use(export: Export) -> None:
        first, second = (disk.bytes for disk in export.disks)
        assert first is not None
        assert second is not None
        early = first.open()
        second.open().close()
        with pytest.raises(SourceError, match="no longer read"):
            early.readinto(memoryview(bytearray(10)))
        assert everything(first) == ONE.content

    with serve(tmp_path, faults=Faults(ranges=False)) as server:
        exported(server.url + path.name, use)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_disk_that_was_cut_goes_on_where_it_stopped(tmp_path: Path, *, ranges: bool) -> None:
    path = archive(tmp_path / "web.ova", FILES.items())
    with serve(tmp_path, faults=Faults(ranges=ranges)) as server:

        def use(export: Export) -> bytes:
            server.faults = Faults(ranges=ranges, cut_after=150_000)
            with pytest.raises(StreamCut):
                everything(export.disks[0].bytes)
            return everything(export.disks[0].bytes, 100_000)

        assert exported(server.url + path.name, use) == ONE.content[100_000:]


@pytest.mark.parametrize("place", PLACES)
def test_an_archive_that_is_cut_is_an_error(tmp_path: Path, place: str) -> None:
    path = archive(tmp_path / "web.ova", FILES.items())
    path.write_bytes(path.read_bytes()[:400_000])
    with PLACES[place](path) as location, pytest.raises((OvaError, StreamCut)):
        exported(location, contents)


@pytest.mark.parametrize("place", PLACES)
def test_a_descriptor_that_was_changed_is_told_at_once(tmp_path: Path, place: str) -> None:
    stated = manifest(FILES | {"web.ovf": b"another"})
    path = archive(tmp_path / "web.ova", (FILES | {"web.mf": stated}).items())
    with PLACES[place](path) as location, pytest.raises(VerificationError, match=r"web\.ovf"):
        exported(location, lambda _: None)


@pytest.mark.parametrize("place", PLACES)
def test_a_file_that_is_missing_blocks_before_anything_is_read(tmp_path: Path, place: str) -> None:
    files = {"web.ovf": DESCRIPTOR, ONE.href: ONE.content}
    path = archive(tmp_path / "web.ova", files.items())
    with PLACES[place](path) as location, pytest.raises(SourceNotFound, match=r"disk2\.vmdk"):
        exported(location, lambda _: None)
    blockers = [loss for loss in find(str(path)).losses if loss.severity is Severity.BLOCKER]
    assert [loss.subject for loss in blockers] == ["disk d1"]


@pytest.mark.parametrize("href", ["../../etc/passwd", "/etc/passwd", "%2e%2e/x", "http://other/x"])
def test_defect_17_a_name_that_leads_out_of_the_package_is_refused(tmp_path: Path, href: str) -> None:
    (tmp_path / "web.ovf").write_bytes(ovf({"web": [PackedDisk(href, b"")]}))
    with pytest.raises(OvfError):
        find(str(tmp_path / "web.ovf"))


def test_a_size_that_differs_is_an_error_where_nothing_vouches(tmp_path: Path) -> None:
    disk = PackedDisk("disk1.vmdk", ONE.content, size=len(ONE.content) + 1)
    files = {"web.ovf": ovf({"web": [disk]}), disk.href: disk.content}
    with pytest.raises(VerificationError, match=str(len(ONE.content))):
        exported(packed(tmp_path, files), lambda _: None)
    vouched = files | {"web.mf": manifest(files)}
    assert exported(packed(tmp_path, vouched), contents) == {"d0": ONE.content}
    losses = find(packed(tmp_path, vouched)).losses
    assert [loss.severity for loss in losses if loss.rule == "FileSizeDiffers"] == [Severity.WARNING]


def test_the_image_tells_its_capacity(tmp_path: Path) -> None:
    disk = PackedDisk("disk1.vmdk", vmdk(1, capacity=3 << 20), capacity=2 << 20)
    vm = find(packed(tmp_path, {"web.ovf": ovf({"web": [disk]}), disk.href: disk.content}))
    assert vm.disks[0].capacity == 3 << 20
    assert "CapacityDiffers" in [loss.rule for loss in vm.losses]


def chunked(href: str, content: bytes, size: int) -> dict[str, bytes]:
    starts = range(0, len(content), size)
    return {f"{href}.{number:09d}": content[at : at + size] for number, at in enumerate(starts)}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize("stated", [True, False])
def test_chunks_and_gzip_are_put_together(tmp_path: Path, place: str, *, gzipped: bool, stated: bool) -> None:
    stored = gzip.compress(ONE.content) if gzipped else ONE.content
    attributes = 'ovf:chunkSize="50000"' + (' ovf:compression="gzip"' if gzipped else "")
    disk = PackedDisk("disk1.vmdk", stored, size=len(stored), attributes=attributes)
    files = {"web.ovf": ovf({"web": [disk]})} | chunked(disk.href, stored, 50_000)
    files |= {"web.mf": manifest(files)} if stated else {}
    with PLACES[place](archive(tmp_path / "web.ova", files.items())) as location:
        assert exported(location, contents) == {"d0": ONE.content}


@pytest.mark.parametrize("place", PLACES)
def test_a_chunk_that_was_damaged_is_told(tmp_path: Path, place: str) -> None:
    disk = PackedDisk("disk1.vmdk", b"", size=len(ONE.content), attributes='ovf:chunkSize="90000"')
    files = {"web.ovf": ovf({"web": [disk]})} | chunked(disk.href, ONE.content, 90_000)
    files |= {"web.mf": manifest(files)}
    files["disk1.vmdk.000000001"] = bytes(90_000)
    with (
        PLACES[place](archive(tmp_path / "web.ova", files.items())) as location,
        pytest.raises(VerificationError, match="000000001"),
    ):
        exported(location, contents)


def test_a_chunk_that_is_missing_is_named(tmp_path: Path) -> None:
    disk = PackedDisk("disk1.vmdk", b"", size=len(ONE.content), attributes='ovf:chunkSize="90000"')
    files = {"web.ovf": ovf({"web": [disk]})} | chunked(disk.href, ONE.content, 90_000)
    del files["disk1.vmdk.000000002"]
    with pytest.raises(SourceNotFound, match="000000002"):
        exported(packed(tmp_path, files), contents)


@pytest.mark.parametrize("over", ["file", "range"])
def test_a_descriptor_with_its_files_beside_it(tmp_path: Path, over: str) -> None:
    disk = PackedDisk("내%20disk%201.vmdk", ONE.content)
    files = {"내 disk 1.vmdk": ONE.content, "my web.ovf": ovf({"web": [disk]})}
    files |= {"my web.mf": manifest(files)}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with PLACES[over](tmp_path / "my web.ovf") as location:
        found, sums = exported(location, lambda export: (contents(export), checksums(export)))
    assert found == {"d0": ONE.content}
    assert sums == {"d0": hashlib.sha256(ONE.content).hexdigest()}


SPLIT = b"""# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="twoGbMaxExtentFlat"

# Extent description
RW 1024 FLAT "disk-f001.vmdk" 0
RW 1024 FLAT "disk-f002.vmdk" 0
"""


@pytest.mark.parametrize("place", PLACES)
def test_the_extents_of_a_split_disk_come_along(tmp_path: Path, place: str) -> None:
    disk = PackedDisk("disks/disk.vmdk", SPLIT, format="http://www.vmware.com/interfaces/specifications/vmdk.html")
    files = {"web.ovf": ovf({"web": [disk]}), disk.href: SPLIT}
    files |= {f"disks/disk-f00{n}.vmdk": bytes([n]) * (1024 * 512) for n in (1, 2)}

    def use(export: Export) -> dict[str, bytes]:
        only = export.disks[0]
        assert only.format is DiskFormat.VMDK
        return {name: everything(source) for name, source in only.siblings}

    with PLACES[place](archive(tmp_path / "web.ova", files.items())) as location:
        found = exported(location, use)
    assert found == {f"disk-f00{n}.vmdk": bytes([n]) * (1024 * 512) for n in (1, 2)}


def test_the_only_vm_is_found_under_any_name(tmp_path: Path) -> None:
    # The add-on names the new VM by virtualMachineName and does not look it up in the OVA.
    path = packed(tmp_path, FILES)
    assert find(path, "web").name == "web"
    assert find(path, "new-name").name == "new-name"
    assert exported(path, contents, "new-name") == {"d0": ONE.content, "d1": TWO.content}


def test_of_several_vms_the_name_decides(tmp_path: Path) -> None:
    files = FILES | {"web.ovf": ovf({"web": [ONE], "db": [TWO]})}
    path = packed(tmp_path, files)
    assert exported(path, contents, "db") == {"d1": TWO.content}
    with pytest.raises(SourceNotFound, match="'web', 'db'"):
        find(path, "mail")


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(credentials=("a", "b")), SourceDenied),
        (Faults(status=404), SourceNotFound),
        (Faults(page=True), SourceError),
        (Faults(), OvaError),
    ],
)
def test_a_source_that_is_not_ready_says_why(tmp_path: Path, faults: Faults, error: type[ThresherError]) -> None:
    (tmp_path / "web.ova").write_bytes(ONE.content)
    with serve(tmp_path, faults=faults) as server, pytest.raises(error):
        check(f"{server.url}web.ova")


@pytest.mark.parametrize(("ranges", "way"), [(True, "in place"), (False, "one stream")])
def test_a_source_that_is_ready_says_how_it_is_read(tmp_path: Path, way: str, *, ranges: bool) -> None:
    packed(tmp_path, FILES)
    with serve(tmp_path, faults=Faults(ranges=ranges)) as server:
        assert way in check(f"{server.url}web.ova").detail


def test_a_tar_without_a_descriptor_is_no_ova(tmp_path: Path) -> None:
    with pytest.raises(OvaError, match=r"no \.ovf"):
        find(packed(tmp_path, {"a.txt": b"a"}))


def test_a_fixed_vhd_is_told_by_its_end(tmp_path: Path) -> None:
    # Microsoft's VHD specification: the footer is the file's last 512 bytes, and a fixed disk has no header.
    footer = bytearray(512)
    struct.pack_into(">8sIIQ", footer, 0, b"conectix", 2, 0x10000, (1 << 64) - 1)
    struct.pack_into(">QQ", footer, 40, 1 << 20, 1 << 20)
    struct.pack_into(">I", footer, 60, 2)
    struct.pack_into(">I", footer, 64, 0xFFFFFFFF - sum(footer))
    disk = PackedDisk("disk.vhd", bytes(1 << 20) + footer, format="")
    vm = find(packed(tmp_path, {"web.ovf": ovf({"web": [disk]}), disk.href: disk.content}))
    assert vm.disks[0].format is DiskFormat.VHD
    assert not vm.losses


def test_a_disk_that_is_stated_to_be_raw_is_not_judged_by_its_first_bytes(tmp_path: Path) -> None:
    # The guest chooses what its disk begins with; a qcow2 header there must not be followed.
    disk = PackedDisk("disk.img", b"QFI\xfb" + bytes(1 << 20), format="http://en.wikipedia.org/wiki/Byte")
    vm = find(packed(tmp_path, {"web.ovf": ovf({"web": [disk]}), disk.href: disk.content}))
    assert vm.disks[0].format is DiskFormat.RAW
    assert not vm.losses


@pytest.mark.parametrize("place", PLACES)
def test_a_vm_without_disks_has_its_descriptor_checked_all_the_same(tmp_path: Path, place: str) -> None:
    files = {"web.ovf": ovf({"web": []}), "web.mf": manifest({"web.ovf": b"another"})}
    path = archive(tmp_path / "web.ova", files.items())
    with PLACES[place](path) as location, pytest.raises(VerificationError, match=r"web\.ovf"):
        exported(location, lambda _: None)


def test_a_descriptor_over_http_is_asked_for_with_its_signature_and_credentials(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    with serve(tmp_path, faults=Faults(credentials=("frida", "s3cret"))) as server:
        url = server.url.replace("//", "//frida:s3cret@") + "web.ovf?signature=abc"
        assert exported(url, contents) == {"d0": ONE.content, "d1": TWO.content}
        assert all("signature=abc" in seen.path for seen in server.requests)


def test_facts_and_findings_hold_no_password(tmp_path: Path) -> None:
    disk = PackedDisk("missing.vmdk", b"")
    (tmp_path / "web.ovf").write_bytes(ovf({"web": [disk]}))
    with serve(tmp_path, faults=Faults(credentials=("frida", "s3cret"))) as server:
        url = server.url.replace("//", "//frida:s3cret@") + "web.ovf"
        assert "s3cret" not in repr(check(url)) + repr(find(url))
        with pytest.raises(SourceNotFound) as caught:
            exported(url, contents)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("place", PLACES)
def test_a_disk_that_the_manifest_leaves_out_is_held_to_its_stated_size(tmp_path: Path, place: str) -> None:
    wrong = PackedDisk(TWO.href, TWO.content, size=len(TWO.content) - 1)
    listed = {"web.ovf": ovf({"web": [ONE, wrong]}), ONE.href: ONE.content}
    files = {"web.ovf": listed["web.ovf"], "web.mf": manifest(listed)} | FILES | listed
    path = archive(tmp_path / "web.ova", files.items())
    with PLACES[place](path) as location, pytest.raises(VerificationError, match=r"disk2\.vmdk"):
        exported(location, lambda _: None)


@pytest.mark.parametrize("place", PLACES)
def test_the_format_is_what_the_bytes_are(tmp_path: Path, place: str) -> None:
    sparse = PackedDisk("disk1.vmdk", ONE.content, format=STREAM.partition("#")[0])
    files = {"web.ovf": ovf({"web": [sparse]}), sparse.href: sparse.content}
    ordered = {"web.ovf": files["web.ovf"], "web.mf": manifest(files)} | files
    path = archive(tmp_path / "web.ova", ordered.items())
    with PLACES[place](path) as location:
        assert exported(location, lambda e: e.disks[0].format) is DiskFormat.VMDK_STREAM
