import struct
import subprocess
from pathlib import Path

import pytest

from thresher.formats.probe import HEAD_BYTES, TAIL_BYTES, ImageProbe, probe_image
from thresher.model.errors import ImageError
from thresher.model.units import MIB, Bytes
from thresher.model.vm import DiskFormat

SIZE = Bytes(5 * MIB)
DESCRIPTOR = '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID={cid}\ncreateType="custom"\n{lines}\n'


def create(folder: Path, name: str, *options: str) -> Path:
    """Make an image with qemu-img; a VMDK's extents land beside it."""
    command = ["qemu-img", "create", "-q", "--object", "secret,id=key,data=secret", *options, name]
    if "-b" not in options:
        command.append(str(SIZE))
    for _ in range(9):  # QEMU times the key's derivation, and gives up where a busy machine lets no time be measured
        if subprocess.run(command, cwd=folder, check=False).returncode == 0:  # noqa: S603 (our own arguments)
            return folder / name
    raise AssertionError(f"qemu-img makes no image of {options}")


def probe(image: Path, head: int = HEAD_BYTES) -> ImageProbe:
    data = image.read_bytes()
    return probe_image(data[:head], name=image.name, tail=data[-TAIL_BYTES:])


def descriptor(lines: str, cid: str = "ffffffff") -> bytes:
    return DESCRIPTOR.format(cid=cid, lines=lines).encode()


def sparse(text: bytes = b"", *, capacity: int = 128, flags: int = 3, version: int = 1, algorithm: int = 0) -> bytes:
    """A hosted sparse extent as Virtual Disk Format 5.0 lays it out, its descriptor at sector 1."""
    header = struct.pack(
        "<4sIIQQQQIQQQB4sH",
        b"KDMV",
        version,
        flags,
        capacity,
        128,
        1,
        20,
        512,
        21,
        26,
        128,
        0,
        b"\n \r\n",
        algorithm,
    )
    return header.ljust(512, b"\0") + text.ljust(HEAD_BYTES - 512, b"\0")


@pytest.mark.parametrize(
    ("subformat", "expected"),
    [
        ("monolithicSparse", ImageProbe(DiskFormat.VMDK, SIZE)),
        ("streamOptimized", ImageProbe(DiskFormat.VMDK_STREAM, SIZE)),
        ("monolithicFlat", ImageProbe(DiskFormat.VMDK, SIZE, ("disk-flat.vmdk",))),
        ("twoGbMaxExtentFlat", ImageProbe(DiskFormat.VMDK, SIZE, ("disk-f001.vmdk",))),
        ("twoGbMaxExtentSparse", ImageProbe(DiskFormat.VMDK, SIZE, ("disk-s001.vmdk",))),
    ],
)
def test_every_kind_of_vmdk_that_qemu_img_makes(tmp_path: Path, subformat: str, expected: ImageProbe) -> None:
    found = probe(create(tmp_path, "disk.vmdk", "-f", "vmdk", "-o", f"subformat={subformat}"))
    assert found == expected
    assert all((tmp_path / name).is_file() for name in found.extents)


def test_other_generations_of_sparse_extents(tmp_path: Path) -> None:
    for option in ("compat6=on", "zeroed_grain=on"):
        image = create(tmp_path, "d.vmdk", "-f", "vmdk", "-o", option)
        assert probe(image) == ImageProbe(DiskFormat.VMDK, SIZE)
    cowd = struct.pack("<4s7I", b"COWD", 1, 3, SIZE // 512, 1, 4, 1, 8).ljust(2048, b"\0")
    assert probe_image(cowd, name="x") == ImageProbe(DiskFormat.VMDK, SIZE)


def test_a_sparse_split_extent_is_a_vmdk_by_itself(tmp_path: Path) -> None:
    create(tmp_path, "disk.vmdk", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse")
    assert probe(tmp_path / "disk-s001.vmdk") == ImageProbe(DiskFormat.VMDK, SIZE)


@pytest.mark.parametrize(
    ("flags", "algorithm", "expected"),
    [
        (3 | 1 << 16 | 1 << 17, 1, DiskFormat.VMDK_STREAM),
        (3 | 1 << 16, 1, DiskFormat.VMDK),
        (3 | 1 << 17, 1, DiskFormat.VMDK),
        (3 | 1 << 16 | 1 << 17, 0, DiskFormat.VMDK),
    ],
)
def test_a_stream_has_compression_markers_and_deflate(flags: int, algorithm: int, expected: DiskFormat) -> None:
    head = sparse(flags=flags, algorithm=algorithm, version=3)
    assert probe_image(head, name="x") == ImageProbe(expected, Bytes(128 * 512))


@pytest.mark.parametrize("compat", ["0.10", "1.1"])
def test_qcow2_of_both_versions(tmp_path: Path, compat: str) -> None:
    image = create(tmp_path, "disk.qcow2", "-f", "qcow2", "-o", f"compat={compat}")
    assert probe(image) == ImageProbe(DiskFormat.QCOW2, SIZE)


@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
def test_vhd_and_vhdx(tmp_path: Path, subformat: str) -> None:
    vhd = create(tmp_path, "d.vhd", "-f", "vpc", "-o", f"subformat={subformat},force_size=on")
    assert probe(vhd) == ImageProbe(DiskFormat.VHD, SIZE)
    vhdx = create(tmp_path, "d.vhdx", "-f", "vhdx", "-o", f"subformat={subformat}")
    assert probe(vhdx) == ImageProbe(DiskFormat.VHDX, None)
    assert probe(vhdx, head=4 * MIB) == ImageProbe(DiskFormat.VHDX, SIZE)


def test_everything_else_is_raw(tmp_path: Path) -> None:
    assert probe(create(tmp_path, "d.raw", "-f", "raw")) == ImageProbe(DiskFormat.RAW, None)
    fixed = create(tmp_path, "d.vhd", "-f", "vpc", "-o", "subformat=fixed").read_bytes()
    assert probe_image(fixed[:HEAD_BYTES], name="no tail").format is DiskFormat.RAW
    for head in (b"", b"K", b"LUKS\xba\xbe\0\1", b"\xeb\x63\x90" + bytes(500) + b"\x55\xaa"):
        assert probe_image(head, name="x") == ImageProbe(DiskFormat.RAW, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-f", "qcow2", "-b", "base.raw", "-F", "raw"], "backing file"),
        (["-f", "qcow2", "-o", "compat=0.10", "-b", "base.raw", "-F", "raw"], "backing file"),
        (["-f", "qcow2", "-o", "data_file=data.raw"], "external file"),
        (["-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=key"], "encrypted"),
        (["-f", "qcow2", "-o", "encrypt.format=aes,encrypt.key-secret=key"], "encrypted"),
        (["-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk"], "snapshot or linked clone"),
        (["-f", "qed", "-b", "base.raw", "-F", "raw"], "QED"),
        (["-f", "qcow"], "qcow image of version 1"),
        (["-f", "vdi"], "VDI"),
        (["-f", "parallels"], "Parallels"),
    ],
)
def test_images_that_reach_out_or_are_not_read(tmp_path: Path, options: list[str], words: str) -> None:
    create(tmp_path, "base.raw", "-f", "raw")
    create(tmp_path, "base.vmdk", "-f", "vmdk")
    with pytest.raises(ImageError, match=f"'disk' .*{words}"):
        probe(create(tmp_path, "disk", *options))


def test_differencing_disks_of_hyper_v_are_refused(tmp_path: Path) -> None:
    vhd = bytearray(create(tmp_path, "d.vhd", "-f", "vpc").read_bytes())
    vhd[63] = 4
    with pytest.raises(ImageError, match="wrong checksum"):
        probe_image(bytes(vhd), name="d.vhd")
    vhd[64:68] = (int.from_bytes(vhd[64:68], "big") - 1).to_bytes(4, "big")
    with pytest.raises(ImageError, match="differencing VHD,"):
        probe_image(bytes(vhd), name="d.vhd")
    vhdx = bytearray(create(tmp_path, "d.vhdx", "-f", "vhdx").read_bytes())
    parameters = vhdx.index(b"metadata") + 64 * 1024
    vhdx[parameters + 4] |= 2
    with pytest.raises(ImageError, match="differencing VHDX,"):
        probe_image(bytes(vhdx), name="d.vhdx")


def test_a_descriptors_extents_in_order() -> None:
    text = descriptor(
        'RW 4192256 SPARSE "My VM (1)-s001.vmdk"\r\nRW 100 ZERO\n# RW 1 FLAT "/no"\n'
        'RDONLY 50 FLAT "디스크-flat.vmdk" 0\n\tNOACCESS 10 VMFS "c.vmdk"'
    )
    assert probe_image(text, name="x") == ImageProbe(
        DiskFormat.VMDK, Bytes(4192416 * 512), ("My VM (1)-s001.vmdk", "디스크-flat.vmdk", "c.vmdk")
    )


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "..",
        ".",
        "sub/x.vmdk",
        "a\\b",
        "\\\\.\\PhysicalDrive0",
        "nbd://h:1/x",
        "nbd:unix:s",
        "json:{}",
        "/dev/sda",
        "",
        "fat:x",
        "x\x00y",
        "\x1b[2J",
    ],
)
def test_extents_outside_the_image_are_refused(name: str) -> None:
    text = descriptor(f'RW 10 FLAT "{name}" 0')
    for head in (text, sparse(text, capacity=0)):
        with pytest.raises(ImageError, match="extent"):
            probe_image(head, name="x")


@pytest.mark.parametrize(
    "line",
    [
        'RW 10 FLAT"/etc/passwd" 0',
        'RW\n10\nFLAT\n"/etc/passwd" 0',
        'RW 10FLAT "/etc/passwd" 0',
        '\v RW 10 VMFS "/etc/passwd"',
        'RW 10 VMFS "/etc/passwd',
        'RW 99999999999999999999 FLAT "/etc/passwd" 0',
    ],
)
def test_extents_as_only_qemu_would_read_them_do_not_slip_through(line: str) -> None:
    with pytest.raises(ImageError, match="extent"):
        probe_image(descriptor(line), name="x")


def test_a_descriptor_that_only_qemu_would_recognise_is_one() -> None:
    with pytest.raises(ImageError, match="/etc/passwd"):
        probe_image(b'# hello\r\n\n  version=1\nRW 10 FLAT "/etc/passwd" 0\n', name="x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (descriptor('RW 1 FLAT "a" 0', cid="fffffffe"), "parent outside"),
        (descriptor('RW 1 FLAT "a" 0\nparentFileNameHint="b.vmdk"'), "parent outside"),
        (descriptor('RW 1 FLAT "a" 0\n# parentFileNameHint="b.vmdk"'), "parent outside"),
    ],
)
def test_a_parent_is_refused_wherever_it_is_named(text: bytes, words: str) -> None:
    for head in (text, sparse(text), sparse(text, flags=3 | 3 << 16, algorithm=1)):
        with pytest.raises(ImageError, match=words):
            probe_image(head, name="x")


def test_a_hint_where_qemu_looks_counts_even_if_the_header_points_elsewhere() -> None:
    head = bytearray(sparse(b'parentFileNameHint="/etc/passwd"'))
    head[28:44] = bytes(16)
    with pytest.raises(ImageError, match="parent outside"):
        probe_image(bytes(head), name="x")
    cowd = struct.pack("<4s7I", b"COWD", 1, 3, 10, 1, 4, 1, 8).ljust(512, b"\0")
    with pytest.raises(ImageError, match="parent outside"):
        probe_image(cowd + b'parentFileNameHint="/etc/passwd"', name="x")


def test_an_empty_hint_is_no_parent_and_a_streams_own_name_does_not_matter() -> None:
    text = descriptor('RDONLY 128 SPARSE "/vmfs/volumes/x/call-me-stream.vmdk"\nparentFileNameHint=""')
    assert probe_image(sparse(text), name="x") == ImageProbe(DiskFormat.VMDK, Bytes(128 * 512))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"KDMV\1\0\0\0", "ends inside its header"),
        (b"QFI\xfb\0\0\0\3" + bytes(40), "ends inside its header"),
        (b"QFI\xfb\0\0\0\4" + bytes(100), "version 4"),
        (b"conectix", "ends inside its header"),
        (sparse(version=4), "VMDK of version 4"),
        (sparse()[:600], "descriptor beyond its first 600 bytes"),
        (descriptor(""), "without extents"),
        (descriptor("RW 10 FLAT"), "extent without a file name"),
        (descriptor('RW 1 FLAT "a" 0').ljust(HEAD_BYTES, b"\n"), "more than 65536 bytes"),
        (b"\xbe\xba\xfe\xca" + bytes(508), "seSparse"),
    ],
)
def test_broken_heads_are_refused_with_words(head: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        probe_image(head, name="x")
