"""The worker's report: what is written can be read, and what is none is refused in words."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.model.errors import Fault, FormatError
from thresher.model.failure import Failure
from thresher.model.report import DiskReport, Report, WorkerPhase

STARTED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

failures = st.builds(Failure, st.text(), st.text(), st.booleans(), st.sampled_from(Fault), st.integers(0, 255))
reports = st.builds(
    Report,
    started=st.datetimes(timezones=st.just(UTC)),
    disks=st.lists(st.from_type(DiskReport), max_size=3).map(tuple),
    failure=st.none() | failures,
    retry_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(reports)
@settings(deadline=None, max_examples=50)
def test_what_is_written_is_read(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report


def test_names_that_the_operator_relies_on() -> None:
    failure = Failure("TargetFull", "full", retryable=True, fault=Fault.TARGET, exit_code=5)
    written = json.loads(Report(STARTED, WorkerPhase.FAILED, (DiskReport("d1", url="http://x/"),), failure).to_json())
    assert written["version"] == 1
    assert written["started"] == "2026-03-01T12:00:00+00:00"
    assert written["phase"] == "failed"
    assert written["failure"] == {
        "reason": "TargetFull",
        "message": "full",
        "retryable": True,
        "fault": "target",
        "exit_code": 5,
    }
    assert written["disks"][0]["url"] == "http://x/"


def test_newer_fields_are_passed_over_and_absent_ones_have_defaults() -> None:
    disks = '[{"key": "a", "state": "done", "new": 2}]'
    text = f'{{"version": 1, "started": "2026-03-01T12:00:00Z", "phase": "serving", "new": 1, "disks": {disks}}}'
    assert Report.from_json(text).disks[0].key == "a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "started": "2026-03-01T12:00:00Z", "phase": "done"}',
        '{"version": 1, "started": "2026-03-01T12:00:00", "phase": "done"}',
        '{"version": 1, "started": "2026-03-01T12:00:00Z", "phase": "unheard of"}',
        '{"version": 1, "started": "2026-03-01T12:00:00Z", "phase": "done", "disks": [1]}',
    ],
)
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="report"):
        Report.from_json(text)
