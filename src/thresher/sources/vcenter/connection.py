"""The connection that everything of one vCenter shares: one session, any number of calls at once."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Self, TypeVar

from thresher.sources.vcenter.access import VCenterAccess, address
from thresher.sources.vcenter.faults import FAILURES, source_error
from thresher.sources.vcenter.session import Session
from thresher.sources.vcenter.trust import Trust

__all__ = ["VCenterAccess", "VCenterConnection"]

T = TypeVar("T")

_KEEP_ALIVE_S = 240.0
"""A session ends after 30 minutes without a call (vSphere's default for the API)."""
_THREADS = 8
"""Calls at once. They are threads of its own: the keep-alive of a lease must not wait for disks."""


class VCenterConnection:
    """One vCenter, or one ESXi host.

    It may be entered several times, by whoever shares it, and logs out when the last one leaves. It logs in when
    it is first used. Used from one event loop.

    Args:
        access: where and as whom.
        keep_alive_s: after how long without a call the session is kept alive by one.

    Raises:
        UsageError: the endpoint, the CA or the fingerprint cannot be used as written.
    """

    def __init__(self, access: VCenterAccess, *, keep_alive_s: float = _KEEP_ALIVE_S) -> None:
        self.host = address(access.endpoint).netloc
        self._access = access
        self._trust = Trust(access)
        self._keep_alive_s = keep_alive_s
        self._entered = 0
        self._session: Session | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._keeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"VCenterConnection({self.host})"

    @property
    def access(self) -> VCenterAccess:
        """Where and as whom."""
        return self._access

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the server's certificate, ``AA:BB:...``, once it was reached and trusted."""
        return self._trust.fingerprint

    @property
    def pinned(self) -> str | None:
        """The fingerprint that is trusted in place of an authority; None where an authority vouches."""
        return self._trust.pinned

    async def __aenter__(self) -> Self:
        """Nothing is asked of the server yet."""
        self._entered += 1
        if self._session is None:
            self._session = Session(self._access, self._trust)
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="vcenter")
            self._keeper = asyncio.create_task(self._keep_alive(self._session))
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Log out, if nobody else is in."""
        self._entered -= 1
        if self._entered:
            return
        session, threads, keeper = self._session, self._threads, self._keeper
        self._session = self._threads = self._keeper = None
        if keeper:
            keeper.cancel()
        if session and threads:
            closing = asyncio.get_running_loop().run_in_executor(threads, session.close)
            threads.shutdown(wait=False)
            await asyncio.shield(closing)  # it goes on even where this task is cancelled

    async def call(self, function: Callable[[Any], T]) -> T:
        """Run ``function`` in a thread with the logged-in ``vim.ServiceInstance``.

        Where the session has expired it logs in again and runs ``function`` once more, from its start.

        Raises:
            SourceError: whatever the vCenter or the network did, in the words of the error tree.
            RuntimeError: the connection is not entered.
        """
        if self._session is None or self._threads is None:
            raise RuntimeError("the connection to the vCenter is not entered")
        work = partial(self._session.run, function, self._session.attempts)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except FAILURES as error:
            failed = source_error(error, self.host)
            if failed is None:
                raise
            raise failed from error

    async def _keep_alive(self, session: Session) -> None:
        while True:
            idle = time.monotonic() - session.used_at
            if idle < self._keep_alive_s:
                await asyncio.sleep(self._keep_alive_s - idle)
            elif self._threads is not None:
                await asyncio.get_running_loop().run_in_executor(self._threads, session.keep)
                # Also where it failed: the next attempt is the next interval's.
                await asyncio.sleep(self._keep_alive_s)
