"""What the cluster says beforehand: classes, networks, names, quota. Everything at once; nothing is touched."""

from collections.abc import AsyncIterator, Iterator, Sequence

from thresher.model.errors import TargetError
from thresher.model.naming import target_name
from thresher.model.quantity import bytes_of_quantity
from thresher.model.spec import ImportSpec
from thresher.model.units import Bytes, gib_of_bytes, human
from thresher.model.vm import Loss, Severity, SourceVM
from thresher.targets.harvester.facts import belongs_to, is_default
from thresher.targets.harvester.objects import IMAGE, MACHINE, NETWORK, QUOTA, STORAGE_CLASS, Object, Objects
from thresher.targets.manifests import Download, findings, image, is_blank
from thresher.targets.manifests.plan import attachable_nics, memory, storage_class
from thresher.targets.manifests.values import IMPORTED

NAME_TAKEN = "NameTaken"


class HarvesterPreflight:
    """Every finding about an import into this cluster.

    Args:
        objects: the client.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def findings(self, spec: ImportSpec, vm: SourceVM) -> Sequence[Loss]:
        """Every finding at once, blockers and warnings. Raises TargetError."""
        found = list(findings(spec, vm))
        if any(loss.rule == "TargetNameInvalid" for loss in found):
            return tuple(found)  # without a name there is nothing to look for
        found += [loss async for loss in self._classes(spec, vm)]
        found += [loss async for loss in self._networks(spec, vm)]
        found += [loss async for loss in self._names(spec, vm)]
        found += [loss async for loss in self._quota(spec, vm)]
        return tuple(found)

    async def _classes(self, spec: ImportSpec, vm: SourceVM) -> AsyncIterator[Loss]:
        wanted = {storage_class(spec, disk) for disk in vm.disks} | {spec.storage_class}
        for name in sorted(wanted - {None, ""}, key=str):
            if await self._objects.get(STORAGE_CLASS, "", str(name)) is None:
                yield _blocker("StorageClassMissing", f"storage class {name}", "There is no such class: make it.")
        unnamed = any(storage_class(spec, disk) is None for disk in vm.disks)
        if spec.writes_volumes and unnamed and not any(map(is_default, await self._objects.list_all(STORAGE_CLASS))):
            message = "The cluster has none for disks that no class is named for: mark a class, or set storageClass."
            yield _blocker("StorageClassMissing", "default storage class", message)

    async def _networks(self, spec: ImportSpec, vm: SourceVM) -> AsyncIterator[Loss]:
        wanted = {nic.destination for nic in attachable_nics(spec, vm) if nic.destination is not None}
        for path in sorted(wanted):
            namespace, _, name = path.partition("/")
            if await self._objects.get(NETWORK, namespace, name) is None:
                message = "There is no such NetworkAttachmentDefinition: make it, or map to another."
                yield _blocker("NetworkMissing", f"network {path}", message)

    async def _names(self, spec: ImportSpec, vm: SourceVM) -> AsyncIterator[Loss]:
        name = target_name(spec, vm)
        there = await self._objects.get(MACHINE, spec.namespace, name)
        if there is not None and not belongs_to(there, spec.uid):
            message = (
                "A VM of this name is already there and does not belong to this import. "
                "It is left alone: choose another name with targetName, or remove it."
            )
            yield _blocker(NAME_TAKEN, f"VM {name}", message)
        if spec.writes_volumes:
            return  # no image is made
        wanted = {
            str(_spec(image(spec, vm, index, Download("")))["displayName"]): disk.key
            for index, disk in enumerate(vm.disks)
            if not is_blank(disk)
        }
        for other in await self._objects.list_all(IMAGE, spec.namespace, labels=f"{IMPORTED}=true"):
            shown = _spec(other).get("displayName")
            if shown in wanted and not belongs_to(other, spec.uid):
                message = f"The image {other['metadata']['name']} is already called {shown}: remove or rename it."
                yield _blocker(NAME_TAKEN, f"disk {wanted[shown]}", message)

    async def _quota(self, spec: ImportSpec, vm: SourceVM) -> AsyncIterator[Loss]:
        for quota in await self._objects.list_all(QUOTA, spec.namespace):
            for loss in _exceeded(quota, spec, vm):
                yield loss


def _spec(obj: Object) -> Object:
    spec: Object = obj.get("spec") or {}
    return spec


def _exceeded(quota: Object, spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """What of a ResourceQuota the new VM would break ("Resource Quotas" in the Kubernetes documentation)."""
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    volumes = sum(gib_of_bytes(disk.capacity or Bytes(0)) for disk in vm.disks) << 30
    needs = {
        "requests.storage": volumes,
        "limits.memory": memory(spec, vm) << 20,
        "persistentvolumeclaims": len(vm.disks),
    }
    for resource, needed in needs.items():
        if resource not in hard:
            continue
        free = _amount(hard[resource]) - _amount(used.get(resource, "0"))
        if needed > free:
            shown = str if resource == "persistentvolumeclaims" else human
            message = f"{resource} leaves {shown(max(free, 0))}, but {shown(needed)} are needed: raise the quota."
            yield _blocker("QuotaExceeded", f"quota {quota['metadata']['name']}", message)


def _amount(text: object) -> int:
    try:
        return bytes_of_quantity(str(text))
    except ValueError as error:
        raise TargetError(f"A ResourceQuota states {text!r}, which is no quantity: look at it.") from error


def _blocker(rule: str, subject: str, message: str) -> Loss:
    return Loss(rule, subject, message, Severity.BLOCKER)
