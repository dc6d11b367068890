"""The new VM's volumes, where a worker writes them itself: made before it begins, vouched for when it is through.

A ledger says what a volume holds, and lies on the scratch volume. Without it nothing is known of what was written, so
volumes are never older than the scratch volume: it is made first, and where it is lost they are made anew.
"""

from collections.abc import Sequence

from thresher.model.errors import TargetError
from thresher.model.spec import ImportSpec, Verify
from thresher.model.vm import SourceVM
from thresher.operator.imports.held import Held
from thresher.operator.imports.observe import World, volume_of
from thresher.operator.imports.tools import Tools
from thresher.targets.harvester.objects import CLAIM
from thresher.targets.harvester.volumes import COPIED, HANDED_OVER, SHA512, VolumeFacts, new_volume, noted, volume_facts


async def not_usable(tools: Tools, spec: ImportSpec, world: World) -> Held | None:
    """Why the volumes that are there cannot be written to; what cannot be used is removed. Raises TargetError."""
    if world.scratch is None:
        for found in world.volumes:
            await tools.kube.delete(CLAIM, spec.namespace, found.name, uid=found.uid)
    if world.volumes and (world.scratch is None or any(found.leaving for found in world.volumes)):
        return Held("VolumesLeaving", "Waiting for the last volumes to go, of which it is not known what they hold.")
    return None


async def make_volumes(tools: Tools, spec: ImportSpec, vm: SourceVM, world: World) -> tuple[VolumeFacts, ...]:
    """Every disk's volume, made where there is none. Raises TargetError."""
    there = {found.key: found for found in world.volumes}
    for index, disk in enumerate(vm.disks):
        if disk.key not in there:
            there[disk.key] = volume_facts(await tools.kube.apply(new_volume(spec, vm, index), CLAIM))
    return tuple(there[disk.key] for disk in vm.disks)


async def vouch(tools: Tools, spec: ImportSpec, world: World, keys: Sequence[str]) -> None:
    """Note on the volumes of these disks that they are whole. Raises TargetError."""
    told = {disk.key: disk for disk in world.report.disks} if world.report else {}
    for key in keys:
        found = volume_of(world.volumes, key)
        if found is None:
            raise TargetError(f"The volume of disk {key} was deleted while it was written: make the import again.")
        notes = {COPIED: "true"}
        row = told.get(key)
        if spec.verify is Verify.SHA512:
            if row is None or row.checksum is None:
                raise TargetError(f"The worker gives no SHA-512 of disk {key}, although verify asks for it.")
            notes[SHA512] = row.checksum.hexdigest
        await tools.kube.merge(CLAIM, spec.namespace, found.name, noted(found, **notes))


async def hand_over(tools: Tools, spec: ImportSpec, world: World) -> None:
    """Note on every volume that from now on a VM may write to it. Raises TargetError."""
    for found in world.volumes:
        if not found.handed_over:
            await tools.kube.merge(CLAIM, spec.namespace, found.name, noted(found, **{HANDED_OVER: "true"}))
