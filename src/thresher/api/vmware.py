"""``VmwareSource``: a vCenter."""

from typing import Literal

from pydantic import Field

from thresher.api.common import (
    ApiObject,
    HttpUrl,
    LimitedSpec,
    MigrationApiVersion,
    SecretReference,
    SourceStatus,
)


class VmwareSourceSpec(LimitedSpec):
    """Where a vCenter is and how to log in."""

    endpoint: HttpUrl = Field(
        repr=False, description="Address of the vCenter's SDK, such as https://vcenter.example.com/sdk."
    )
    dc: str = Field(min_length=1, description="Datacenter to look in; a leading / may be written or left out.")
    credentials: SecretReference = Field(
        description="Secret with username and password, and optionally caCert: the PEM certificate of the CA."
    )


class VmwareSource(ApiObject):
    """A vCenter that virtual machines are imported from."""

    api_version: MigrationApiVersion
    kind: Literal["VmwareSource"]
    spec: VmwareSourceSpec = Field(description="Where the vCenter is and how to log in.")
    status: SourceStatus = Field(default_factory=SourceStatus, description="What was seen at the last look.")

    @property
    def secret_ref(self) -> SecretReference:
        """The Secret to log in with, its namespace filled in."""
        return self.spec.credentials.within(self.metadata.namespace)
