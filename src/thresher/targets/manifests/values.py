"""The shapes of what this package makes and takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from thresher.model.units import Bytes

JSON: TypeAlias = "Mapping[str, JSON] | Sequence[JSON] | str | int | float | bool | None"
"""Whatever JSON can hold. We make only dicts and lists; readers may not change them."""
Manifest: TypeAlias = dict[str, JSON]
"""A Kubernetes object, ready to be applied or written as YAML."""

GROUP = "migration.harvesterhci.io"
IMPORTED = f"{GROUP}/imported"
"""The label Harvester's webhook and users know imported things by."""
IMPORT_UID = f"{GROUP}/import-uid"
"""Our own label: which import made it. The label above says only that some import did."""


class Backend(StrEnum):
    """How Harvester stores a VirtualMachineImage (``spec.backend``)."""

    BACKING_IMAGE = "backingimage"
    CDI = "cdi"


@dataclass(frozen=True, slots=True)
class Download:
    """Where Harvester fetches a disk's raw bytes.

    Attributes:
        url: of the raw image.
        checksum: its SHA-512 in hex, or None to leave it unchecked there.
        backend: what the storage class needs; None takes Harvester's default, backingimage.
    """

    url: str
    checksum: str | None = None
    backend: Backend | None = None


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A finished VirtualMachineImage, as its status describes it.

    Attributes:
        name: its name, in the import's namespace.
        size: its virtual size in bytes.
        storage_class: ``status.storageClassName``, which is never guessed; None where there is no cluster.
        backend: how it is stored. With ``cdi`` the image's own claim is the disk.
    """

    name: str
    size: Bytes
    storage_class: str | None = None
    backend: Backend = Backend.BACKING_IMAGE
