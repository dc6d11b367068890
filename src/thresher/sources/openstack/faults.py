"""What openstacksdk's errors, keystoneauth's and those of the network are called here: one function."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from keystoneauth1 import exceptions as ksa
from openstack import exceptions as sdk

from thresher.model.errors import (
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnreachable,
    SourceUntrusted,
    ThresherError,
)
from thresher.sources.openstack.access import Place

FAILURES = (
    ksa.ClientException,
    sdk.SDKException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)
"""All that openstacksdk and what it stands on raise for what a cloud or a network does."""
_CHAIN = 20
"""How many causes of an error are looked at; requests wraps urllib3, which wraps ssl."""
_SAID = 300
"""Characters of a server's own words in a message: a proxy's error page is longer."""


def source_error(error: BaseException, place: Place) -> ThresherError | None:
    """The error for something of :data:`FAILURES`; None where it is not one of them.

    Args:
        error: what was raised.
        place: the cloud, for the message.
    """
    if isinstance(error, ThresherError):
        return error
    if not isinstance(error, FAILURES):
        return None
    status = _status(error)
    if status is not None:
        return of_status(status, said(error), place, what=_asked(error))
    return _of_catalogue(error, place) or _of_network(error, place)


def _of_catalogue(error: BaseException, place: Place) -> SourceError | None:
    """The error for services that are not where they are looked for."""
    if isinstance(error, ksa.EndpointNotFound | sdk.EndpointNotFound):
        return SourceNotFound(f"the catalogue of {place} lacks a service that is needed: {said(error)}")
    if isinstance(error, ksa.DiscoveryFailure | sdk.ServiceDiscoveryException):
        return SourceError(f"a service of {place} cannot be used: {said(error)}; check the endpoints of its catalogue")
    if isinstance(error, ksa.InvalidResponse | sdk.InvalidResponse):
        return SourceError(f"{place} does not answer as OpenStack does ({said(error)}); check the endpoint")
    return None


def of_status(status: int, words: str, place: Place, *, what: str = "") -> SourceError:
    """The error for an answer that is a refusal.

    Args:
        status: of HTTP.
        words: what the service said.
        place: the cloud, for the message.
        what: which service was asked, by its host; "" where nobody knows.
    """
    who = f"{place}, asked at {what}," if what and what != place.host else f"{place}"
    if is_quota(status, words):
        return SourceBusy(f"{who} has no quota left: {words}; free some or have it raised, and it will be tried again")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return SourceUnreachable(f"{who} cannot answer now ({status}: {words}); it will be tried again")
    make = _REFUSALS.get(status)
    return make(words, who) if make else SourceError(f"{who} refuses ({status}): {words}; see the service's log")


def is_quota(status: int, words: str) -> bool:
    """Whether an answer says that a quota is exhausted.

    Nova says so with 403 ("Quota exceeded for ..."), Cinder and Glance with 413 ("VolumeLimitExceeded: ...",
    "... quota ..."), and Neutron with 409 ("Quota exceeded for resources"), as their API references have it.
    """
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return True
    return status in (HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT) and "quota" in words.lower()


def said(error: BaseException) -> str:
    """What a service says for people, on one line and without a full stop; else what the client says."""
    answer = getattr(error, "response", None)
    words = _message(answer) if answer is not None else ""
    words = words or str(getattr(error, "details", None) or getattr(error, "message", None) or error)
    return " ".join(words.split()).rstrip(".")[:_SAID] or type(error).__name__


def _message(answer: Any) -> str:
    """The message within ``{"badRequest": {"code": 400, "message": ...}}``, as most services write it."""
    try:
        body = json.loads(answer.text)
    except ValueError:
        return ""
    inner = next(iter(body.values()), None) if isinstance(body, dict) else None
    return str(inner.get("message", "")) if isinstance(inner, dict) else ""


def _status(error: BaseException) -> int | None:
    """The answer's status, as keystoneauth and as openstacksdk name it."""
    for name in ("http_status", "status_code"):
        status = getattr(error, name, None)
        if isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST:
            return status
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST else None


def _asked(error: BaseException) -> str:
    url = getattr(error, "url", None) or getattr(getattr(error, "response", None), "url", None)
    return urlsplit(url).netloc if isinstance(url, str) else ""


def _login(words: str, who: str) -> SourceError:
    return SourceDenied(
        f"{who} refuses the login: {words}; check the endpoint and, in the source's Secret, the user with project and "
        "domain, or the application credential"
    )


def _forbidden(words: str, who: str) -> SourceError:
    return SourceDenied(f"the user may not do it at {who}: {words}; the project's role member is needed")


def _gone(words: str, who: str) -> SourceError:
    return SourceNotFound(f"{who} does not have what was asked for: {words}; check the endpoint, or look for it again")


def _busy(words: str, who: str) -> SourceError:
    return SourceBusy(f"{who} cannot do it now: {words}; it will be tried again")


_REFUSALS: dict[int, Callable[[str, str], SourceError]] = {
    HTTPStatus.UNAUTHORIZED: _login,
    HTTPStatus.FORBIDDEN: _forbidden,
    HTTPStatus.NOT_FOUND: _gone,
    HTTPStatus.GONE: _gone,
    HTTPStatus.CONFLICT: _busy,
}


_TROUBLE: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ssl.SSLError,), "does not speak TLS as expected; check the endpoint's port"),
    (
        (socket.gaierror, urllib3.exceptions.NameResolutionError),
        "has a name that cannot be resolved; check the endpoint and the DNS",
    ),
    ((ConnectionRefusedError,), "refuses the connection; check the port and that the service runs"),
    (
        (TimeoutError, requests.Timeout, ksa.ConnectTimeout),
        "did not answer in time; check the network and the service",
    ),
)
"""What a network may do, most exact first."""
_NETWORK = (OSError, ksa.ConnectionError, urllib3.exceptions.HTTPError)


def _of_network(error: BaseException, place: Place) -> SourceError:
    causes = tuple(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = getattr(cause, "verify_message", cause)  # set by OpenSSL alone
            return SourceUntrusted(
                f"the certificate of a server of {place} is not vouched for by an authority that is trusted: {why}; "
                "put the CA that issued it (of a self-signed certificate, itself), as PEM, into ca_cert of the source's"
                " Secret, and check that the endpoint names the host as the certificate does"
            )
    for kinds, words in _TROUBLE:
        if any(isinstance(cause, kinds) for cause in causes):
            return SourceUnreachable(f"a server of {place} {words}")
    if any(isinstance(cause, _NETWORK) for cause in causes):
        return SourceUnreachable(f"a server of {place} cannot be reached: {said(error)}; check the network")
    return SourceError(f"{place} failed: {said(error)} ({type(error).__name__}); see the service's log")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, whichever way each library keeps that."""
    waiting: list[Any] = [error]
    seen: list[BaseException] = []
    while waiting and len(seen) < _CHAIN:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
