"""Whatever ends a command, ends it in one sentence and its own exit code."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rig import cli
from rig.webserver import serve
from thresher.cli.main import _guarded
from thresher.model import errors
from thresher.model.errors import ThresherError
from thresher.samples.manifests import sample_manifests

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, ThresherError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_each_error_ends_with_the_code_of_its_class(
    cls: type[ThresherError], capsys: pytest.CaptureFixture[str]
) -> None:
    def failing() -> None:
        raise cls("the cable is out: plug it in")

    assert _guarded(failing) == cls.exit_code
    assert capsys.readouterr() == ("", "thresher: the cable is out: plug it in\n")


def test_only_a_defect_shares_code_1() -> None:
    assert [cls for cls in CLASSES if cls.exit_code in {0, 1}] == [ThresherError]


def test_a_defect_is_called_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> None:
        raise ZeroDivisionError("x")

    monkeypatch.delenv("THRESHER_DEBUG", raising=False)
    assert _guarded(failing) == 1
    said = capsys.readouterr().err
    assert "defect" in said
    assert "ZeroDivisionError" in said
    monkeypatch.setenv("THRESHER_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        _guarded(failing)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, click.Abort])
def test_a_stop(stop: type[BaseException], capsys: pytest.CaptureFixture[str]) -> None:
    def stopped() -> None:
        raise stop

    assert _guarded(stopped) == 130
    assert "run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (7, 7)])
def test_what_a_command_returns(result: object, code: int) -> None:
    assert _guarded(lambda: result) == code


WRONG = {
    "no such command": ("nonsense",),
    "no argument": ("inspect",),
    "no option": ("run", "--to", "x"),
    "no such choice": ("inspect", "x", "-o", "xml"),
    "no such hash": ("convert", "a", "b", "--checksum", "md5"),
    "no such option": ("demo", "--faster"),
    "a number out of range": ("run", "-f", "x", "--to", "y", "--boot-timeout", "0"),
}


@pytest.mark.parametrize("words", WRONG.values(), ids=WRONG)
def test_wrong_words(words: tuple[str, ...]) -> None:
    outcome = cli.here(*words)
    assert outcome.code == errors.UsageError.exit_code
    assert "--help" in cli.complaint(outcome)
    assert outcome.out == ""


def test_no_words_at_all_are_a_question() -> None:
    outcome = cli.run()
    assert outcome.code == 0
    assert "inspect" in outcome.out


def test_the_version() -> None:
    outcome = cli.here("--version")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("thresher ")


def test_a_reader_who_has_enough_is_no_error() -> None:
    """As in ``thresher --help | head -1``."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "thresher", "--help"], stdout=gone, stderr=subprocess.PIPE, check=False
        )
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0


def test_a_run_that_nobody_reads_still_says_by_its_code_how_it_ended(tmp_path: Path) -> None:
    """As in ``thresher run ... | head -1``, of an import whose OVA is not there."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone, serve(tmp_path) as web:
        (tmp_path / "vm.yaml").write_text(sample_manifests(f"{web.url}none.ova", "vm"))
        words = cli.command("run", "-f", tmp_path / "vm.yaml", "--to", tmp_path / "out")
        done = subprocess.run(words, stdout=gone, stderr=subprocess.PIPE, check=False)  # noqa: S603  our own command
    assert done.returncode == errors.SourceError.exit_code, done.stderr
