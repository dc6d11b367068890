"""The status of a ``VirtualMachineImport``."""

from enum import StrEnum

from pydantic import Field

from thresher.api.common import ApiModel, Condition
from thresher.api.schema import keyed_by
from thresher.model.spec import DiskBus


class ImportStatus(StrEnum):
    """The words of ``status.importStatus``, as the add-on spells them."""

    VALID = "virtualMachineImportValid"
    INVALID = "virtualMachineImportInvalid"
    SOURCE_READY = "sourceReady"
    DISKS_EXPORTED = "disksExported"
    DISK_IMAGES_SUBMITTED = "diskImageSubmitted"
    DISK_IMAGES_READY = "diskImagesReady"
    DISK_IMAGES_FAILED = "diskImageFailed"
    VM_CREATED = "virtualMachineCreated"
    VM_RUNNING = "virtualMachineRunning"
    MIGRATION_FAILED = "VMMigrationFailed"


class DiskImportStatus(ApiModel):
    """How far one disk is."""

    disk_name: str = Field(description="Name of the disk's image file.")
    disk_size: int = Field(ge=0, description="Size of the disk in bytes, as the guest sees it.")
    disk_local_path: str | None = Field(default=None, description="Folder of the image while it is served.")
    disk_route: str | None = Field(default=None, description="Where the image is served.")
    virtual_machine_image: str | None = Field(
        default=None,
        alias="VirtualMachineImage",  # capitalised in the add-on's JSON, too
        description="Name of the VirtualMachineImage made of the disk.",
    )
    disk_conditions: list[Condition] = Field(
        default_factory=list, description="What was observed of the disk.", json_schema_extra=keyed_by("type")
    )
    bus_type: DiskBus = Field(default=DiskBus.VIRTIO, description="Bus of the disk in the new VM.")
    progress: int | None = Field(
        default=None, ge=0, le=100, description="Thresher's own: how far the disk is, in percent."
    )
    bytes_transferred: int | None = Field(
        default=None, ge=0, description="Thresher's own: bytes of the disk that are durably written."
    )
    bytes_per_second: int | None = Field(
        default=None, ge=0, description="Thresher's own: rate of the transfer at the last look."
    )


class Finding(ApiModel):
    """Thresher's own: something that cannot be carried over, or not as it was."""

    rule: str = Field(description="A stable word for it.")
    subject: str = Field(description="What it is about.")
    message: str = Field(description="What it means and what to do.")
    severity: str = Field(description="blocker or warning.")


class VirtualMachineImportStatus(ApiModel):
    """How far an import is."""

    import_status: ImportStatus | None = Field(default=None, description="Where the import stands, in one word.")
    disk_import_status: list[DiskImportStatus] = Field(
        default_factory=list,
        description="How far each disk is, in the order of the source.",
        json_schema_extra=keyed_by("diskName"),
    )
    import_conditions: list[Condition] = Field(
        default_factory=list,
        description="What was observed, in the add-on's words.",
        json_schema_extra=keyed_by("type"),
    )
    new_virtual_machine: str | None = Field(default=None, description="Name of the VM once it is created.")
    imported_virtual_machine_name: str | None = Field(default=None, description="Name that the new VM gets.")
    progress: int | None = Field(
        default=None, ge=0, le=100, description="Thresher's own: how far all disks are together, in percent."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Thresher's own: what was observed, by Kubernetes' conventions.",
        json_schema_extra=keyed_by("type"),
    )
    observed_generation: int | None = Field(
        default=None, description="Thresher's own: the generation of the spec that this is about."
    )
    findings: list[Finding] = Field(
        default_factory=list,
        description="Thresher's own: what cannot be carried over, found before anything is touched.",
    )
    recorded: str | None = Field(
        default=None,
        description="Thresher's own: what cannot be observed again, as JSON. For the operator alone.",
    )
