import json
from dataclasses import replace
from pathlib import Path

import pytest

from thresher.model.units import Bytes
from thresher.ports import Checksum, DiskResult
from thresher.transfer.digest import DigestState
from thresher.transfer.ledger import Identity, Ledger, Resume

IDENTITY = Identity("disk", "vmdk-stream", 1000, "etag", "sha256:00")
RESUME = Resume({"offset": 512, "highest": 3}, 512, DigestState("sha256", 600, "OpenSSL 3", "AAAA"), 65536)
RESULT = DiskResult(Bytes(4096), Bytes(512), Bytes(300), 1.5, ("adler32",), Checksum("sha512", "ab"))


@pytest.mark.parametrize(
    "ledger",
    [
        Ledger(IDENTITY),
        Ledger(IDENTITY, RESUME),
        Ledger(IDENTITY, Resume({}, 0, None, 0)),
        Ledger(Identity("disk", "blank", None, "", ""), None, RESULT),
        Ledger(IDENTITY, None, DiskResult(Bytes(1), Bytes(0), Bytes(0), 0.0)),
    ],
)
def test_what_was_saved_is_loaded(ledger: Ledger, tmp_path: Path) -> None:
    ledger.save(tmp_path / "l")
    assert Ledger.load(tmp_path / "l") == ledger
    assert [path.name for path in tmp_path.iterdir()] == ["l"]


def test_torn_anywhere_it_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "l"
    Ledger(IDENTITY, RESUME, RESULT).save(path)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert Ledger.load(path) is None


def _with(**changes: object) -> str:
    whole: dict[str, object] = {
        "version": 3,
        "identity": {"disk": "d", "format": "raw", "size": 1, "version": "", "checksum": "", "content": ""},
        "resume": None,
        "result": None,
        "writer": "another process",
    }
    return json.dumps(whole | changes)


def test_a_plain_one_is_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "l").write_text(_with())
    found = Ledger.load(tmp_path / "l")
    assert found is not None
    assert not found.ours


def test_a_process_knows_what_it_has_written(tmp_path: Path) -> None:
    Ledger(IDENTITY).save(tmp_path / "l")
    found = Ledger.load(tmp_path / "l")
    assert found is not None
    assert found.ours


GARBAGE = [
    "",
    "null",
    "[]",
    "7",
    '"x"',
    "{}",
    "\0" * 400,
    "[" * 100_000,
    _with(version=1),
    _with(version=2),
    _with(version=4),
    _with(identity={}),
    _with(identity="x"),
    _with(resume="x"),
    _with(resume={}),
    _with(resume={"decoder": "x", "offset": 0, "digest": None, "data": 0}),
    _with(resume={"decoder": {"offset": "x"}, "offset": 0, "digest": None, "data": 0}),
    _with(resume={"decoder": {}, "offset": None, "digest": None, "data": 0}),
    _with(result={"capacity": 1}),
    _with(result=[1]),
]


@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_no_ledger(text: str, tmp_path: Path) -> None:
    (tmp_path / "l").write_text(text)
    assert Ledger.load(tmp_path / "l") is None


def test_neither_are_bytes_that_are_no_text_nor_a_folder_nor_nothing(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(b"\xff\xfe")
    assert Ledger.load(tmp_path / "l") is None
    assert Ledger.load(tmp_path) is None
    assert Ledger.load(tmp_path / "none") is None


def test_a_ledger_that_cannot_be_saved_leaves_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "l"
    Ledger(IDENTITY).save(path)
    with pytest.raises(TypeError):
        Ledger(IDENTITY, Resume({"a": object()}, 0, None, 0)).save(path)  # type: ignore[dict-item]  # JSON refuses it
    assert Ledger.load(path) == Ledger(IDENTITY)
    assert [one.name for one in tmp_path.iterdir()] == ["l"]


@pytest.mark.parametrize(
    ("version", "checksum", "certain"), [("", "", False), ("e", "", True), ("", "md5:0", True), ("e", "md5:0", True)]
)
def test_content_is_told_apart_by_version_or_checksum(version: str, checksum: str, *, certain: bool) -> None:
    assert Identity("disk", "raw", 5, version, checksum).certain is certain


PACKED = Identity("disk", "vmdk-stream", None, "c0ffee host-1 build-1", "", "c0ffee")


@pytest.mark.parametrize(
    ("other", "same", "contradicts"),
    [
        (PACKED, True, False),
        (replace(PACKED, version="c0ffee host-2 build-7"), True, False),
        (replace(PACKED, version="c0ffee", content=""), False, False),
        (replace(PACKED, version="decaf host-1 build-1", content="decaf"), False, True),
        (replace(PACKED, disk="another"), False, True),
    ],
    ids=["itself", "packed by another host", "of unknown content", "of other content", "of another disk"],
)
def test_data_is_the_same_whoever_packs_it(other: Identity, *, same: bool, contradicts: bool) -> None:
    assert PACKED.same_data(other) is same
    assert PACKED.contradicts(other) is contradicts


def test_where_nothing_tells_nothing_is_sure() -> None:
    silent = Identity("disk", "raw", 5, "", "")
    assert not silent.same_data(silent)
    assert not silent.contradicts(silent)
