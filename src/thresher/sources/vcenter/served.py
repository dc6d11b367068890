"""Where a lease's item is served, and whom to trust there. Pure."""

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from thresher.sources.bytes import HttpAccess
from thresher.sources.vcenter.access import Address
from thresher.sources.vcenter.trust import spelled

_COOKIE = "vmware_soap_session"
_SHA1_DIGITS = 40
_HTTPS = 443


@dataclass(frozen=True, slots=True)
class LeaseItem:
    """A file that a lease serves (vSphere Web Services API, HttpNfcLeaseDeviceUrl).

    Attributes:
        key: of the device, such as ``/vm-42/ParaVirtualSCSIController0:0``.
        url: where it is; ``*`` may stand for the host that was called. It holds the ticket that opens it.
        disk: whether it is a virtual disk.
        thumbprint: of the serving host's certificate, as vCenter knows it: SHA-1, hexadecimal with colons; or "".
        certificate: that certificate itself as PEM, which vSphere 9 states; or "".
    """

    key: str
    url: str = field(repr=False)
    disk: bool
    thumbprint: str = ""
    certificate: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Called:
    """The vCenter or host that gave the lease, which is trusted already.

    Attributes:
        at: where it is.
        fingerprint: SHA-256 of its certificate.
        ca_pem: what it was trusted by, as PEM; "" for the system's authorities, or a pinned fingerprint.
        session: the id of the session.
    """

    at: Address
    fingerprint: str | None
    ca_pem: str = field(default="", repr=False)
    session: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Served:
    """Where to read an item.

    Attributes:
        host: the server, for messages.
        url: with the ticket; never to be shown.
        access: how to get in, and whom to trust.
    """

    host: str
    url: str = field(repr=False)
    access: HttpAccess


def served(item: LeaseItem, called: Called) -> Served:
    """Where an item of a lease is served.

    ``*`` in place of the host means the host that was called (HttpNfcLeaseDeviceUrl.url). The session's cookie goes
    to that host alone, where a ticket may be of no use without it. An ESXi host knows nothing of vCenter's sessions
    and gets none: the ticket in the URL is all it asks for (govmomi, which reads the same URLs, keeps its cookies in
    a jar for each host).
    """
    name = f"[{called.at.host}]" if ":" in called.at.host else called.at.host
    parts = urlsplit(item.url)
    parts = parts._replace(netloc=parts.netloc.replace("*", name, 1))
    itself = (parts.hostname, parts.port or _HTTPS) == (called.at.host.lower(), called.at.port)
    return Served(parts.netloc, parts.geturl(), _access(item, called, itself=itself))


def _access(item: LeaseItem, called: Called, *, itself: bool) -> HttpAccess:
    """Trust what was trusted already, else what that says of the host; else an authority has to vouch."""
    if itself:
        headers = (("Cookie", f'{_COOKIE}="{called.session}"'),)
        return HttpAccess(headers=headers, ca_pem=called.ca_pem, fingerprint_sha256=called.fingerprint)
    if item.certificate.startswith(ssl.PEM_HEADER):
        own = item.certificate.partition(ssl.PEM_FOOTER)[0] + ssl.PEM_FOOTER  # others may follow
        return HttpAccess(fingerprint_sha256=spelled(ssl.PEM_cert_to_DER_cert(own)))
    digits = item.thumbprint.replace(":", "")
    if len(digits) == _SHA1_DIGITS:
        return HttpAccess(fingerprint_sha1=digits)
    return HttpAccess(ca_pem=called.ca_pem, fingerprint_sha256=digits or None)
