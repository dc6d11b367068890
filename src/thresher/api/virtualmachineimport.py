"""``VirtualMachineImport``: one virtual machine to import, and how."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, Strict, StrictBool, StrictInt, field_validator, model_validator

from thresher.api.common import (
    DNS_LABEL,
    DNS_SUBDOMAIN,
    ApiModel,
    ApiObject,
    MigrationApiVersion,
)
from thresher.api.schema import cel, keyed_by, may_be_empty, one_of_any_case
from thresher.api.status import VirtualMachineImportStatus
from thresher.model.quantity import memory_of_quantity
from thresher.model.spec import DiskBus, DiskMode, NicModel, RunStrategy, Verify

DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_S = 60
"""As in the add-on (``pkg/apis/.../v1beta1/virtualmachines.go``), which takes it for all below 1."""
MAX_VCPUS = 1024
"""Far above what KVM runs in one VM (KVM_MAX_VCPUS of x86 was 1024 until Linux 6.6): more is a slip."""

_DESTINATION = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_GracefulTimeout = Annotated[StrictInt, AfterValidator(lambda s: s if s > 0 else DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_S)]

SourceKind = Literal["VmwareSource", "OpenstackSource", "OvaSource"]
SOURCE_KINDS: tuple[SourceKind, ...] = ("VmwareSource", "OpenstackSource", "OvaSource")


class SourceReference(ApiModel):
    """Names a source (a Kubernetes ``core/v1 ObjectReference``)."""

    api_version: MigrationApiVersion = Field(description="Always migration.harvesterhci.io/v1beta1.")
    kind: SourceKind = Field(
        description="VmwareSource, OpenstackSource or OvaSource, in any case.",
        json_schema_extra=one_of_any_case(*SOURCE_KINDS),
    )
    name: str = Field(pattern=DNS_SUBDOMAIN, description="Name of the source.")
    namespace: str | None = Field(
        default=None, pattern=DNS_LABEL, description="Namespace of the source; by default the import's own."
    )
    uid: str | None = Field(default=None, description="Not looked at.")
    resource_version: str | None = Field(default=None, description="Not looked at.")
    field_path: str | None = Field(default=None, description="Not looked at.")

    @field_validator("kind", mode="before")
    @classmethod
    def _any_case(cls, kind: object) -> object:
        """The add-on compares kinds without case (``pkg/controllers/migration/virtualmachine.go``)."""
        if not isinstance(kind, str):
            return kind
        return next((known for known in SOURCE_KINDS if known.lower() == kind.lower()), kind)

    def within(self, namespace: str) -> "SourceReference":
        """The same reference with its namespace filled in."""
        return self if self.namespace else self.model_copy(update={"namespace": namespace})


class NetworkMappingRow(ApiModel):
    """Which network of the cluster stands for a network of the source."""

    source_network: str = Field(min_length=1, description="Name of the network at the source.")
    destination_network: str = Field(
        pattern=_DESTINATION,
        description="NetworkAttachmentDefinition to plug the NIC into: name, or namespace/name.",
    )
    network_interface_model: NicModel | None = Field(
        default=None, description="Model of these NICs, in place of the one that the source states."
    )


class StorageMappingRow(ApiModel):
    """Thresher's own: which storage class takes the disks of a datastore."""

    source_datastore: str = Field(min_length=1, description="Name of the datastore or volume type at the source.")
    storage_class: str = Field(pattern=DNS_SUBDOMAIN, description="Storage class for its disks.")


class CpuOverride(ApiModel):
    """Thresher's own: other vCPUs than the source VM has."""

    vcpus: Annotated[int, Strict(), Field(ge=1, le=MAX_VCPUS)] = Field(
        description="Number of vCPUs of the new VM, in place of the source's."
    )


def _quantity(text: str) -> str:
    memory_of_quantity(text)
    return text


_QUANTITY_RULE = cel(
    r"self == '' || (self.matches('^[0-9]{1,18}([.][0-9]{0,9})?([kMGTP]|[KMGTP]i)?$') && self.matches('[1-9]'))",
    "must be a quantity of more than 0, such as 4Gi or 512Mi",
)
"""What memory_of_quantity takes, in CEL; and what is empty is absent."""


_BOOT_RULE = cel(
    "!has(self.verify) || !has(self.runStrategy) || self.verify != 'boot' || self.runStrategy != 'Halted'",
    "boot needs a VM that is started, which runStrategy Halted forbids: change one of them",
    field=".verify",
)


class VirtualMachineImportSpec(ApiModel):
    """What to import, from where, and how."""

    model_config = ConfigDict(json_schema_extra=_BOOT_RULE)

    source_cluster: SourceReference = Field(description="The source to import from.")
    virtual_machine_name: str = Field(
        min_length=1, description="Name of the source VM; for OpenStack its UUID will do, too."
    )
    folder: str = Field(default="", description="Inventory folder to look in; everywhere if left out.")
    network_mapping: list[NetworkMappingRow] = Field(
        default_factory=list,
        description="Networks of the source and of the cluster. A NIC that matches no row goes to the "
        "management network, which takes one NIC of a VM.",
        json_schema_extra=keyed_by("sourceNetwork"),
    )
    default_network_interface_model: NicModel | None = Field(
        default=None,
        description="Model of NICs for which neither the mapping nor the source names one; virtio.",
    )
    storage_class: str | None = Field(
        default=None, description="Storage class for all disks; Harvester's default if left out."
    )
    default_disk_bus_type: DiskBus | None = Field(
        default=None, description="Bus of disks whose source states none that KubeVirt has; virtio."
    )
    force_power_off: StrictBool | None = Field(
        default=None,
        description="Power the source VM off at once instead of shutting its guest down (VMware).",
    )
    graceful_shutdown_timeout_seconds: _GracefulTimeout = Field(
        default=DEFAULT_GRACEFUL_SHUTDOWN_TIMEOUT_S,
        description="Seconds that the guest has to shut down before power-off (VMware); 0 means the default.",
    )
    skip_preflight_checks: StrictBool | None = Field(
        default=None, description="Import even where the preflight finds that something would be lost."
    )
    target_name: str | None = Field(
        default=None,
        pattern=DNS_LABEL,
        description="Thresher's own: name of the new VM; derived from the source VM's name if left out.",
        json_schema_extra=may_be_empty(),
    )
    cpu: CpuOverride | None = Field(default=None, description="Thresher's own: other vCPUs than the source VM has.")
    memory: Annotated[str, AfterValidator(_quantity)] | None = Field(
        default=None,
        description="Thresher's own: memory of the new VM, such as 4Gi, in place of the source's.",
        json_schema_extra=_QUANTITY_RULE,
    )
    storage_mapping: list[StorageMappingRow] = Field(
        default_factory=list,
        description="Thresher's own: storage classes by datastore; disks of others take storageClass.",
        json_schema_extra=keyed_by("sourceDatastore"),
    )
    run_strategy: RunStrategy | None = Field(
        default=None,
        description="Thresher's own: run strategy of the new VM; by default what the source's state asks.",
    )
    verify: Verify = Field(
        default=Verify.DEFAULT,
        description="Thresher's own: what is proved beyond the checksums that always are. sha512: Harvester "
        "refuses any other bytes. boot: the new VM has to come up, and its guest to give a sign of life: a guest agent "
        "that connects (in a cluster), or words on the serial console (thresher run).",
    )

    suspend: StrictBool = Field(
        default=False,
        description="Thresher's own: stop what moves, put the source VM back as it was found, and rest. Finished "
        "work stays, and false goes on with it. Without effect once the new VM runs.",
    )
    disk_mode: DiskMode = Field(
        default=DiskMode.IMAGE,
        description="Thresher's own: where disks are written in a cluster. image: to scratch, from where Harvester "
        "downloads a VirtualMachineImage of each, and makes volumes of them. volume: straight to the new VM's volumes, "
        "with no image, and scratch for ledgers alone.",
    )

    @field_validator("storage_class", "target_name", "memory", mode="before")
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        """An empty string is how the add-on's Go types write an absent one."""
        return None if value == "" else value

    @field_validator("network_mapping")
    @classmethod
    def _each_network_once(cls, rows: list[NetworkMappingRow]) -> list[NetworkMappingRow]:
        _no_twice([row.source_network for row in rows])
        return rows

    @model_validator(mode="after")
    def _boot_needs_a_start(self) -> Self:
        if self.verify is Verify.BOOT and self.run_strategy is RunStrategy.HALTED:
            raise ValueError(
                "asks for verify: boot, which needs a VM that is started, and for runStrategy: Halted, which forbids "
                "that; change one of them"
            )
        return self

    @field_validator("storage_mapping")
    @classmethod
    def _each_datastore_once(cls, rows: list[StorageMappingRow]) -> list[StorageMappingRow]:
        _no_twice([row.source_datastore for row in rows])
        return rows


def _no_twice(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"maps {', '.join(twice)} more than once; keep one row of each")


class VirtualMachineImport(ApiObject):
    """One virtual machine to import."""

    api_version: MigrationApiVersion
    kind: Literal["VirtualMachineImport"]
    spec: VirtualMachineImportSpec = Field(description="What to import, from where, and how.")
    status: VirtualMachineImportStatus = Field(
        default_factory=VirtualMachineImportStatus, description="How far the import is."
    )

    @property
    def source_ref(self) -> SourceReference:
        """The source, its namespace filled in."""
        return self.spec.source_cluster.within(self.metadata.namespace)
