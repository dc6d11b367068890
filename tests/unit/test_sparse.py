"""The sparse file on real file systems, small ones and full ones too."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rig.mounts import on_small_disk
from thresher.model.errors import TargetError, TargetFull
from thresher.model.units import GIB, KIB, MIB, Bytes
from thresher.transfer.sparse import SparseFile


@pytest.fixture
def sink(tmp_path: Path) -> SparseFile:
    made = SparseFile(tmp_path / "sub" / "disk.raw")
    made.open(keep=False)
    return made


def test_what_is_written_is_there_and_the_rest_is_holes(sink: SparseFile) -> None:
    sink.size(Bytes(GIB))
    sink.write(512 * MIB, [b"abc", bytearray(b""), memoryview(b"def")])
    sink.write(GIB - 1, [b"z"])
    sink.flush()
    sink.finish()
    assert sink.path.stat().st_size == GIB
    assert sink.path.stat().st_blocks * 512 < MIB
    assert not sink.part.exists()
    with sink.path.open("rb") as file:
        file.seek(512 * MIB - 1)
        assert file.read(8) == b"\0abcdef\0"


def test_short_writes_go_on_where_they_ended(sink: SparseFile, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def short(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        return real(descriptor, b"".join(buffers)[:5], offset)

    monkeypatch.setattr(os, "pwritev", short)
    sink.write(3, [b"abc", b"", b"defghij", b"k", b"lmnopqrst"])
    sink.finish()
    assert sink.path.read_bytes() == b"\0\0\0abcdefghijklmnopqrst"


def test_kept_or_blanked(sink: SparseFile) -> None:
    sink.write(0, [b"abc"])
    sink.close()
    sink.open(keep=True)
    sink.close()
    assert sink.part.read_bytes() == b"abc"
    sink.open(keep=False)
    sink.close()
    assert sink.part.read_bytes() == b""


def test_nobody_else_may_read_it(sink: SparseFile) -> None:
    assert sink.part.stat().st_mode & 0o777 == 0o600


def test_discarded_it_is_gone_and_that_twice(sink: SparseFile) -> None:
    sink.discard()
    sink.discard()
    assert list(sink.part.parent.iterdir()) == []


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    sink = SparseFile(tmp_path / "file" / "disk.raw")
    with pytest.raises(TargetError, match="cannot open"):
        sink.open(keep=False)
    sink.discard()


def test_a_final_name_that_is_a_folder(sink: SparseFile) -> None:
    sink.path.mkdir()
    with pytest.raises(TargetError, match="cannot rename"):
        sink.finish()


def test_an_io_error_says_what_it_was(sink: SparseFile) -> None:
    """A pipe has no places, no length and nothing to flush."""
    sink.close()
    end, sink._fd = os.pipe()
    actions: list[Callable[[], None]] = [lambda: sink.write(0, [b"a"]), sink.flush, lambda: sink.size(Bytes(1))]
    for action in actions:
        with pytest.raises(TargetError, match=r"Illegal seek|Invalid argument") as caught:
            action()
        assert not isinstance(caught.value, TargetFull)
    sink.close()
    os.close(end)


_FILL = """
import sys
from pathlib import Path
from thresher.model.errors import TargetError
from thresher.transfer.sparse import SparseFile
sink = SparseFile(Path(sys.argv[1], "disk.raw"))
sink.open(keep=False)
try:
    sink.size(1 << 30)
    for at in range(64):
        sink.write(at << 20, [bytes([1]) * (1 << 19)] * 2)
    sink.flush()
except TargetError as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    command = [*on_small_disk("2m", str(tmp_path / "small")), sys.executable, "-c", _FILL, str(tmp_path / "small")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  fixed arguments
    assert done.stdout.startswith("TargetFull cannot write to")
    assert "no space" in done.stdout


def test_a_limit_on_the_files_length(tmp_path: Path) -> None:
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({64 * KIB}, {64 * KIB}))\n{_FILL}"
    command = [sys.executable, "-c", limited, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  fixed arguments
    assert done.stdout.startswith("TargetError cannot make 1.0 GiB long")
    assert "no file so large" in done.stdout
