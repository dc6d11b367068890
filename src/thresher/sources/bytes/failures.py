"""What an HTTP server's failures are called here."""

import contextlib
import hashlib
import http.client
import socket
import ssl
import urllib.error
from http import HTTPStatus
from urllib.parse import urlsplit

from thresher.model.errors import (
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceUnreachable,
    SourceUntrusted,
    StreamCut,
    ThresherError,
)
from thresher.sources.bytes.access import HttpAccess, spelled
from thresher.sources.bytes.reading import cut

FAILURES = (OSError, http.client.HTTPException, ValueError)
"""All that urllib and http.client raise for what a server or a network does."""


def refused(error: urllib.error.HTTPError, name: str, access: HttpAccess) -> SourceError:
    """The error for an answer that is not the file."""
    status, said = error.code, f"{error.code} {error.reason}"
    if status == HTTPStatus.UNAUTHORIZED and access.username is None:
        return SourceDenied(f"{name} asks for a user name and password ({said}); give them as the source's credentials")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return SourceDenied(f"the server refuses {name} ({said}); check the source's credentials and their rights")
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return SourceDenied(f"the proxy refuses {name} ({said}); put its credentials into the proxy's URL")
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return SourceNotFound(f"{name} does not exist on the server ({said}); check the URL")
    if status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS} or status >= 500:  # noqa: PLR2004
        return SourceUnreachable(f"the server cannot give {name} now ({said}); try again later")
    return SourceError(f"the server answers {said} for {name}; check the URL with a browser or curl")


def unreachable(error: Exception, name: str, url: str, access: HttpAccess) -> ThresherError:
    """The error for a server that did not answer at all."""
    cause: object = error
    if isinstance(error, urllib.error.URLError):
        cause, url = error.reason, error.filename or url
    host = urlsplit(url).netloc
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _untrusted(cause, host, url, access)
    if isinstance(cause, TimeoutError):
        return SourceUnreachable(f"{host} did not answer for {name} within {access.timeout_s:g} s; check the network")
    if isinstance(cause, ConnectionRefusedError):
        return SourceUnreachable(f"{host} refuses the connection for {name}; check the port and that it runs")
    if isinstance(cause, socket.gaierror):
        return SourceUnreachable(f"the name of {host} cannot be resolved for {name}; check it and the DNS")
    if isinstance(cause, http.client.HTTPException | ssl.SSLError) and not isinstance(cause, ConnectionError):
        kind = type(cause).__name__
        return SourceUnreachable(f"{host} does not answer {name} as a web server does ({kind}); check scheme and port")
    words = cause.strerror if isinstance(cause, OSError) and cause.strerror else type(cause).__name__
    return SourceUnreachable(f"{host} cannot be reached for {name}: {words}; check the network and the server")


def interrupted(error: Exception, name: str, done: int, total: int | None, access: HttpAccess) -> SourceError:
    """The error for bytes that stopped in the middle, by a time-out or a broken connection."""
    broken = cut(name, done, total)
    if isinstance(error, TimeoutError):
        return SourceUnreachable(f"the server sent nothing for {access.timeout_s:g} s: {broken}")
    return StreamCut(str(broken))


def _untrusted(error: ssl.SSLCertVerificationError, host: str, url: str, access: HttpAccess) -> SourceUntrusted:
    shown = _fingerprint(url, access)
    seen = f" It shows the SHA-256 fingerprint {spelled(shown)}." if shown else ""
    expected = "the given CA" if access.ca_pem else "an authority this system trusts"
    return SourceUntrusted(
        f"the certificate of {host} is not vouched for by {expected}: {error.verify_message}.{seen} "
        "Give its CA as ca.crt in the source's credentials, or pin that fingerprint once you have checked it"
    )


def _fingerprint(url: str, access: HttpAccess) -> str:
    """The fingerprint of the certificate that was refused; "" where it cannot be had (behind a proxy)."""
    parts = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: the certificate is looked at, to be shown
    with contextlib.suppress(OSError):
        address = (parts.hostname or "", parts.port or 443)
        with (
            socket.create_connection(address, timeout=min(access.timeout_s or 10, 10)) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as tls,
        ):
            return hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()
    return ""
