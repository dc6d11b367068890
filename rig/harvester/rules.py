"""What Harvester's webhooks refuse and change.

Facts from harvester/harvester: pkg/image/common/validator.go and mutator.go (images),
pkg/webhook/resources/virtualmachine/mutator.go (memory).
"""

import re
from collections.abc import Callable

from rig.harvester.images import GOLDEN
from rig.harvester.kinds import CLAIMS, IMAGES, MACHINES
from rig.harvester.kube import Kube, Object
from rig.harvester.machines import TEMPLATES
from rig.harvester.quantities import parse

DISPLAY_NAME = "harvesterhci.io/imageDisplayName"
STORAGE_CLASS = "harvesterhci.io/storageClassName"
RESERVED = "harvesterhci.io/reservedMemory"
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")  # apimachinery: validation.IsValidLabelValue
_MIB = 1 << 20
_DEFAULT_RESERVED = 100 * _MIB


class Refused(Exception):
    """A webhook's answer.

    Attributes:
        code: the HTTP status that the API server hands on.
    """

    def __init__(self, message: str, code: int = 422) -> None:
        super().__init__(message)
        self.code = code


Validator = Callable[[Kube, str, Object, Object], None]
"""Given the API, the operation, the new and the old object (either may be empty)."""
Patch = list[dict[str, object]]


def validate_image(kube: Kube, operation: str, new: Object, old: Object) -> None:
    """Refuse what Harvester refuses of a VirtualMachineImage.

    Raises:
        Refused: with its words.
    """
    if operation == "CREATE":
        _create_image(kube, new)
    elif operation == "UPDATE":
        if "deletionTimestamp" not in new["metadata"]:
            for field in sorted(set(new["spec"]) | set(old["spec"])):
                if new["spec"].get(field) != old["spec"].get(field):
                    raise Refused(f"{field} cannot be modified")
            _same_class(new)
    elif operation == "DELETE":
        _delete_image(kube, old)


def _create_image(kube: Kube, image: Object) -> None:
    spec, meta = image["spec"], image["metadata"]
    name = spec.get("displayName", "")
    if not name:
        raise Refused("displayName is required")
    if not _LABEL.fullmatch(name):
        raise Refused(f"displayName is not a valid Kubernetes label value: {name!r}")
    same = kube.list(IMAGES, meta["namespace"], labelSelector=f"{DISPLAY_NAME}={name}")["items"]
    if any(item["metadata"]["name"] != meta.get("name") for item in same):
        raise Refused("A resource with the same name exists", 409)
    _same_class(image)
    needs_url = spec["sourceType"] in {"download", "restore"}
    if needs_url and not spec.get("url"):
        raise Refused("url is required")
    if not needs_url and spec.get("url"):
        raise Refused(f'url should be empty when image source type is "{spec["sourceType"]}"')


def _same_class(image: Object) -> None:
    noted = (image["metadata"].get("annotations") or {}).get(STORAGE_CLASS, "")
    asked = image["spec"].get("targetStorageClassName", "")
    if noted != asked:
        raise Refused(f"storage class name in annotations {noted!r} and targetStorageClassName {asked!r} differ")


def _delete_image(kube: Kube, image: Object) -> None:
    meta = image["metadata"]
    used = (image.get("status") or {}).get("storageClassName", "")
    if not used:
        return
    cannot = f"Cannot delete image {meta['namespace']}/{image['spec']['displayName']}: being used by"
    golden = image["spec"].get("backend") == "cdi"
    if not golden:
        for claim in kube.list(CLAIMS)["items"]:
            if claim["spec"].get("storageClassName") == used:
                raise Refused(f"{cannot} volume {claim['metadata']['namespace']}/{claim['metadata']['name']}")
    for vm in kube.list(MACHINES, meta["namespace"])["items"]:
        claims = {each.get("persistentVolumeClaim", {}).get("claimName") for each in _volumes(vm)}
        templates = (vm["metadata"].get("annotations") or {}).get(TEMPLATES, "")
        image_id = f'"{meta["namespace"]}/{meta["name"]}"'
        if (golden and meta["name"] in claims) or (not golden and image_id in templates):
            raise Refused(f"{cannot} VM {vm['metadata']['namespace']}/{vm['metadata']['name']}")


def validate_machine(kube: Kube, operation: str, new: Object, _old: Object) -> None:
    """Refuse what KubeVirt and Harvester refuse of a VirtualMachine.

    Raises:
        Refused: with its words.
    """
    if operation == "DELETE":
        return
    spec, meta = new["spec"], new["metadata"]
    if ("runStrategy" in spec) == ("running" in spec):
        raise Refused("one of Running or RunStrategy must be specified, and they are mutually exclusive")
    template = spec["template"].get("spec") or {}
    volumes = {volume["name"] for volume in template.get("volumes") or []}
    disks = ((template.get("domain") or {}).get("devices") or {}).get("disks") or []
    for disk in disks:
        if disk["name"] not in volumes:
            raise Refused(f"disk {disk['name']!r} has no volume of that name")
    networks = template.get("networks") or []
    if sum("pod" in network for network in networks) > 1:
        raise Refused("more than one interface is connected to a pod network")
    if operation == "CREATE" and (meta.get("labels") or {}).get("migration.harvesterhci.io/imported") != "true":
        for volume in template.get("volumes") or []:
            name = volume.get("persistentVolumeClaim", {}).get("claimName", "")
            claim = kube.find(CLAIMS, meta["namespace"], name) if name else None
            if claim and (claim["metadata"].get("annotations") or {}).get(GOLDEN) == "true":
                raise Refused(f"PVC {name} is a golden image, it can't be used as a volume of a VM")


def mutate_image(new: Object) -> Patch:
    """The display name becomes a label, to be found by, where it can be one."""
    name = new["spec"].get("displayName", "")
    if not _LABEL.fullmatch(name):
        return []
    labels = {**(new["metadata"].get("labels") or {}), DISPLAY_NAME: name}
    return [{"op": "add", "path": "/metadata/labels", "value": labels}]


def mutate_machine(new: Object) -> Patch:
    """The guest gets the memory of the limit less what is reserved for QEMU."""
    domain = (new["spec"]["template"].get("spec") or {}).get("domain") or {}
    limit = ((domain.get("resources") or {}).get("limits") or {}).get("memory")
    if limit is None:
        return []
    noted = (new["metadata"].get("annotations") or {}).get(RESERVED)
    reserved = parse(noted) if noted else _DEFAULT_RESERVED
    guest = parse(limit) - reserved
    if guest <= 0:
        return []
    value = {**(domain.get("memory") or {}), "guest": f"{guest // _MIB}Mi"}
    return [{"op": "add", "path": "/spec/template/spec/domain/memory", "value": value}]


def _volumes(vm: Object) -> list[Object]:
    found: list[Object] = (vm["spec"]["template"].get("spec") or {}).get("volumes") or []
    return found
