"""Runs ``thresher`` as users do: as a process of its own."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

SHORTEST, LONGEST = 20, 500
"""How many characters a sentence or two may have."""
_PLAIN = {"NO_COLOR": "1", "COLUMNS": "1000"}


def command(*words: str | Path) -> list[str]:
    """The command line of this Python's Thresher."""
    return [sys.executable, "-m", "thresher", *map(str, words)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, parsed; fails with everything it said where the process failed."""
        assert self.code == 0, f"exit code {self.code}\n{self.err}\n{self.out}"
        return json.loads(self.out)


def run(
    *words: str | Path,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    timeout: float = 300,
) -> Outcome:
    """Run ``thresher`` with ``words`` to its end.

    Args:
        words: the arguments.
        stdin: what it reads; None for nothing.
        env: added to the environment.
        prefix: a command that starts it, such as ``unshare``.
        timeout: in seconds, after which it hangs for certain.
    """
    environment = os.environ | _PLAIN | dict(env or {})
    done = subprocess.run(
        [*prefix, *command(*words)],
        check=False,
        input=stdin or b"",
        capture_output=True,
        env=environment,
        timeout=timeout,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def here(*words: str | Path) -> Outcome:
    """Run ``thresher`` with ``words`` in this process: a second less each, for what needs none of its own."""
    from thresher.cli.main import execute

    out, err = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, _PLAIN), redirect_stdout(out), redirect_stderr(err):
        code = execute(list(map(str, words)))
    return Outcome(code, out.getvalue(), err.getvalue())


@contextmanager
def started(*words: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start ``thresher`` with ``words`` and go on; it is killed at the latest on leaving."""
    process = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def complaint(outcome: Outcome) -> str:
    """What a failed run said, proved to be one clear message: no traceback, no bare exception, one line."""
    text = outcome.err.strip()
    assert text, "it failed without a word"
    assert "Traceback" not in text, text
    assert not re.search(r"\b[A-Za-z]*(Error|Exception)\(", text), f"an exception's repr: {text}"
    assert "\n" not in text, f"more than one line: {text}"
    assert SHORTEST < len(text) < LONGEST, f"{len(text)} characters are no sentence: {text}"
    return text
