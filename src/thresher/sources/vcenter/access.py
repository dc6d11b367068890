"""Where a vCenter is and how to log in to it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from thresher.model.errors import UsageError

_PATH = "/sdk"
"""Where the vSphere Web Services API is served (vSphere Web Services SDK Programming Guide, "Connecting")."""


@dataclass(frozen=True, slots=True)
class VCenterAccess:
    """What is needed to speak with a vCenter.

    Attributes:
        endpoint: ``https://host/sdk``; without a path the API's usual one is meant.
        username: of the user who logs in.
        password: likewise.
        ca_pem: certificates to trust in place of the system's, as PEM; "" for the system's.
        fingerprint_sha256: the certificate that was pinned at an earlier look, in hexadecimal with or without
            colons; it is not asked for where a CA is given. None pins the first one seen, if nobody vouches for it.
        timeout_s: how long the server may send nothing.
    """

    endpoint: str
    username: str
    password: str = field(repr=False)
    ca_pem: str = field(default="", repr=False)
    fingerprint_sha256: str | None = None
    timeout_s: float = 30


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint taken apart.

    Attributes:
        host: a name or an address; an IPv6 address without brackets.
        port: the TCP port.
        path: of the API.
    """

    host: str
    port: int
    path: str

    @property
    def netloc(self) -> str:
        """For messages: the host, and the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"  # noqa: PLR2004 - https


def address(endpoint: str) -> Address:
    """Take an endpoint apart.

    Raises:
        UsageError: it is no https URL with a host, or it carries credentials, which belong into the Secret.
    """
    try:
        parts = urlsplit(endpoint)
        port = parts.port
        (parts.hostname or "").encode("idna")  # as the resolver will
    except ValueError as error:
        raise UsageError("the endpoint of the vCenter cannot be read; write https://host/sdk") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError("the endpoint of the vCenter carries credentials; put them into the source's Secret")
    if parts.scheme != "https" or not parts.hostname or any(c.isspace() for c in endpoint):
        raise UsageError(f"the endpoint {endpoint!r} is no https URL with a host; write https://host/sdk")
    path = parts.path if parts.path.strip("/") else _PATH
    return Address(parts.hostname, port or 443, path.rstrip("/"))
