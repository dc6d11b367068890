"""``OpenstackSource``: an OpenStack region."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictInt

from thresher.api.common import (
    ApiObject,
    HttpUrl,
    LimitedSpec,
    MigrationApiVersion,
    SecretReference,
    SourceStatus,
)

DEFAULT_UPLOAD_RETRY_COUNT = 30
DEFAULT_UPLOAD_RETRY_DELAY_S = 10
# Both as in the add-on (pkg/apis/.../v1beta1/openstack.go), which also takes them for anything below 1.

_RetryCount = Annotated[StrictInt, AfterValidator(lambda n: n if n > 0 else DEFAULT_UPLOAD_RETRY_COUNT)]
_RetryDelay = Annotated[StrictInt, AfterValidator(lambda n: n if n > 0 else DEFAULT_UPLOAD_RETRY_DELAY_S)]


class OpenstackSourceSpec(LimitedSpec):
    """Where an OpenStack is and how to log in."""

    endpoint: HttpUrl = Field(
        repr=False,
        description="Address of Keystone, such as https://openstack.example.com/identity, with or without /v3.",
    )
    region: str = Field(description="Region to look in; may be empty where the catalogue has only one.")
    credentials: SecretReference = Field(
        description="Secret with username, password, project_name and domain_name (or user_domain_name and "
        "project_domain_name, where the two differ), or in their place application_credential_id and "
        "application_credential_secret; and optionally ca_cert: the PEM certificate of the CA."
    )
    upload_image_retry_count: _RetryCount = Field(
        default=DEFAULT_UPLOAD_RETRY_COUNT,
        description="How often to look at a snapshot, volume or image that does not change, before the export of its "
        "disk has failed; 0 means the default.",
    )
    upload_image_retry_delay: _RetryDelay = Field(
        default=DEFAULT_UPLOAD_RETRY_DELAY_S,
        description="Seconds between two such looks; 0 means the default.",
    )


class OpenstackSource(ApiObject):
    """An OpenStack region that virtual machines are imported from."""

    api_version: MigrationApiVersion
    kind: Literal["OpenstackSource"]
    spec: OpenstackSourceSpec = Field(description="Where the OpenStack is and how to log in.")
    status: SourceStatus = Field(default_factory=SourceStatus, description="What was seen at the last look.")

    @property
    def secret_ref(self) -> SecretReference:
        """The Secret to log in with, its namespace filled in."""
        return self.spec.credentials.within(self.metadata.namespace)
