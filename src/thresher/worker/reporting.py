"""Where reports go and commands come from, and how often."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from thresher.model.bandwidth import rate_of
from thresher.model.errors import TargetError, ThresherError
from thresher.model.handover import BANDWIDTH, STOP
from thresher.model.report import Report
from thresher.model.units import Bytes
from thresher.worker.board import Board

log = logging.getLogger(__name__)

OnRate = Callable[[Bytes | None], None]
"""Called with each rate that is heard, also with the same again."""
INTERVAL_S = 2.0
"""Between two reports that tell of mere progress: many workers share one API server."""
_QUIET_S = 3.0
"""After so long without progress the last rate is not true any more."""
_RETRY_S = 5.0
_COMMAND_LOOK_S = 0.5
_LAST_TRIES = 4


def unheard(_: Bytes | None) -> None:
    """What nobody listens to."""


def hear(text: str | None, on_rate: OnRate) -> None:
    """Pass on a rate as it was told. One that is none changes nothing."""
    try:
        on_rate(rate_of(text) if text else None)
    except ValueError as error:
        log.warning("the rate %r is passed over: it %s", text, error)


class Reporter(Protocol):
    """Takes reports and knows when to stop. A context manager."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...

    async def write(self, report: Report) -> None:
        """Replace the last report by this one. Raises ThresherError."""
        ...

    async def wait_for_stop(self, on_rate: OnRate = unheard) -> None:
        """Return when the command says stop; never give up listening. Rates are passed on as they are heard."""
        ...


class FileReporter:
    """Reports into a file, and reads the command from ``<file>.command``: for a person who looks at one worker.

    Args:
        path: of the file; it is replaced in one step.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._command = path.with_name(path.name + ".command")

    async def __aenter__(self) -> Self:
        """Nothing is kept open."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing is kept open."""

    async def write(self, report: Report) -> None:
        """Replace the file. Raises TargetError."""
        part = self._path.with_name(self._path.name + ".part")
        try:
            part.write_text(report.to_json() + "\n")
            part.replace(self._path)
        except OSError as error:
            raise TargetError(
                f"the report {self._path} cannot be written: {error.strerror}; check its folder"
            ) from error

    async def wait_for_stop(self, on_rate: OnRate = unheard) -> None:
        """Look at the command file until a line of it is ``stop``; ``bandwidth RATE`` sets the rate."""
        heard: str | None = None
        while True:
            with suppress(OSError, UnicodeDecodeError):
                lines = [line.partition(" ") for line in self._command.read_text().splitlines()]
                if any(word == STOP for word, _, _ in lines):
                    return
                told = next((rest.strip() for word, _, rest in lines if word == BANDWIDTH), heard)
                if told is not None and told != heard:
                    hear(told, on_rate)
                heard = told
            await asyncio.sleep(_COMMAND_LOOK_S)


class Pump:
    """Reports what changes on a board: a state at once, progress now and then. A context manager.

    A report that cannot be written is written later; the transfer does not wait for it.
    """

    def __init__(self, board: Board, reporter: Reporter) -> None:
        self._board = board
        self._reporter = reporter
        self._changed = asyncio.Event()
        self._urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._moving = False

    async def __aenter__(self) -> Self:
        """Begin, with a first report at once."""
        loop = asyncio.get_running_loop()

        def on_change(urgent: bool) -> None:  # noqa: FBT001 - a callback's only argument
            loop.call_soon_threadsafe(self._wake, urgent)

        self._board.on_change = on_change
        self._wake(urgent=True)
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the last report, which says how it ended."""
        self._board.on_change = lambda _: None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for _ in range(_LAST_TRIES):
            if await self._write():
                return
            await asyncio.sleep(_RETRY_S)

    def _wake(self, urgent: bool) -> None:  # noqa: FBT001 - a callback's only argument
        self._changed.set()
        if urgent:
            self._urgent.set()

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_QUIET_S if self._moving else None):  # whoever stands still says so, too
                    await self._changed.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S):  # wait_for of Python 3.11 can swallow a cancellation
                    await self._urgent.wait()
            self._changed.clear()
            self._urgent.clear()
            if not await self._write():
                await asyncio.sleep(_RETRY_S)
                self._wake(urgent=True)

    async def _write(self) -> bool:
        report = self._board.report()
        self._moving = any(disk.rate for disk in report.disks)
        try:
            await self._reporter.write(report)
        except ThresherError as error:
            log.warning("%s", error)
            return False
        return True
