"""Prints results: as JSON or YAML for programs, as tables for people."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from thresher.cli.choices import Output

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


def print_data(value: JsonValue, output: Output, out: TextIO | None = None) -> None:
    """Print ``value`` as JSON or YAML."""
    if output is Output.YAML:
        import yaml

        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    else:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    (out or sys.stdout).write(text)


@contextmanager
def as_long_as_read() -> Iterator[None]:
    """Print inside of it what nobody has to read: a reader who has enough, or is gone, ends it and nothing else."""
    try:
        yield
        sys.stdout.flush()  # so that whoever stopped reading is met here, not when Python ends
    except (BrokenPipeError, SystemExit):  # rich makes the one the other
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def rate(count: int, seconds: float) -> str:
    """A data rate for people, in MiB/s; a dash where nothing was moved."""
    if count == 0 or seconds <= 0:
        return "-"
    return f"{count / seconds / (1 << 20):.1f} MiB/s"
