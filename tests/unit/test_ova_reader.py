import io
import tarfile

import pytest

from rig.tars import END, content_of, header, member, octal, padded, record, tar_of, tell
from thresher.formats.ova import MAX_MEMBERS, EndOfArchive, Member, MemberData, MemberEnd, OvaReader
from thresher.model.errors import OvaError
from thresher.model.units import Bytes

FILES = {"vm.ovf": b"<Envelope/>", "empty": b"", "vm.mf": b"x" * 512, "vm-disk1.vmdk": bytes(range(256)) * 5}
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
LONG = "n" * 120 + "/" + "d" * 130 + ".vmdk"


@pytest.mark.parametrize("format_", FORMATS)
def test_reads_what_tarfile_packed(format_: int) -> None:
    archive = tar_of(FILES, format_)
    told = tell(archive)
    assert content_of(told) == FILES
    assert [event.name for event in told if isinstance(event, MemberEnd)] == list(FILES)
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        expected = [Member(info.name, Bytes(info.size), Bytes(info.offset_data)) for info in packed]
    assert [event for event in told if isinstance(event, Member)] == expected


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", [LONG, "가상머신/디스크.vmdk", "x" * 3000])
def test_long_and_foreign_names(format_: int, name: str) -> None:
    assert content_of(tell(tar_of({name: b"disk", "b": b"short again"}, format_))) == {
        name: b"disk",
        "b": b"short again",
    }


def test_the_ustar_prefix_precedes_the_name_and_gnus_times_do_not() -> None:
    assert content_of(tell(header(b"b", prefix=b"a") + END)) == {"a/b": b""}
    assert content_of(tell(header(b"b", magic=b"ustar  \0", prefix=b"13371337") + END)) == {"b": b""}
    assert content_of(tell(header(b"b", magic=b"", kind=b"\0") + END)) == {"b": b""}


@pytest.mark.parametrize(
    "start",
    [
        header(b"big.vmdk", b"\x80" + (9 << 30).to_bytes(11, "big")),
        member(b"PaxHeaders/big", record(b"size", b"%d" % (9 << 30)), b"x") + header(b"big.vmdk"),
    ],
    ids=["base 256", "pax"],
)
def test_members_over_8_gib(start: bytes) -> None:
    reader = OvaReader()
    begun = list(reader.receive(start))
    assert begun == [Member("big.vmdk", Bytes(9 << 30), Bytes(len(start)))]
    assert reader.skip_member() == len(start) + (9 << 30)
    assert list(reader.receive(END)) == [EndOfArchive(Bytes(len(start) + (9 << 30)))]
    reader.receive_eof()


def test_pax_headers_for_one_and_for_all_members() -> None:
    archive = (
        member(b"g", record(b"comment", b"by hand") + record(b"path", b"everywhere"), b"g")
        + member(b"x", record(b"path", b"old") + record(b"path", b"here"), b"x")
        + member(b"one", b"1")
        + member(b"two", b"2")
        + END
    )
    assert content_of(tell(archive)) == {"here": b"1", "everywhere": b"2"}


def test_the_signed_checksum_of_old_tars_is_accepted() -> None:
    name = "é".encode()
    assert header(name, signed=True) != header(name)
    assert content_of(tell(header(name, signed=True) + END)) == {"é": b""}


def test_names_are_normalised_and_directories_passed_over() -> None:
    archive = member(b"./", kind=b"5") + member(b"old/", kind=b"\0") + member(b"./a//b/./c", b"c") + END
    assert content_of(tell(archive)) == {"a/b/c": b"c"}


@pytest.mark.parametrize("kind", [b"0", b"\0", b"7"])
def test_plain_files_of_every_kind(kind: bytes) -> None:
    assert content_of(tell(member(b"a", b"data", kind) + END)) == {"a": b"data"}


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../a", "a/../b", "a/..", "..", "a\\b", "..\\a", "a\nb", "", ".", "./", "a/", "\x1b[2J"],
)
def test_names_that_reach_out_or_trick_are_refused(name: str) -> None:
    with pytest.raises(OvaError, match="the name "):
        tell(member(name.encode(), b"data") + END)


@pytest.mark.parametrize("value", [b"a\0b", b"/abs", b"", b"\xff"])
def test_pax_names_are_held_to_the_same_rules(value: bytes) -> None:
    with pytest.raises(OvaError, match="the name "):
        tell(member(b"x", record(b"path", value), b"x") + member(b"a", b"data") + END)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (b"1", "hard link"),
        (b"2", "symbolic link"),
        (b"3", "character device"),
        (b"4", "block device"),
        (b"6", "FIFO"),
        (b"S", "sparse"),
        (b"V", "unknown tar type 'V'"),
    ],
)
def test_what_is_no_plain_file_is_refused_by_name(kind: bytes, words: str) -> None:
    with pytest.raises(OvaError, match=f"'vm.ovf' .*{words}"):
        tell(member(b"vm.ovf", kind=kind) + END)


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (member(b"a") + member(b"./a") + END, "'a' twice"),
        (member(b"d/", b"data", b"5") + END, "directory 'd/'"),
        (member(b"x", record(b"GNU.sparse.major", b"1"), b"x") + member(b"a") + END, "sparse"),
        (member(b"x", record(b"size", b"-1"), b"x") + member(b"a") + END, "size"),
        (member(b"x", record(b"size", b"9" * 20), b"x") + member(b"a") + END, "size"),
        (member(b"x", b"99 path=a\n", b"x") + member(b"a") + END, "malformed"),
        (member(b"x", b"6 path=a\n", b"x") + member(b"a") + END, "malformed"),
        (member(b"x", b"path\n", b"x") + member(b"a") + END, "malformed"),
        (header(b"L", octal((1 << 20) + 1), b"L"), "extended header of 1048577 bytes"),
        (header(b"x", octal(0), b"x"), "extended header of 0 bytes"),
        (member(b"L", b"long\0", b"L") + END, "without its member"),
        (member(b"L", b"n" * 5000, b"L") + member(b"a") + END, "longer than 4096"),
        (header(b"a", b"\xff" * 12), "no usable size"),
        (header(b"a", b"\x80" + b"\xff" * 11), "claims"),
        (header(b"a", b"+0000000001\0"), "no usable size"),
        (header(b"a", b"0000000008_\0"), "no usable size"),
        (b"\1" * 512, "checksum"),
        (header(b"a").replace(b"a", b"b", 1), "wrong checksum"),
    ],
)
def test_malformed_archives_are_refused_with_words(archive: bytes, words: str) -> None:
    with pytest.raises(OvaError, match=words):
        tell(archive)


def test_the_number_of_members_is_bounded() -> None:
    reader = OvaReader()
    for number in range(MAX_MEMBERS):
        list(reader.receive(header(b"%d" % number)))
    with pytest.raises(OvaError, match="more than 10000 members"):
        list(reader.receive(header(b"one more")))


def test_the_first_block_of_zeros_ends_the_archive_as_for_gnu_tar() -> None:
    archive = member(b"a", b"data")
    end = EndOfArchive(Bytes(len(archive)))
    assert tell(archive + END[:512])[-1] == end
    assert tell(archive + END + b"junk" * 1000)[-1] == end
    assert content_of(tell(archive + END[:512] + member(b"b"))) == {"a": b"data"}


def test_an_archive_cut_anywhere_is_an_error() -> None:
    archive = tar_of({LONG: b"x" * 700, "b": b""}, tarfile.PAX_FORMAT)
    end = tell(archive)[-1]
    assert isinstance(end, EndOfArchive)
    for length in range(end.offset + 512):
        with pytest.raises(OvaError, match="cut short"):
            tell(archive[:length])
    tell(archive[: end.offset + 512])


def test_the_message_of_a_cut_says_where() -> None:
    with pytest.raises(OvaError, match=r"cut short inside 'a': .* \(at byte 514\)") as caught:
        tell(member(b"a", b"data")[:514])
    assert caught.value.offset == 514


def test_headers_alone_can_be_read_by_range_and_data_in_place() -> None:
    archive = tar_of({"vm.ovf": b"<Envelope/>", LONG: bytes(100_000), "last": b"z" * 513}, tarfile.PAX_FORMAT)
    reader, at, found, requests = OvaReader(), 0, list[Member](), 0
    while not found or found[-1].name != "last":
        requests += 1
        piece = archive[at : at + 512]
        at += len(piece)
        for event in reader.receive(piece):
            assert isinstance(event, Member)
            found.append(event)
            at = reader.skip_member()
    assert requests == 5  # three headers, and the extended one with its payload
    assert [archive[m.offset : m.offset + m.size] for m in found] == [
        b"<Envelope/>",
        bytes(100_000),
        b"z" * 513,
    ]
    assert list(reader.receive(archive[at:])) == [EndOfArchive(Bytes(at))]


def test_skipping_in_the_middle_of_the_data_drops_the_rest_of_what_came() -> None:
    archive = member(b"a", b"A" * 600) + member(b"b", b"B") + END
    reader = OvaReader()
    assert len(list(reader.receive(archive[:700]))) == 2
    assert reader.skip_member() == 1536
    assert [type(event) for event in reader.receive(archive[1536:])] == [
        Member,
        MemberData,
        MemberEnd,
        EndOfArchive,
    ]
    eager = OvaReader()
    seen = []
    for event in eager.receive(archive):
        seen.append(event)
        eager.skip_member()
    assert seen == [Member("a", Bytes(600), Bytes(512))]


def test_only_a_member_can_be_skipped() -> None:
    with pytest.raises(ValueError, match="skip_member"):
        OvaReader().skip_member()


def test_data_is_a_view_of_what_came() -> None:
    archive = bytearray(member(b"a", b"data") + END)
    for event in OvaReader().receive(archive):
        if isinstance(event, MemberData):
            assert event.data.obj is archive
            break
    else:
        pytest.fail("no data came")


def test_padding_counts_as_part_of_the_archive() -> None:
    archive = header(b"a", octal(3)) + padded(b"abc") + header(b"b", octal(512)) + b"b" * 512 + END
    assert content_of(tell(archive)) == {"a": b"abc", "b": b"b" * 512}
