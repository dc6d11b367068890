"""Progress bars for a terminal, by rich."""

from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Display

from thresher.ports import Progress


class Bars:
    """A bar for each disk, with its rate and the time left. A context manager."""

    def __init__(self, out: TextIO) -> None:
        self._display = Display(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(file=out),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.stop()

    def progress(self, label: str, progress: Progress) -> None:
        """Move the bar of that label."""
        if label not in self._tasks:
            self._tasks[label] = self._display.add_task(escape(label), total=progress.total)
        self._display.update(self._tasks[label], completed=progress.position, total=progress.total)

    def line(self, text: str) -> None:
        """Print a line above the bars."""
        self._display.console.print(text, markup=False, highlight=False, soft_wrap=True)
