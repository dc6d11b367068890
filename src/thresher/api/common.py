"""What all kinds share: the base model, metadata, references, conditions."""

from enum import StrEnum
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from thresher.api.schema import cel, keyed_by
from thresher.model.bandwidth import WINDOW_PATTERN, Limit, Window, rate_of

GROUP = "migration.harvesterhci.io"
API_VERSION = f"{GROUP}/v1beta1"
MigrationApiVersion = Literal["migration.harvesterhci.io/v1beta1"]
DEFAULT_NAMESPACE = "default"

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""RFC 1123 label, as Kubernetes checks names of namespaces and as labels can hold."""
DNS_SUBDOMAIN = r"^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
"""RFC 1123 subdomain, as Kubernetes checks names of most objects."""


def _http_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        usable = False
    if not usable or any(c.isspace() for c in url):
        raise ValueError("must be an address such as https://host/path")
    return url


_HTTP_URL_RULE = cel(
    r"isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != ''"
    r" && url(self).getPort() != '0' && !self.matches('\\s')",
    "must be an address such as https://host/path",
)
HttpUrl = Annotated[str, AfterValidator(_http_url), Field(json_schema_extra=_HTTP_URL_RULE)]
"""An http or https address, kept exactly as written."""


class ApiModel(BaseModel):
    """The base of everything in a manifest: camelCase outside, snake_case inside, frozen."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,  # an error's text may be logged, and the input may be a secret
        regex_engine="python-re",  # the subdomain's length is a look-ahead
    )


class ObjectMeta(ApiModel):
    """Kubernetes' metadata. What the API server fills in may be absent."""

    name: str = Field(pattern=DNS_SUBDOMAIN, description="Name of the object, unique for its kind in its namespace.")
    namespace: str = Field(
        default=DEFAULT_NAMESPACE, pattern=DNS_LABEL, description="Namespace that the object lives in."
    )
    uid: str | None = Field(default=None, description="Set by the API server.")
    labels: dict[str, str] | None = Field(default=None, description="Labels to select objects by.")
    annotations: dict[str, str] | None = Field(default=None, description="Annotations for people and tools.")
    generation: int | None = Field(default=None, description="Set by the API server: counts changes of the spec.")
    resource_version: str | None = Field(default=None, description="Set by the API server.")
    generate_name: str | None = Field(default=None, description="Prefix of a generated name.")
    self_link: str | None = Field(default=None, description="Formerly set by the API server.")
    creation_timestamp: str | None = Field(default=None, description="Set by the API server.")
    deletion_timestamp: str | None = Field(default=None, description="Set by the API server on deletion.")
    deletion_grace_period_seconds: int | None = Field(default=None, description="Set by the API server.")
    finalizers: list[str] | None = Field(default=None, description="What must be cleaned up before deletion.")
    owner_references: list[dict[str, object]] | None = Field(default=None, description="Objects this one depends on.")
    managed_fields: list[dict[str, object]] | None = Field(default=None, description="Set by the API server.")

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


class ApiObject(ApiModel):
    """A whole object: kind, metadata and whatever its kind adds."""

    api_version: str
    kind: str
    metadata: ObjectMeta = Field(description="Name, namespace, labels and the like.")


class SecretReference(ApiModel):
    """Names a Secret (Kubernetes' ``core/v1 SecretReference``)."""

    name: str = Field(min_length=1, description="Name of the Secret.")
    namespace: str | None = Field(
        default=None,
        description="Namespace of the Secret; by default the source's own. In a cluster, one of another has to "
        "name the source's in its annotation thresher.harvesterhci.io/shared-with.",
    )

    def within(self, namespace: str) -> "SecretReference":
        """The same reference with its namespace filled in."""
        return self if self.namespace else SecretReference(name=self.name, namespace=namespace)


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One observation, in the shape that the add-on uses (``pkg/apis/common/condition.go``)."""

    type: str = Field(description="What is observed.")
    status: ConditionStatus = Field(description="Whether it holds: True, False or Unknown.")
    reason: str | None = Field(default=None, description="Why, in one CamelCase word.")
    message: str | None = Field(default=None, description="Why, in a sentence, and what to do.")
    last_update_time: str | None = Field(default=None, description="When it was last written (RFC 3339).")
    last_transition_time: str | None = Field(default=None, description="When its status last changed (RFC 3339).")
    observed_generation: int | None = Field(
        default=None, description="Thresher's own: the generation of the spec that this was observed of."
    )


def _rate(text: str) -> str:
    rate_of(text)
    return text


def _window(text: str) -> str:
    Window.parse(text)
    return text


_RATE_PATTERN = r"^([0-9]{1,18}([.][0-9]{0,9})?([kMGTP]|[KMGTP]i)?)?$"
"""What rate_of takes, in RE2; and what is empty is absent."""
_BlackoutWindow = Annotated[
    str,
    AfterValidator(_window),
    Field(
        description="Begin and end, HH:MM-HH:MM, and a time zone if it is not UTC: 08:00-18:00 Europe/Berlin.",
        json_schema_extra={"pattern": WINDOW_PATTERN},
    ),
]


class LimitedSpec(ApiModel):
    """How much of the network a source may take."""

    bandwidth: Annotated[str, AfterValidator(_rate)] | None = Field(
        default=None,
        description="Thresher's own: bytes a second that all transfers from this source may use together, such as "
        "100Mi; 0 pauses them. It may be changed while they run. No limit if left out.",
        json_schema_extra={"pattern": _RATE_PATTERN},
    )
    blackout: list[_BlackoutWindow] = Field(
        default_factory=list,
        description="Thresher's own: times of the day in which nothing is transferred from this source.",
    )

    @property
    def limit(self) -> Limit:
        """Both of them, typed."""
        return Limit.of(self.bandwidth, self.blackout)

    @field_validator("bandwidth", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        """An empty string is how a template writes an absent one."""
        return None if value == "" else value


class ClusterStatus(StrEnum):
    """The one word that ``kubectl get`` prints of a source."""

    READY = "clusterReady"
    NOT_READY = "clusterNotReady"


class SourceStatus(ApiModel):
    """What was seen at the last look at a source."""

    status: ClusterStatus | None = Field(default=None, description="clusterReady or clusterNotReady.")
    conditions: list[Condition] = Field(
        default_factory=list, description="What was observed, with reasons.", json_schema_extra=keyed_by("type")
    )
    observed_generation: int | None = Field(
        default=None, description="Thresher's own: the generation of the spec that was looked at."
    )
    fingerprint: str | None = Field(
        default=None,
        description="Thresher's own: SHA-256 of the certificate that was pinned when it was first seen. Remove it to "
        "trust anew.",
    )
