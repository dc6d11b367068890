"""The record of an import survives a crash, and garbage is never taken for one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from thresher.cli.records import RecordFile
from thresher.imports.observed import Failure, Recorded, Step, Tries
from thresher.model.errors import Fault, TargetError
from thresher.model.spec import ImportSpec
from thresher.model.vm import PowerState

SPEC = ImportSpec("prod", "web", "uid-1", "web01")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
FULL = Recorded(
    accepted=True,
    power_when_found=PowerState.ON,
    touched=NOW,
    shutdown_asked=NOW,
    power_off_asked=NOW,
    start_asked=NOW,
    remakes=2,
    tries=(
        Tries(Step.TRANSFER, 3, NOW, Failure("StreamCut", "잘렸다", retryable=True, fault=Fault.SOURCE, exit_code=4)),
    ),
    gave_up=Failure("Interrupted", "stopped", exit_code=130),
)


@pytest.mark.parametrize("recorded", [Recorded(), FULL], ids=["nothing yet", "everything"])
def test_round_trip(recorded: Recorded, tmp_path: Path) -> None:
    RecordFile(tmp_path, SPEC).save(recorded)
    assert RecordFile(tmp_path, SPEC).load() == recorded


def test_there_is_none_before_the_first_run(tmp_path: Path) -> None:
    assert RecordFile(tmp_path, SPEC).load() is None
    assert list(tmp_path.iterdir()) == []


def test_imports_do_not_meet(tmp_path: Path) -> None:
    RecordFile(tmp_path, SPEC).save(FULL)
    assert RecordFile(tmp_path, ImportSpec("prod", "db", "uid-2", "db01")).load() is None
    assert RecordFile(tmp_path, ImportSpec("test", "web", "uid-3", "web01")).load() is None


GARBAGE = [b"", b"garbage", b"[]", b'{"accepted": "perhaps"}', b'{"touched": 1e999}', b"\xff\xfe", b"null"]


@pytest.mark.parametrize("content", GARBAGE)
def test_garbage_is_told_with_the_file_to_remove(content: bytes, tmp_path: Path) -> None:
    record = RecordFile(tmp_path, SPEC)
    record.save(FULL)
    (path,) = (tmp_path / ".thresher").iterdir()
    path.write_bytes(content)
    with pytest.raises(TargetError, match="remove the file") as raised:
        record.load()
    assert str(path) in str(raised.value)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / ".thresher").write_text("a file where a folder is needed")
    with pytest.raises(TargetError, match="check the folder"):
        RecordFile(tmp_path, SPEC).save(FULL)


def test_saving_leaves_no_part_behind(tmp_path: Path) -> None:
    RecordFile(tmp_path, SPEC).save(FULL)
    assert [file.suffix for file in (tmp_path / ".thresher").iterdir()] == [".json"]
