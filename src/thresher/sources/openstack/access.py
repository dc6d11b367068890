"""Where an OpenStack is and how to log in to it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from thresher.model.errors import UsageError

_VERSION = "/v3"
"""Of Keystone's Identity API (API reference, "Identity API v3"); v2.0 was removed in 2018."""
_BY_PASSWORD = ("username", "password", "project_name")
_BY_CREDENTIAL = ("application_credential_id", "application_credential_secret")


@dataclass(frozen=True, slots=True)
class OpenstackAccess:
    """What is needed to speak with one project in one region of an OpenStack.

    A user with a password and a project, or an application credential, which knows its project itself.

    Attributes:
        endpoint: of Keystone, with or without ``/v3``.
        region: as the catalogue spells it; "" for the only one that it has.
        username: of the user who logs in.
        password: likewise.
        project_name: whose servers are imported.
        domain_name: the domain of the user and of the project.
        user_domain_name: of the user, where it is another.
        project_domain_name: of the project, likewise.
        application_credential_id: in place of all of these.
        application_credential_secret: likewise.
        ca_pem: certificates to trust in place of the system's, as PEM; "" for the system's.
        timeout_s: how long a server may send nothing.
    """

    endpoint: str
    region: str
    username: str = ""
    password: str = field(default="", repr=False)
    project_name: str = ""
    domain_name: str = ""
    user_domain_name: str = ""
    project_domain_name: str = ""
    application_credential_id: str = ""
    application_credential_secret: str = field(default="", repr=False)
    ca_pem: str = field(default="", repr=False)
    timeout_s: float = 60

    @property
    def user_domain(self) -> str:
        """The domain that the user is looked up in."""
        return self.user_domain_name or self.domain_name

    @property
    def project_domain(self) -> str:
        """The domain that the project is looked up in."""
        return self.project_domain_name or self.domain_name

    @property
    def by_application_credential(self) -> bool:
        """Whether an application credential logs in; it goes before a user's password."""
        return bool(self.application_credential_id or self.application_credential_secret)


@dataclass(frozen=True, slots=True)
class Place:
    """An OpenStack as messages name it.

    Attributes:
        host: of Keystone, with the port where the endpoint states one.
        region: that is looked in; "" until the catalogue has told the only one.
        project: whose servers are meant; "" where only the application credential knows.
    """

    host: str
    region: str
    project: str = ""

    def __str__(self) -> str:
        parts = [f"region {self.region}" if self.region else "", f"project {self.project}" if self.project else ""]
        inner = ", ".join(filter(None, parts))
        return f"{self.host} ({inner})" if inner else self.host


def place(access: OpenstackAccess) -> Place:
    """What messages call it. Raises UsageError, as :func:`auth_url`."""
    netloc = urlsplit(auth_url(access.endpoint)).netloc
    return Place(netloc, access.region, "" if access.by_application_credential else access.project_name)


def auth_url(endpoint: str) -> str:
    """Where Keystone's v3 is.

    Raises:
        UsageError: it is no http or https URL with a host, or it carries credentials, which belong into the Secret.
    """
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError as error:
        raise UsageError(
            "the endpoint of the OpenStack cannot be read; write Keystone's URL, as https://host:5000/v3"
        ) from error
    if parts.username is not None or parts.password is not None:
        raise UsageError("the endpoint of the OpenStack carries credentials; put them into the source's Secret")
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in endpoint):
        raise UsageError(f"the endpoint {endpoint!r} is no URL with a host; write Keystone's, as https://host:5000/v3")
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith(_VERSION) else path + _VERSION}"


def check_complete(access: OpenstackAccess) -> None:
    """Whether everything that a login needs is there. Raises UsageError that names what is not."""
    needed = _BY_CREDENTIAL if access.by_application_credential else _BY_PASSWORD
    missing = [name for name in needed if not getattr(access, name)]
    if not (access.by_application_credential or (access.user_domain and access.project_domain)):
        missing.append("domain_name")
    if missing:
        raise UsageError(f"the OpenStack source lacks {', '.join(missing)}; a login is not possible without")
