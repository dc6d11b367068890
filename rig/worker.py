"""Runs ``thresher worker`` as the operator does: a process with scratch, a token and a place to report to."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import cli
from thresher.model.report import Report, WorkerPhase

TOKEN = "rig-token-0123456789"  # noqa: S105 - the rig's tokens are no secrets
PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class WorkerProcess:
    """A running worker.

    Attributes:
        process: its process, or the one that started it; it leads a session of its own.
        folder: holds manifests, token, report and log.
    """

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def report(self) -> Report | None:
        """What it reported last; None before."""
        try:
            return Report.from_json((self.folder / "report.json").read_text())
        except FileNotFoundError:
            return None

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of its log; fails where one is not JSON."""
        return [json.loads(line) for line in (self.folder / "log").read_text().splitlines()]

    def wait_for(self, wanted: Callable[[Report], bool]) -> Report:
        """Wait for a report that is as wanted; fails when the worker ends before, or after a minute."""
        last = time.monotonic() + PATIENCE_S
        while time.monotonic() < last:
            ended = self.process.poll() is not None
            report = self.report
            if report is not None and wanted(report):
                return report
            assert not ended, f"it ended with {self.process.returncode}\n{(self.folder / 'log').read_text()}"
            time.sleep(0.02)
        raise AssertionError(f"no such report within {PATIENCE_S} s; the last: {self.report}")

    def wait_until_serving(self) -> Report:
        """Wait until every disk is whole."""
        return self.wait_for(lambda report: report.phase is WorkerPhase.SERVING)

    def command(self, word: str) -> None:
        """Write a command, as the operator does."""
        (self.folder / "report.json.command").write_text(word)

    def ends(self) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(PATIENCE_S)

    def stops(self) -> int:
        """Tell it to stop and return its exit code."""
        self.command("stop")
        return self.ends()


@contextmanager
def worker(
    folder: Path,
    manifests: str,
    *,
    scratch: Path,
    prefix: Sequence[str] = (),
    configmap: str = "",
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[WorkerProcess]:
    """Start a worker; it and whatever it started is killed at the latest on leaving.

    Args:
        folder: for its files; one that an earlier worker had goes on being used.
        manifests: of one import.
        scratch: where it writes disks.
        prefix: a command that starts it.
        configmap: where it reports, ``namespace/name``; else into a file in ``folder``.
        env: added to its environment.
        options: added to its arguments.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("report.json", "report.json.command"):
        (folder / name).unlink(missing_ok=True)
    (folder / "manifests.yaml").write_text(manifests)
    (folder / "token").write_text(TOKEN + "\n")
    words: list[str | Path] = ["--scratch", scratch, "--token-file", folder / "token", *options]
    words += ["--report-configmap", configmap] if configmap else ["--report-file", folder / "report.json"]
    environment = os.environ | {"POD_IP": "127.0.0.1", "THRESHER_DISK_PORT": "0"} | dict(env or {})
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*prefix, *cli.command("worker", "-f", folder / "manifests.yaml", *words)],
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    try:
        yield WorkerProcess(process, folder)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
