"""What a cluster has to have for volumes that are written in place, and what does not matter to them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from rig.source_vms import LINUX_BIOS, SPEC
from thresher.model.spec import DiskMode, ImportSpec
from thresher.model.vm import Severity
from thresher.targets.harvester.objects import IMAGE, STORAGE_CLASS, Kind, Object
from thresher.targets.harvester.preflight import HarvesterPreflight
from thresher.targets.manifests import findings

DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
VOLUME = replace(SPEC, disk_mode=DiskMode.VOLUME)


class Classes:
    """A cluster with nothing but storage classes, which remembers what was listed."""

    def __init__(self, **annotations: dict[str, str]) -> None:
        self.listed: list[Kind] = []
        self._found: dict[str, Object] = {
            name: {"metadata": {"name": name, "annotations": marks}} for name, marks in annotations.items()
        }

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:  # noqa: ARG002 - see Objects
        return self._found.get(name) if kind == STORAGE_CLASS else None

    async def list_all(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Sequence[Object]:  # noqa: ARG002
        self.listed.append(kind)
        return list(self._found.values()) if kind == STORAGE_CLASS else ()

    async def apply(self, obj: Object, kind: Kind) -> Object:
        raise AssertionError(f"a preflight touches nothing, but applies {kind.name} {obj}")

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> bool:
        raise AssertionError(f"a preflight touches nothing, but deletes {kind.name} {namespace}/{name} {uid}")


def missing(cluster: Classes, spec: ImportSpec) -> list[str]:
    found = asyncio.run(HarvesterPreflight(cluster).findings(spec, LINUX_BIOS))
    return [loss.subject for loss in found if loss.rule == "StorageClassMissing"]


def test_volumes_that_no_class_is_named_for_need_a_default_one() -> None:
    assert missing(Classes(fast={}), VOLUME) == ["default storage class"]
    assert missing(Classes(fast=DEFAULT), VOLUME) == []
    assert missing(Classes(fast={}), replace(VOLUME, storage_class="fast")) == []
    assert missing(Classes(fast={}), SPEC) == [], "Harvester chooses one for an image"


def test_names_of_images_do_not_matter_where_none_is_made() -> None:
    asked = []
    for spec in (SPEC, VOLUME):
        cluster = Classes(fast=DEFAULT)
        missing(cluster, spec)
        asked.append(IMAGE in cluster.listed)
    assert asked == [True, False]


def test_a_volume_cannot_be_made_for_a_disk_of_unknown_size() -> None:
    vm = replace(LINUX_BIOS, disks=(replace(LINUX_BIOS.disks[0], capacity=None),))
    blockers = {
        spec: [loss for loss in findings(spec, vm) if loss.severity is Severity.BLOCKER] for spec in (SPEC, VOLUME)
    }
    assert blockers[SPEC] == [], "an image is made once the disk was read"
    (blocker,) = blockers[VOLUME]
    assert blocker.rule == "DiskSizeUnknown"
    assert "diskMode image" in blocker.message
