"""``OvaSource``: an OVA on a web server."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from thresher.api.common import (
    ApiObject,
    HttpUrl,
    LimitedSpec,
    MigrationApiVersion,
    SecretReference,
    SourceStatus,
)

DEFAULT_HTTP_TIMEOUT_S = 600
"""As in the add-on (``pkg/apis/.../v1beta1/ova.go``)."""


class OvaSourceSpec(LimitedSpec):
    """Where an OVA is and how to get it."""

    url: HttpUrl = Field(repr=False, description="Address of the .ova, http or https.")
    credentials: SecretReference | None = Field(
        default=None,
        description="Secret with, each optional, username and password for the web server, and ca.crt: the "
        "PEM certificate of the CA.",
    )
    http_timeout_seconds: Annotated[int, Strict(), Field(ge=0)] = Field(
        default=DEFAULT_HTTP_TIMEOUT_S, description="Time limit in seconds of a request; 0 means none."
    )


class OvaSource(ApiObject):
    """An OVA that virtual machines are imported from."""

    api_version: MigrationApiVersion
    kind: Literal["OvaSource"]
    spec: OvaSourceSpec = Field(description="Where the OVA is and how to get it.")
    status: SourceStatus = Field(default_factory=SourceStatus, description="What was seen at the last look.")

    @property
    def secret_ref(self) -> SecretReference | None:
        """The Secret for the web server, its namespace filled in; None where none is named."""
        credentials = self.spec.credentials
        return credentials.within(self.metadata.namespace) if credentials else None
