"""How an HTTP server is reached: credentials, trust, time-outs, redirects, and what its failures are called.

Built on the standard library's client: it alone reads straight into the caller's buffers, which makes it the
fastest way to read a disk in Python.
"""

import base64
import hashlib
import http.client
import ssl
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import IO
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit
from urllib.request import (
    AbstractHTTPHandler,
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from thresher.model.errors import SourceUntrusted, UsageError
from thresher.sources.tls import verifying

_PORTS = {"http": 80, "https": 443}
_URL_SAFE = "%/:@!$&'()*+,;=~?#[]"


@dataclass(frozen=True, slots=True)
class HttpAccess:
    """What is needed to read from a server.

    Attributes:
        username: for basic authentication, sent with the first request; None for none.
        password: likewise. Neither is sent to another server after a redirect.
        headers: sent to the server itself only, like the credentials.
        ca_pem: certificates to trust in place of the system's, as PEM; "" for the system's.
        timeout_s: how long the server may send nothing; it does not limit a whole download. 0 waits for ever.
        fingerprint_sha256: trust exactly this certificate (SHA-256 of its DER form, in hexadecimal)
            and no authority; None verifies as usual.
        fingerprint_sha1: likewise by SHA-1, where nothing better is to be had: vSphere names the certificate of an
            ESXi host by its SHA-1 alone (HttpNfcLeaseDeviceUrl.sslThumbprint). An impostor would need a second
            preimage of a given certificate, which nobody can compute; what is broken of SHA-1 is that whoever makes
            two certificates can make them collide. Not used where ``fingerprint_sha256`` is given.
    """

    username: str | None = None
    password: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    ca_pem: str = ""
    timeout_s: float = 600
    fingerprint_sha256: str | None = None
    fingerprint_sha1: str | None = None

    def __repr__(self) -> str:
        """Without the secrets, so that no log can hold them."""
        return f"HttpAccess(username={self.username!r}, timeout_s={self.timeout_s})"


@dataclass(frozen=True, slots=True)
class Location:
    """A URL taken apart: what is requested, what may be shown, and the credentials that it carried.

    Attributes:
        url: without credentials, percent-encoded where it has to be.
        shown: for messages; a query, which often carries a signature, is left out.
        username: from ``user:password@``, or None.
        password: likewise.
    """

    url: str
    shown: str
    username: str | None = None
    password: str | None = None


def locate(url: str) -> Location:
    """Take a URL apart.

    Raises:
        UsageError: it is not an http or https URL with a host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"the URL of the source cannot be read: {error}; write https://host/path") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UsageError(f"a source's URL begins with http:// or https:// and names a host, unlike {_shown(parts)}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.encode("idna").decode()
    netloc = host if port is None else f"{host}:{port}"
    clean = SplitResult(parts.scheme, netloc, quote(parts.path or "/", safe=_URL_SAFE), parts.query, "")
    user, password = parts.username, parts.password
    return Location(
        url=urlunsplit(clean._replace(query=quote(parts.query, safe=_URL_SAFE))),
        shown=_shown(clean),
        username=None if user is None else unquote(user),
        password=None if password is None else unquote(password),
    )


def _shown(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    return unquote(urlunsplit((parts.scheme, host, parts.path, "…" if parts.query else "", "")))


def credentials(access: HttpAccess, location: Location) -> Mapping[str, str]:
    """The headers that are for the server itself and for no other."""
    user = access.username if access.username is not None else location.username
    password = access.password if access.username is not None else location.password
    headers = dict(access.headers)
    if user is not None:
        token = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    return headers


def opener(access: HttpAccess, location: Location) -> OpenerDirector:
    """A client for one server and what it redirects to: http and https only, proxies of the environment.

    Raises:
        UsageError: the CA is no PEM, or the fingerprint is none.
    """
    parts = urlsplit(location.url)
    pin = _pin(access)
    trusting = _TrustingHandler(access.ca_pem, pin, parts.hostname or "")
    if access.ca_pem or (parts.scheme == "https" and pin is None):
        _ = trusting.verified  # a CA that cannot be read shows now
    director = OpenerDirector()
    for handler in (
        ProxyHandler(),
        UnknownHandler(),
        HTTPHandler(),
        trusting,
        HTTPDefaultErrorHandler(),
        _CarefulRedirects(credentials(access, location)),
        HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    return director


@dataclass(frozen=True, slots=True)
class _Pin:
    """The one certificate to trust."""

    algorithm: str
    hexdigest: str

    def digest(self, certificate: bytes) -> str:
        return hashlib.new(self.algorithm, certificate, usedforsecurity=False).hexdigest()

    @property
    def title(self) -> str:
        return self.algorithm.upper().replace("SHA", "SHA-")


def _pin(access: HttpAccess) -> _Pin | None:
    if access.fingerprint_sha256 is not None:
        return _pinned("sha256", access.fingerprint_sha256)
    return None if access.fingerprint_sha1 is None else _pinned("sha1", access.fingerprint_sha1)


def _pinned(algorithm: str, fingerprint: str) -> _Pin:
    pin = _Pin(algorithm, fingerprint.replace(":", "").replace(" ", "").lower())
    digits = hashlib.new(algorithm, usedforsecurity=False).digest_size * 2
    if len(pin.hexdigest) != digits or set(pin.hexdigest) - set("0123456789abcdef"):
        raise UsageError(
            f"a certificate's fingerprint is {pin.title} as {digits} hexadecimal digits; colons may part them"
        )
    return pin


def spelled(fingerprint: str) -> str:
    """A fingerprint as other tools print it: pairs of upper-case digits with colons between."""
    upper = fingerprint.upper()
    return ":".join(upper[i : i + 2] for i in range(0, len(upper), 2))


class _PinnedConnection(http.client.HTTPSConnection):
    """Trusts one certificate. It is compared before the first byte of a request is sent."""

    def __init__(self, host: str, *, pin: _Pin, context: ssl.SSLContext, timeout: float | None) -> None:
        super().__init__(host, context=context, timeout=timeout)
        self.pin = pin

    def connect(self) -> None:
        super().connect()
        certificate = self.sock.getpeercert(binary_form=True) or b""
        found = self.pin.digest(certificate)
        if found != self.pin.hexdigest:
            self.close()
            raise SourceUntrusted(
                f"{self.host} shows a certificate with the {self.pin.title} fingerprint {spelled(found)}, but "
                f"{spelled(self.pin.hexdigest)} is pinned; if the server's certificate was renewed, pin the new one"
            )


class _TrustingHandler(AbstractHTTPHandler):
    """Verifies by authority, or for the pinned host by fingerprint."""

    https_request = AbstractHTTPHandler.do_request_

    def __init__(self, ca_pem: str, pin: _Pin | None, host: str) -> None:
        super().__init__()
        self._ca_pem = ca_pem
        self._pin = pin
        self._host = host

    @cached_property
    def verified(self) -> ssl.SSLContext:
        """Loading the system's authorities takes longer than a request: only where https is spoken."""
        return verifying(self._ca_pem, "ca.crt")

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        if self._pin is None or urlsplit(req.full_url).hostname != self._host:
            try:
                return self.do_open(http.client.HTTPSConnection, req, context=self.verified)
            except urllib.error.URLError as error:
                error.filename = req.full_url  # after a redirect it is not the URL that was asked for
                raise
        unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the system's authorities, which take a while
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE  # the fingerprint is the stronger check
        return self.do_open(partial(_PinnedConnection, pin=self._pin), req, context=unverified)


class _CarefulRedirects(HTTPRedirectHandler):
    """Keeps credentials from other servers, and what began encrypted from going on in the clear."""

    def __init__(self, private: Mapping[str, str]) -> None:
        self._private = private

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> Request | None:
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is None:
            return None
        old_parts, new_parts = urlsplit(req.full_url), urlsplit(new.full_url)
        if new_parts.scheme not in _PORTS or (old_parts.scheme, new_parts.scheme) == ("https", "http"):
            where = f"{new_parts.scheme}://{new_parts.hostname}"
            text = f"a redirect from {old_parts.scheme} to {where} is not followed"
            raise urllib.error.HTTPError(req.full_url, code, text, headers, fp)
        if _same_server(old_parts, new_parts) and _carries(req, self._private):
            for name, value in self._private.items():
                new.add_unredirected_header(name, value)
        fp.close()  # urllib would read the answer's whole body, however long it is
        return new


def _carries(req: Request, private: Mapping[str, str]) -> bool:
    """Whether this hop still had the credentials: once another server was asked, they never come back."""
    return all(req.has_header(name.capitalize()) for name in private)


def _same_server(old: SplitResult, new: SplitResult) -> bool:
    if old.hostname != new.hostname:
        return False
    ports = (old.port or _PORTS[old.scheme], new.port or _PORTS[new.scheme])
    upgraded = ports == (_PORTS["http"], _PORTS["https"]) and (old.scheme, new.scheme) == ("http", "https")
    return upgraded or (ports[0] == ports[1] and old.scheme == new.scheme)
