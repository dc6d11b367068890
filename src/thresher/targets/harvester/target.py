"""Applies and observes what one import makes in Harvester. Doing a step twice is doing it once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from thresher.model.errors import TargetConflict, TargetError
from thresher.model.naming import MAX_LENGTH, target_name
from thresher.model.spec import ImportSpec
from thresher.model.vm import SourceVM
from thresher.ports import VmState
from thresher.targets.harvester.facts import (
    ATTEMPT,
    DISK_KEY,
    ImageFacts,
    ImageWord,
    agent_connected,
    backend_of,
    belongs_to,
    image_facts,
    machine_message,
)
from thresher.targets.harvester.objects import CLAIM, IMAGE, MACHINE, STORAGE_CLASS, Object, Objects
from thresher.targets.harvester.volumes import VolumeFacts, volume_facts
from thresher.targets.manifests import Backend, Download, ImageRef, claim_name, image, is_blank, virtual_machine
from thresher.targets.manifests.plan import storage_class
from thresher.targets.manifests.values import IMPORT_UID


@dataclass(frozen=True, slots=True)
class Source:
    """Where a disk's bytes are served, for its image.

    Attributes:
        url: of the raw image.
        checksum: its SHA-512 in hex, or None to leave it unchecked there.
    """

    url: str
    checksum: str | None = None


class HarvesterTarget:
    """What one cluster's Harvester is told and asked.

    Args:
        objects: the client.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def images(self, spec: ImportSpec) -> tuple[ImageFacts, ...]:
        """Every image that the import made, older attempts included. Raises TargetError."""
        found = await self._objects.list_all(IMAGE, spec.namespace, labels=f"{IMPORT_UID}={spec.uid}")
        return tuple(image_facts(item) for item in found)

    async def volumes(self, spec: ImportSpec) -> tuple[VolumeFacts, ...]:
        """Every volume that the import made to be written in place. Raises TargetError."""
        found = await self._objects.list_all(CLAIM, spec.namespace, labels=f"{IMPORT_UID}={spec.uid}")
        return tuple(volume_facts(item) for item in found)

    async def submit(self, spec: ImportSpec, vm: SourceVM, index: int, source: Source, *, attempt: int) -> None:
        """Make the image of disk ``index``; each attempt is another object. Raises TargetError."""
        disk = vm.disks[index]
        download = Download(source.url, source.checksum, await self._backend(storage_class(spec, disk)))
        made = numbered(image(spec, vm, index, download), disk.key, attempt)
        await self._objects.apply(made, IMAGE)

    async def remove_image(self, spec: ImportSpec, found: ImageFacts) -> None:
        """Remove one image. Raises TargetError."""
        await self._objects.delete(IMAGE, spec.namespace, found.name, uid=found.uid)

    async def create_vm(self, spec: ImportSpec, vm: SourceVM, made: Mapping[str, ImageFacts]) -> None:
        """Make the VM of its images, by disk key; with diskMode volume there are none.

        Raises:
            TargetError: a VM of that name is there and not ours, or Harvester refused it.
        """
        name = target_name(spec, vm)
        found = await self._objects.get(MACHINE, spec.namespace, name)
        if found is not None and not belongs_to(found, spec.uid):
            raise TargetError(
                f"A VM {name} is already there and does not belong to this import. "
                "It is left alone: choose another name with targetName, or remove it."
            )
        if found is None:
            await self._objects.apply(virtual_machine(spec, vm, _refs(spec, vm, made)), MACHINE)

    async def vm_state(self, spec: ImportSpec, vm: SourceVM) -> VmState:
        """What is there under the new VM's name. Raises TargetError."""
        found = await self._objects.get(MACHINE, spec.namespace, target_name(spec, vm))
        if found is None:
            return VmState(exists=False, running=False)
        if not belongs_to(found, spec.uid):
            return VmState(exists=True, running=False, foreign=True)
        running = bool((found.get("status") or {}).get("ready"))
        message = "" if running else machine_message(found)
        return VmState(exists=True, running=running, message=message, alive=agent_connected(found))

    async def discard(self, spec: ImportSpec, vm: SourceVM | None, *, keep_ready: bool = False) -> bool:
        """Remove the VM, the volumes and the images of this import; whether all is gone.

        On request finished images stay, and volumes that are written in place and that no VM was made of. Images go
        last: Harvester refuses to delete one that a volume still uses.

        Raises:
            TargetError: something cannot be removed, or the new VM runs, in which case nothing is.
        """
        if vm is not None:
            state = await self.vm_state(spec, vm)
            if state.running and not state.foreign:
                raise TargetError(f"The new VM {target_name(spec, vm)} runs, so nothing of it is removed: stop it.")
        label = f"{IMPORT_UID}={spec.uid}"
        machines = await self._objects.list_all(MACHINE, spec.namespace, labels=label)
        for machine in machines:
            await self._objects.delete(MACHINE, spec.namespace, machine["metadata"]["name"])
        images = await self.images(spec)
        claims = await self._claims(spec, vm, images)
        if keep_ready and spec.writes_volumes:
            kept = {found.name for found in await self.volumes(spec) if not found.handed_over}
            claims = [name for name in claims if name not in kept]
        if machines:
            return False  # its volumes are in use until it is gone
        for claim in claims:
            await self._objects.delete(CLAIM, spec.namespace, claim)
        if claims:
            return False
        unwanted = [found for found in images if not (keep_ready and found.word is ImageWord.READY)]
        for found in unwanted:
            try:
                await self.remove_image(spec, found)
            except TargetConflict:
                return False
        return not unwanted

    async def _claims(self, spec: ImportSpec, vm: SourceVM | None, images: Sequence[ImageFacts]) -> list[str]:
        """The volumes of the new VM that are there; a CDI image's own claim goes with the image."""
        if vm is None:
            return []
        latest = {found.key: found for found in images}
        names = [
            claim_name(spec, disk, None)
            for disk in vm.disks
            if is_blank(disk) or disk.key not in latest or latest[disk.key].backend is not Backend.CDI
        ]
        there = [await self._objects.get(CLAIM, spec.namespace, name) for name in names]
        return [claim["metadata"]["name"] for claim in there if claim is not None]

    async def _backend(self, wanted: str | None) -> Backend | None:
        """The backend for a storage class; None (Harvester's default) where none is asked for."""
        if wanted is None:
            return None
        found = await self._objects.get(STORAGE_CLASS, "", wanted)
        if found is None:
            raise TargetError(f"There is no storage class {wanted}: make it, or import with another storageClass.")
        return backend_of(found)


def numbered(made: Object, key: str, attempt: int) -> Object:
    """The image of one attempt: later ones get another name, since a failed image may take long to go."""
    meta, spec = made["metadata"], made["spec"]
    suffix = f"-{attempt}" if attempt else ""
    shown = f"{spec['displayName'][: MAX_LENGTH - len(suffix)].rstrip('-')}{suffix}"
    notes = {**(meta.get("annotations") or {}), DISK_KEY: key, ATTEMPT: str(attempt)}
    return {
        **made,
        "metadata": {**meta, "name": f"{meta['name']}{suffix}", "annotations": notes},
        "spec": {**spec, "displayName": shown},
    }


def _refs(spec: ImportSpec, vm: SourceVM, made: Mapping[str, ImageFacts]) -> list[ImageRef | None]:
    return [None if is_blank(disk) or spec.writes_volumes else made[disk.key].ref for disk in vm.disks]
