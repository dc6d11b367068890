"""The disks of a VM, side by side, in threads of this process."""

import asyncio
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from thresher.ports import DiskResult, DiskStream, Export, ProgressSink
from thresher.transfer.disk import DiskTransfer, Options
from thresher.transfer.memory import keep_freed_memory

MAX_WORKERS = 4
"""Inflating is bound by cores; beyond a few, the network and the disk are the limit."""


def worker_count() -> int:
    """One thread for each core that this process may use, within reason; more than cores was measured no faster."""
    return max(2, min(MAX_WORKERS, len(os.sched_getaffinity(0))))


class ThreadTransfer:
    """Implements :class:`thresher.ports.Transfer` with threads.

    Args:
        options: for every disk.
        parallel: how many disks at a time, where the source allows more than one.
    """

    def __init__(self, options: Options, *, parallel: int = 4) -> None:
        self._options = options
        self._parallel = parallel

    async def run(self, export: Export, paths: Mapping[str, Path], progress: ProgressSink) -> Mapping[str, DiskResult]:
        """Write each disk to the path its key maps to.

        A failure or a cancellation stops the other disks, waits for them, and is raised; what they made durable
        stays for the next run.

        Raises:
            ThresherError: of the disk that failed first.
        """
        keep_freed_memory()
        stop = threading.Event()
        limit = asyncio.Semaphore(self._parallel if export.parallel else 1)
        loop = asyncio.get_running_loop()
        readers = ThreadPoolExecutor(max(1, len(export.disks)), "read")
        with ThreadPoolExecutor(worker_count(), "expand") as workers:

            async def one(stream: DiskStream) -> tuple[str, DiskResult]:
                async with limit:
                    transfer = DiskTransfer(
                        stream,
                        paths[stream.disk.key],
                        workers,
                        options=self._options,
                        progress=progress,
                        stop=stop,
                    )
                    return stream.disk.key, await loop.run_in_executor(readers, transfer.run)

            tasks = [asyncio.ensure_future(one(stream)) for stream in export.disks]
            try:
                return dict(await asyncio.gather(*tasks))
            finally:
                stop.set()  # a cancelled task leaves its thread running: wait for the threads themselves
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.to_thread(readers.shutdown)
