"""What the command line prints: data, rates, progress lines and the phrases of a run."""

import io
import json
from contextlib import suppress

import pytest
import yaml

from thresher.cli.choices import Output
from thresher.cli.phrases import phrase
from thresher.cli.printing import JsonValue, print_data, rate
from thresher.cli.progress import LINE_INTERVAL_S, reporter
from thresher.imports.phases import TABLE, Phase
from thresher.imports.status import DiskRow, ImportStatus
from thresher.model.units import GIB, MIB, Bytes
from thresher.model.vm import Loss
from thresher.ports import Progress

VALUE: JsonValue = [{"name": "가상 머신", "count": 3, "whole": None, "yes": True, "parts": []}]


@pytest.mark.parametrize(("output", "read"), [(Output.JSON, json.loads), (Output.YAML, yaml.safe_load)])
def test_what_is_printed_reads_back_with_its_keys_in_order(output: Output, read: object) -> None:
    out = io.StringIO()
    print_data(VALUE, output, out)
    assert callable(read)
    parsed = read(out.getvalue())
    assert parsed == VALUE
    assert list(parsed[0]) == ["name", "count", "whole", "yes", "parts"]
    assert "가상 머신" in out.getvalue()  # for people too: nothing is escaped


def test_rates() -> None:
    assert rate(3 * MIB, 2.0) == "1.5 MiB/s"
    assert rate(0, 2.0) == "-"
    assert rate(5, 0.0) == "-"


def test_plain_lines_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    out = io.StringIO()
    with reporter(out) as report:
        for step in range(101):
            now = 100.0 + step * LINE_INTERVAL_S / 50
            position = Bytes(step * MIB)
            report.progress("web d0", Progress("d0", position, Bytes(GIB), Bytes(position // 2)))
    first, second = out.getvalue().splitlines()
    assert first.startswith("web d0: 50.0 MiB of 1.0 GiB, ")
    assert second.startswith("web d0: 100.0 MiB of 1.0 GiB, ")
    assert first.endswith("5.0 MiB/s")  # 25 MiB crossed the wire in 5 s


class Closed(io.StringIO):
    """What nobody reads any more."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal
        self.tried = 0

    def isatty(self) -> bool:
        return self.terminal

    def write(self, _: str) -> int:
        self.tried += 1
        raise BrokenPipeError


@pytest.mark.parametrize("terminal", [False, True])
def test_what_nobody_reads_ends_nothing(*, terminal: bool) -> None:
    out = Closed(terminal=terminal)
    with suppress(BrokenPipeError, SystemExit), reporter(out) as report:  # a bar's display may notice when it ends
        report.line("so far")
        tried = out.tried
        report.line("so good")
        report.progress("d", Progress("d", Bytes(0), None, Bytes(0)))
        assert out.tried == tried
    assert out.tried


def test_a_disk_of_unknown_size_has_no_end_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    out = io.StringIO()
    with reporter(out) as report:
        report.progress("d", Progress("d", Bytes(0), None, Bytes(0)))
        now = 2 * LINE_INTERVAL_S
        report.progress("d", Progress("d", Bytes(MIB), None, Bytes(MIB)))
    assert out.getvalue() == "d: 1.0 MiB, 102.4 KiB/s\n"


def _status(phase: Phase, message: str | None = None, **fields: object) -> ImportStatus:
    said = f"Waiting for {TABLE[phase].waits_for}." if message is None else message
    return ImportStatus(phase, message=said, **fields)  # type: ignore[arg-type] # test data by keyword


def _row(name: str, size: int | None) -> DiskRow:
    return DiskRow(name, None if size is None else Bytes(size), "pending", 0, "", "scsi")


def test_a_phrase_counts_disks_and_their_size() -> None:
    two = (_row("a", 64 * MIB), _row("b", 64 * MIB))
    assert phrase(_status(Phase.COPYING, disks=two)) == "copying 2 disks, 128.0 MiB"
    assert phrase(_status(Phase.COPYING, disks=two[:1])) == "copying 1 disk, 64.0 MiB"
    assert phrase(_status(Phase.COPYING, disks=(*two, _row("c", None)))) == "copying 3 disks"
    assert phrase(_status(Phase.VALID)) == "checked, no warnings"
    assert phrase(_status(Phase.VALID, findings=(Loss("X", "y", "z"),))) == "checked, 1 warning"


def test_a_failure_speaks_for_itself() -> None:
    assert phrase(_status(Phase.COPYING, "the cable is out: plug it in")) == "the cable is out: plug it in"


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_something_to_say(phase: Phase) -> None:
    assert phrase(_status(phase))
