"""What vSphere's faults, and those of the network, are called here: one function."""

import http.client
import re
import socket
import ssl
from collections.abc import Callable
from typing import Any
from xml.parsers.expat import ExpatError

from pyVmomi import vim, vmodl

from thresher.model.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnreachable,
    ThresherError,
)

FAILURES = (OSError, http.client.HTTPException, vmodl.MethodFault, ExpatError)
"""All that pyvmomi raises for what a vCenter or a network does."""


def source_error(error: BaseException, host: str) -> ThresherError | None:
    """The error for something of :data:`FAILURES`; None where it is not one of them.

    Also for the ``error`` of a task or a lease, which is a fault without having been raised.

    Args:
        error: what was raised, or what a task ended with.
        host: the vCenter, for the message.
    """
    if isinstance(error, ThresherError):
        return error
    if isinstance(error, vmodl.MethodFault):
        return _of_fault(error, host)
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return _of_answer(error, host)
    if isinstance(error, ExpatError):
        return SourceError(f"{host} does not answer as the vSphere API does ({error}); check the endpoint's path")
    return _of_network(error, host) if isinstance(error, OSError) else None


def said(fault: Any) -> str:
    """What a fault says for people, without a full stop; else its type's name."""
    message = " ".join(str(getattr(fault, "msg", None) or "").split()).rstrip(".")
    return message or _kind(fault)


def _kind(fault: Any) -> str:
    return type(fault).__name__.rpartition(".")[2]


def _of_fault(fault: Any, host: str) -> SourceError:
    # The first row that fits counts: NotAuthenticated, for one, is a kind of NoPermission.
    for kind, make in _FAULTS:
        if isinstance(fault, kind):
            return make(fault, host)
    return SourceError(f"{host} refuses: {said(fault)} ({_kind(fault)}); see the vCenter's tasks and events")


def _login(fault: Any, host: str) -> SourceError:
    return SourceDenied(f"{host} refuses the login: {said(fault)}; check username and password in the source's Secret")


def _ended(_: Any, host: str) -> SourceError:
    return SourceUnreachable(f"{host} ended the session again right after the login; it will be tried again")


def _forbidden(fault: Any, host: str) -> SourceError:
    privileges = fault.privilegeId or ""
    for missing in getattr(fault, "missingPrivileges", None) or ():
        privileges = privileges or ", ".join(missing.privilegeIds)
    on = f" on {fault.object._moId}" if fault.object is not None else ""  # noqa: SLF001 - pyvmomi's only name for it
    return SourceDenied(
        f"the user lacks the privilege {privileges or 'that this needs'}{on} at {host}; add it to the user's role"
    )


def _licence(fault: Any, host: str) -> SourceError:
    return SourceDenied(f"the licence of {host} does not allow it: {said(fault)}; a free ESXi host forbids its API")


def _gone(fault: Any, host: str) -> SourceError:
    which = f" ({fault.obj._moId})" if getattr(fault, "obj", None) is not None else ""  # noqa: SLF001 - likewise
    return SourceNotFound(f"{host} no longer has what was asked for{which}: {said(fault)}; look for it again")


def _busy(fault: Any, host: str) -> SourceError:
    return SourceBusy(f"{host} cannot do it now: {said(fault)} ({_kind(fault)}); it will be tried again")


def _trouble(fault: Any, host: str) -> SourceError:
    return SourceUnreachable(f"{host} has a problem of its own: {said(fault)} ({_kind(fault)}); it will be tried again")


_FAULTS: tuple[tuple[Any, Callable[[Any, str], SourceError]], ...] = (
    (vim.fault.InvalidLogin, _login),
    (vim.fault.NotAuthenticated, _ended),
    (vim.fault.NoPermission, _forbidden),
    (vim.fault.RestrictedVersion, _licence),
    (vmodl.fault.ManagedObjectNotFound, _gone),
    (vim.fault.NotFound, _gone),
    (vim.fault.TaskInProgress, _busy),
    (vim.fault.InvalidState, _busy),
    (vim.fault.ConcurrentAccess, _busy),
    (vim.fault.Timedout, _trouble),
    (vim.fault.HostConnectFault, _trouble),
    (vmodl.fault.HostCommunication, _trouble),
    (vmodl.fault.SystemError, _trouble),
)
"""The faults that mean something here (vSphere Web Services API, "Faults")."""


def _of_answer(error: http.client.HTTPException, host: str) -> SourceError:
    """What pyvmomi raises as ``HTTPException("503 Service Unavailable")``: a status that is no SOAP answer."""
    status = re.match(r"(\d{3}) ", str(error))
    if status is None or status[1][0] == "5" or status[1] == "429":
        what = str(error) if status else type(error).__name__
        return SourceUnreachable(f"{host} cannot answer now ({what}); it will be tried again")
    return SourceError(f"{host} answers {error}; check the endpoint: it is https://host/sdk")


def _of_network(error: OSError, host: str) -> SourceError:
    if isinstance(error, TimeoutError):
        return SourceUnreachable(f"{host} did not answer in time; check the network and the vCenter")
    if isinstance(error, ConnectionRefusedError):
        return SourceUnreachable(f"{host} refuses the connection; check the port and that the vCenter runs")
    if isinstance(error, socket.gaierror):
        return SourceUnreachable(f"the name of {host} cannot be resolved; check it and the DNS")
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "reason", None) or type(error).__name__  # set by OpenSSL alone
        return SourceUnreachable(f"{host} does not speak TLS as expected ({why}); check the port")
    words = error.strerror or type(error).__name__
    return SourceUnreachable(f"{host} cannot be reached: {words}; check the network and the vCenter")
