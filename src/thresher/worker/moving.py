"""The transfer of one import: every attempt, until all disks are whole or no attempt helps."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from thresher.imports.policy import Policy
from thresher.model.errors import TargetFull, ThresherError
from thresher.model.failure import Failure
from thresher.model.spec import ImportSpec
from thresher.model.vm import SourceVM
from thresher.ports import DiskResult, DiskStream, Export, Progress, Source, Transfer
from thresher.transfer.serving import DiskServer
from thresher.worker.board import Board
from thresher.worker.scratch import Scratch

log = logging.getLogger(__name__)

PARALLEL_DISKS = 4
"""At a time, where the source allows it; as the transfer does by itself."""


_POLICY = Policy(attempts=10)
"""With the delays of every import, so many failures in a row span about eight minutes: a source that restarts."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a worker goes on trying.

    Attributes:
        policy: the delays, and after how many failures in a row it gives up, none of which got further than any before.
        room_wait: how long a full scratch volume may stay full.
        room_look_s: how often it is looked at meanwhile.
    """

    policy: Policy = _POLICY
    room_wait: timedelta = timedelta(hours=1)
    room_look_s: float = 2.0


PATIENT = Patience()


class ImportTransfer:
    """Moves all disks of one VM to where they belong, and publishes each as soon as it is whole.

    Args:
        spec: the import.
        open_source: makes the source anew for each attempt, with a session of its own.
        transfer: moves one disk at a time.
        scratch: where the disks lie.
        served: what becomes of finished disks.
        board: told everything.
        patience: how long to go on.
    """

    def __init__(
        self,
        spec: ImportSpec,
        open_source: Callable[[], Source],
        transfer: Transfer,
        scratch: Scratch,
        served: "Published",
        board: Board,
        patience: Patience = PATIENT,
    ) -> None:
        self._spec = spec
        self._open_source = open_source
        self._transfer = transfer
        self._scratch = scratch
        self._served = served
        self._board = board
        self._patience = patience
        self._furthest = 0
        self._vm: SourceVM | None = None

    async def run(self) -> None:
        """Return when every disk is whole and served.

        Raises:
            ThresherError: what no further attempt mends, or what went on for too long.
        """
        failures, attempt = 0, 1
        while True:
            self._board.begins(attempt)
            try:
                await self._attempt()
            except TargetFull as error:
                await self._wait_for_room(error)
            except ThresherError as error:
                failures = 1 if self._got_further() else failures + 1
                if not error.retryable or failures >= self._patience.policy.attempts:
                    raise
                await self._wait(error, failures)
            else:
                return
            attempt += 1

    async def _attempt(self) -> None:
        async with self._open_source() as source:
            vm = await source.find(self._spec.vm_name, self._spec.folder)
            self._vm = vm
            self._board.found(vm)
            numbers = {disk.key: number for number, disk in enumerate(vm.disks)}
            async with source.export(vm, self._spec.uid) as export:
                await self._disks(export, numbers)

    async def _disks(self, export: Export, numbers: Mapping[str, int]) -> None:
        """Move every disk. What is worth a retry lets the others go on; anything else stops them."""
        limit = asyncio.Semaphore(PARALLEL_DISKS if export.parallel else 1)
        tasks = {asyncio.create_task(self._disk(stream, numbers, limit)) for stream in export.disks}
        pending, first = set(tasks), None
        try:
            while pending:
                finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
                for error in filter(None, (task.exception() for task in finished)):
                    if not isinstance(error, ThresherError) or isinstance(error, TargetFull) or not error.retryable:
                        raise error
                    first = first or error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if first is not None:
            raise first

    async def _disk(self, stream: DiskStream, numbers: Mapping[str, int], limit: asyncio.Semaphore) -> None:
        key = stream.disk.key
        async with limit:
            self._board.running(key)
            try:
                result = await self._moved(stream, numbers[key])
            except ThresherError as error:
                self._board.failed(key, Failure.of(error))
                raise
            except asyncio.CancelledError:
                self._board.interrupted(key)
                raise
            url = self._served.publish(numbers[key], self._scratch, key)
        self._board.done(key, result, url)
        log.info("disk %s is whole: %d bytes of data in %d", key, result.data, result.capacity)

    async def _moved(self, stream: DiskStream, number: int) -> DiskResult:
        key = stream.disk.key
        if not self._scratch.may_begin(key):
            raise TargetFull(f"there is no room for disk {key}")

        def on_progress(at: Progress) -> None:
            if self._served.withdraw(number):  # only a disk that is not taken over as it is makes progress
                self._board.withdrawn(key)
            self._board.progress(at)

        results = await self._transfer.run(Export((stream,)), {key: self._scratch.path(key)}, on_progress)
        return results[key]

    def _got_further(self) -> bool:
        reached = sum(disk.position for disk in self._board.report().disks)
        further, self._furthest = reached > self._furthest, max(reached, self._furthest)
        return further

    async def _wait(self, error: ThresherError, failures: int) -> None:
        delay = self._patience.policy.delay(failures, self._spec.uid)
        self._board.waits(Failure.of(error), datetime.now(UTC) + delay)
        log.warning("%s; trying again in %.0f s", error, delay.total_seconds())
        await asyncio.sleep(delay.total_seconds())

    async def _wait_for_room(self, error: TargetFull) -> None:
        """Wait until the volume was enlarged. Downloading again before that would end in the same place."""
        if self._vm is None:
            raise error
        full = self._scratch.full(self._vm)
        self._board.waits(Failure.of(full), None)
        log.error("%s", full)
        last = datetime.now(UTC) + self._patience.room_wait
        while not self._scratch.has_grown():
            if datetime.now(UTC) > last:
                raise full from error
            await asyncio.sleep(self._patience.room_look_s)


class Published(Protocol):
    """What becomes of finished disks."""

    def publish(self, number: int, scratch: Scratch, key: str) -> str:
        """Let others have a finished disk, and return where; "" where nobody has to fetch it."""
        ...

    def withdraw(self, number: int) -> bool:
        """Let nobody have a disk any more; whether anybody could."""
        ...


class InPlace:
    """Finished disks that are where they belong: nobody fetches them."""

    def publish(self, number: int, scratch: Scratch, key: str) -> str:  # noqa: ARG002 - see Published
        """Nothing to do."""
        return ""

    def withdraw(self, number: int) -> bool:  # noqa: ARG002 - see Published
        """Nothing to do."""
        return False


class Served:
    """The finished disks on the server.

    Args:
        server: the server.
        base: its URL as Harvester reaches it, without a slash at the end.
    """

    def __init__(self, server: DiskServer, base: str) -> None:
        self._server = server
        self._base = base
        self._numbers: set[int] = set()

    def publish(self, number: int, scratch: Scratch, key: str) -> str:
        """Serve a finished disk and return its URL."""
        self._numbers.add(number)
        return self._base + self._server.publish(_name(number), scratch.path(key))

    def withdraw(self, number: int) -> bool:
        """Serve a disk no longer; whether it was served."""
        if number not in self._numbers:
            return False
        self._numbers.discard(number)
        self._server.withdraw(_name(number))
        return True


def _name(number: int) -> str:
    return f"disk-{number}.raw"
