"""Prints results: as JSON or YAML for programs, as tables for people."""

import json
import sys
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


def rate(count: int, seconds: float) -> str:
    """A data rate for people, in MiB/s; a dash where nothing was moved."""
    if count == 0 or seconds <= 0:
        return "-"
    return f"{count / seconds / (1 << 20):.1f} MiB/s"
