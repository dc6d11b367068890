"""The options of ``thresher plan``, and how they are written."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from thresher.cli.choices import OneOf, Pace, Report

_FILE = click.Path(path_type=Path)
_COUNT = click.IntRange(min=1)
_SECONDS = click.FloatRange(min=0)


class _Written(click.ParamType[Any]):
    """Something that a function reads."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What the function makes of it. Raises BadParameter."""
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


def moment(text: str) -> datetime:
    """A time, in the time zone of this machine where it names none. Raises ValueError."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise ValueError("must be a time such as 2027-01-31T22:00") from error


def _size(text: str) -> Any:
    from thresher.model.quantity import bytes_of_quantity

    return bytes_of_quantity(text)


def _memory(text: str) -> Any:
    from thresher.model.quantity import memory_of_quantity

    return memory_of_quantity(text)


def _window(text: str) -> Any:
    from thresher.model.bandwidth import Window

    return Window.parse(text)


_RATE, _SIZE, _WINDOW = Pace(), _Written("SIZE", _size), _Written("WINDOW", _window)
_TIME, _MEMORY = _Written("TIME", moment), _Written("SIZE", _memory)

_OPTIONS = (
    click.option("--vm", "vms", multiple=True, metavar="GLOB", help="Only VMs of such a name; may be repeated."),
    click.option(
        "--folder", "folders", multiple=True, metavar="PATH", help="Only VMs in or below it; may be repeated."
    ),
    click.option(
        "--output", "-o", type=OneOf(Report), default=Report.MARKDOWN.value, show_default=True, help="How to print it."
    ),
    click.option(
        "--language", type=click.Choice(["en", "ko"]), default="en", show_default=True, help="In which words."
    ),
    click.option(
        "--write", type=_FILE, metavar="DIR", help="Write manifests, a file for each wave, and networks.yaml."
    ),
    click.option("--namespace", default="default", show_default=True, help="The namespace to import into."),
    click.option("--storage-class", metavar="NAME", help="For all disks; else the cluster's default."),
    click.option(
        "--disk-mode",
        type=click.Choice(["image", "volume"]),
        default="image",
        show_default=True,
        help="Of the imports.",
    ),
    click.option("--networks", type=_FILE, metavar="FILE", help="What 'kubectl get net-attach-def -A -o yaml' prints."),
    click.option("--mapping", type=_FILE, metavar="FILE", help="An edited networks.yaml; else that of --write."),
    click.option("--free-storage", type=_SIZE, metavar="SIZE", help="What the destination has free."),
    click.option("--free-memory", type=_MEMORY, metavar="SIZE", help="What the destination has free."),
    click.option(
        "--bandwidth",
        type=_RATE,
        metavar="RATE",
        help="Of all disks together; else the source's spec.bandwidth, else 100Mi. Never more than the source's.",
    ),
    click.option("--disk-bandwidth", type=_RATE, metavar="RATE", help="What one disk can have at most."),
    click.option("--store-bandwidth", type=_RATE, metavar="RATE", help="At which the cluster stores an image."),
    click.option("--probe", is_flag=True, help="Measure the bandwidth: read a VM that is off for 10 s."),
    click.option(
        "--compression",
        type=click.FloatRange(min=0, min_open=True, max=2),
        default=1.0,
        show_default=True,
        metavar="RATIO",
        help="Bytes on the wire for each that is used.",
    ),
    click.option("--imports", type=_COUNT, default=4, show_default=True, metavar="N", help="Imports at once."),
    click.option("--disks-per-source", type=_COUNT, default=8, show_default=True, metavar="N", help="Disks at once."),
    click.option(
        "--disks-per-host", type=_COUNT, default=4, show_default=True, metavar="N", help="Disks at once of one host."
    ),
    click.option("--shutdown", type=_SECONDS, default=60.0, show_default=True, metavar="S", help="Of a guest."),
    click.option("--prepare", type=_SECONDS, default=15.0, show_default=True, metavar="S", help="Of an export."),
    click.option("--boot", type=_SECONDS, default=60.0, show_default=True, metavar="S", help="Of a new VM."),
    click.option("--pilots", type=click.IntRange(min=0), default=3, show_default=True, help="VMs of the first wave."),
    click.option("--wave-vms", type=_COUNT, default=20, show_default=True, metavar="N", help="VMs of a wave at most."),
    click.option(
        "--wave-hours", type=click.FloatRange(min=0, min_open=True), metavar="H", help="No wave takes longer."
    ),
    click.option("--start", type=_TIME, metavar="TIME", help="When the first wave may begin."),
    click.option(
        "--blackout",
        "blackouts",
        type=_WINDOW,
        multiple=True,
        metavar="WINDOW",
        help="Transfer nothing then, beside the source's spec.blackout; may be repeated.",
    ),
)


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
