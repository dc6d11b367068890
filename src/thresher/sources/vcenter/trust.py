"""Whether a server is the one that is meant: by an authority, or by the fingerprint of its certificate.

pyvmomi's own ``thumbprint`` is not used: after the first connection whose certificate no authority vouches for, it
turns verification off in the context that all later connections share, and compares the thumbprint only where
verification fails (``_Connect`` in pyVmomi/SoapAdapter.py), which it then never does again.
"""

import contextlib
import hashlib
import http.client
import socket
import ssl
import threading

from thresher.model.errors import SourceUntrusted, UsageError
from thresher.sources.tls import verifying
from thresher.sources.vcenter.access import VCenterAccess, address


def spelled(certificate: bytes) -> str:
    """The SHA-256 of a certificate in DER form, as other tools print it: ``AA:BB:...``."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


class Trust:
    """Judges the certificates of one server. Used by many threads.

    A CA that is given judges alone. Without one a fingerprint that is given judges alone; else the system's
    authorities judge, and where they do not vouch the first certificate seen is pinned for as long as this lives.

    Args:
        access: whom to trust.

    Raises:
        UsageError: the CA is no PEM, or the fingerprint is none.
    """

    def __init__(self, access: VCenterAccess) -> None:
        self._netloc = address(access.endpoint).netloc
        self._given_ca = bool(access.ca_pem.strip())
        self._verifying = verifying(access.ca_pem, "caCert")
        self._lock = threading.Lock()
        self._pin = None if self._given_ca else _pin(access.fingerprint_sha256)
        self._seen: str | None = None

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the server's certificate, once a connection was trusted."""
        return self._seen

    @property
    def pinned(self) -> str | None:
        """The fingerprint that stands in for an authority, or None where an authority vouches."""
        return self._pin

    def connection(self, host: str, port: int, timeout: float | None = None) -> "TrustedConnection":
        """A connection that is not open yet; it takes what pyvmomi gives to ``http.client.HTTPSConnection``."""
        context = self._verifying if self._pin is None else _unverified()
        return TrustedConnection(host, port, trust=self, context=context, timeout=timeout)

    def distrusted(self, error: ssl.SSLCertVerificationError, certificate: bytes | None) -> SourceUntrusted | None:
        """No authority vouches for the certificate: pin it and return None, or say why it cannot be trusted."""
        if certificate is not None and not self._given_ca:
            return self.compare(certificate, first=True)
        authority = "the given CA" if self._given_ca else "an authority that this system trusts"
        shown = f" It shows the SHA-256 fingerprint {spelled(certificate)}." if certificate else ""
        return SourceUntrusted(
            f"the certificate of {self._netloc} is not vouched for by {authority}: {error.verify_message}.{shown} "
            "Check that caCert holds the CA that issued it, and that the endpoint names the host as it does"
        )

    def compare(self, certificate: bytes, *, first: bool = False) -> SourceUntrusted | None:
        """Compare with the pin, where there is one; ``first`` makes it the pin where there is none yet."""
        found = spelled(certificate)
        with self._lock:
            if first and self._pin is None:
                self._pin = found
            if self._pin is not None and found != self._pin:
                return SourceUntrusted(
                    f"{self._netloc} shows a certificate with the SHA-256 fingerprint {found}, but {self._pin} is "
                    "pinned; if its certificate was renewed, give its CA as caCert or pin the new fingerprint"
                )
            self._seen = found
        return None


class TrustedConnection(http.client.HTTPSConnection):
    """Connects, and judges the certificate before the first byte of a request is sent."""

    def __init__(self, host: str, port: int, *, trust: Trust, context: ssl.SSLContext, timeout: float | None) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._trust = trust
        self._limit = timeout

    def connect(self) -> None:
        """Open the connection. Raises SourceUntrusted or OSError."""
        try:
            super().connect()
            untrusted = self._trust.compare(self.sock.getpeercert(binary_form=True) or b"")
        except ssl.SSLCertVerificationError as error:
            self.sock = None
            certificate = self._reconnect()
            untrusted = self._trust.distrusted(error, certificate)
        if untrusted:
            self.close()
            raise untrusted

    def _reconnect(self) -> bytes | None:
        """Open the connection again without verifying, to see the certificate; None where that fails."""
        with contextlib.suppress(OSError):
            raw = socket.create_connection((self.host, self.port), self._limit)
            self.sock = _unverified().wrap_socket(raw, server_hostname=self.host)
            return self.sock.getpeercert(binary_form=True)
        return None


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # create_default_context would load every authority
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the fingerprint is compared instead, which is the stronger check
    return context


def _pin(fingerprint: str | None) -> str | None:
    if not fingerprint:
        return None
    plain = fingerprint.replace(":", "").replace(" ", "")
    try:
        digest = bytes.fromhex(plain)
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise UsageError("a certificate's fingerprint is SHA-256 as 64 hexadecimal digits; colons may part them")
    return digest.hex(":").upper()
