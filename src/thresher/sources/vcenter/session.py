"""One session at a vCenter, for any number of threads."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from pyVmomi import vim
from pyVmomi.VmomiSupport import versionMap

from thresher.model.errors import ThresherError
from thresher.sources.vcenter.access import VCenterAccess, address
from thresher.sources.vcenter.faults import FAILURES
from thresher.sources.vcenter.stub import Stub
from thresher.sources.vcenter.trust import Trust

T = TypeVar("T")

_OLDEST = "vim25/5.5"
"""What to ask with before the server's version is known; vSphere 6.5 and later still understand it."""
_POOL = 8
"""Connections kept open, as many as there are threads."""
_IDLE_S = 20.0
"""How long an idle connection is used again: shorter than what proxies in front of a vCenter wait."""


def api_version(stated: str) -> str:
    """The newest version of the API that pyvmomi knows and the server has, by its ``about.apiVersion``."""

    def numbers(text: str) -> tuple[int, ...]:
        found = tuple(int(part) for part in text.split(".") if part.isdigit())
        return found if len(found) == len(text.split(".")) else ()

    known = {numbers(key.removeprefix("vim25/")): key for key in versionMap if key.startswith("vim25/")}
    usable = [version for version in known if version and version <= numbers(stated)]
    newest: str = versionMap[known[max(usable)] if usable else _OLDEST]
    return newest


class Session:
    """Logs in when it is first needed and again when the session expired; never more than one session.

    Every method blocks, and raises what pyvmomi raises, or SourceUntrusted.

    Args:
        access: where and as whom.
        trust: judges the server before anything is sent.
    """

    def __init__(self, access: VCenterAccess, trust: Trust) -> None:
        at = address(access.endpoint)
        self._access = access
        self._stub = Stub(
            host=at.host,
            port=at.port,
            path=at.path,
            version=versionMap[_OLDEST],
            poolSize=_POOL,
            connectionPoolTimeout=_IDLE_S,
            httpConnectionTimeout=access.timeout_s,
        )
        self._stub.scheme = trust.connection
        self._instance = vim.ServiceInstance("ServiceInstance", self._stub)
        self._lock = threading.Lock()
        self._open = True
        self._number = 0  # of the login that the present session comes from; 0 while there is none
        self._attempts = 0
        self._refusal: Exception | None = None
        self.used_at = time.monotonic()

    @property
    def attempts(self) -> int:
        """How often a login was tried."""
        return self._attempts

    def run(self, function: Callable[[Any], T], attempts: int) -> T:
        """Run ``function`` with the logged-in service instance; once more if the session had expired.

        Args:
            function: what to do.
            attempts: those when the call was asked for. A login that was refused since then is not tried again:
                ten wrong ones at once lock an account.
        """
        number = self._logged_in(attempts, expired=None)
        try:
            return function(self._instance)
        except vim.fault.NotAuthenticated:
            self._logged_in(self._attempts, expired=number)
            return function(self._instance)
        finally:
            self.used_at = time.monotonic()
            self._hang_up_if_closed()

    def keep(self) -> None:
        """Tell the server that the session is still in use, if there is one; what fails is the next call's."""
        if self._number:
            with contextlib.suppress(*FAILURES, ThresherError):
                self._instance.CurrentTime()
                self.used_at = time.monotonic()
            self._hang_up_if_closed()

    def _hang_up_if_closed(self) -> None:
        """After a call: pyvmomi has put its connection back among the open ones."""
        if not self._open:
            self._stub.DropConnections()

    def close(self) -> None:
        """Log out. A call that still runs gets no new session."""
        with self._lock:
            self._open = False
            if self._number:
                self._number = 0
                with contextlib.suppress(*FAILURES, ThresherError):  # the server ends it by itself then
                    self._instance.RetrieveContent().sessionManager.Logout()
            self._stub.DropConnections()

    def _logged_in(self, attempts: int, *, expired: int | None) -> int:
        """The number of the present session, which is a new one if the present one is the ``expired`` one."""
        with self._lock:
            if not self._open:
                raise ConnectionAbortedError("the connection was closed")
            if self._number and self._number != expired:
                return self._number
            if self._attempts != attempts and self._refusal is not None:
                raise self._refusal
            self._attempts += 1
            try:
                self._login()
            except Exception as error:
                self._number = 0
                self._refusal = error
                raise
            self._refusal = None
            self._number = self._attempts
            return self._number

    def _login(self) -> None:
        self._stub.SetSessionId("")
        content = self._instance.RetrieveContent()
        self._stub.ComputeVersionInfo(api_version(content.about.apiVersion))
        content.sessionManager.Login(self._access.username, self._access.password)
