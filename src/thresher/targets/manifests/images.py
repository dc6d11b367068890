"""VirtualMachineImages, and the claims that make volumes of them."""

from collections.abc import Sequence

from thresher.model.naming import display_name, image_name, target_name, volume_name
from thresher.model.spec import ImportSpec
from thresher.model.units import Bytes, gib_of_bytes
from thresher.model.vm import Disk, DiskFormat, SourceVM
from thresher.targets.manifests.plan import storage_class
from thresher.targets.manifests.values import (
    IMPORT_UID,
    IMPORTED,
    JSON,
    Backend,
    Download,
    ImageRef,
    Manifest,
)

DOWNLOAD_RETRIES = 3
"""``spec.retry``: what Harvester itself defaults to (0 to 10 are allowed)."""


def image(spec: ImportSpec, vm: SourceVM, index: int, download: Download) -> Manifest:
    """The VirtualMachineImage of disk ``index``, derived from the import's UID: never an earlier import's.

    A blank disk needs none (see :func:`volume_claim_templates`).
    """
    disk = vm.disks[index]
    metadata: dict[str, JSON] = {
        "name": image_name(spec.uid, disk.key),
        "namespace": spec.namespace,
        "labels": {IMPORTED: "true", IMPORT_UID: spec.uid},
    }
    body: dict[str, JSON] = {
        "displayName": display_name(f"{target_name(spec, vm)}-disk-{index}", spec.uid, disk.key),
        "sourceType": "download",
        "url": download.url,
        "retry": DOWNLOAD_RETRIES,
    }
    if download.checksum is not None:
        body["checksum"] = download.checksum
    if download.backend is not None:
        body["backend"] = download.backend.value
    wanted = storage_class(spec, disk)
    if wanted is not None:  # Harvester's webhook insists that these two are equal
        metadata["annotations"] = {"harvesterhci.io/storageClassName": wanted}
        body["targetStorageClassName"] = wanted
    return {
        "apiVersion": "harvesterhci.io/v1beta1",
        "kind": "VirtualMachineImage",
        "metadata": metadata,
        "spec": body,
    }


def is_blank(disk: Disk) -> bool:
    """Whether nothing has to be copied: a new, empty volume is the disk."""
    return disk.format is DiskFormat.BLANK


def claim_name(spec: ImportSpec, disk: Disk, made: ImageRef | None) -> str:
    """The claim that holds a disk: its own, or with ``cdi`` the image's, which is named as the image."""
    cdi = made is not None and made.backend is Backend.CDI
    return made.name if made is not None and cdi else volume_name(spec.uid, disk.key)


def volume_claim_templates(spec: ImportSpec, vm: SourceVM, images: Sequence[ImageRef | None]) -> list[Manifest]:
    """The claims that Harvester makes when it finds them in the VM's annotation and nowhere else.

    ``images`` has one entry for each disk, None for a blank one. A ``cdi`` image brings its own claim.
    """
    return [
        _claim(spec, disk, made)
        for disk, made in zip(vm.disks, images, strict=True)
        if made is None or made.backend is not Backend.CDI
    ]


def volume(spec: ImportSpec, vm: SourceVM, index: int) -> Manifest:
    """The claim of disk ``index``, as Harvester makes one of a volume without an image; the import does not own it."""
    claim = _claim(spec, vm.disks[index], None)
    metadata: dict[str, JSON] = {
        "name": volume_name(spec.uid, vm.disks[index].key),
        "namespace": spec.namespace,
        "labels": {IMPORTED: "true", IMPORT_UID: spec.uid},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": claim["spec"]}


def _claim(spec: ImportSpec, disk: Disk, made: ImageRef | None) -> Manifest:
    size = made.size if made is not None else disk.capacity or Bytes(0)
    metadata: dict[str, JSON] = {"name": claim_name(spec, disk, made)}
    if made is not None:
        metadata["annotations"] = {"harvesterhci.io/imageId": f"{spec.namespace}/{made.name}"}
    body: dict[str, JSON] = {
        "accessModes": ["ReadWriteMany"],
        # Harvester's pages show and edit whole Gi only
        "resources": {"requests": {"storage": f"{max(1, gib_of_bytes(size))}Gi"}},
        "volumeMode": "Block",
    }
    wanted = made.storage_class if made is not None else storage_class(spec, disk)
    if wanted is not None:
        body["storageClassName"] = wanted
    return {"metadata": metadata, "spec": body}
