"""For each rule that takes a disk's own bytes to see: an OVA, and its twin."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.ova import PackedDisk, archive, manifest, ovf, vmdk
from rig.rule_cases import Case, Found, Levels, levels
from thresher.model.units import MIB
from thresher.model.vm import Loss
from thresher.sources.ova import OvaSource

CONTENT = vmdk(1, length=1000, capacity=3 * MIB)


def ova(*, size: int = len(CONTENT), capacity: int = 3 * MIB) -> Found:
    """An OVA of one disk whose descriptor states that size of its file and that capacity, with a manifest."""

    def find() -> Levels:
        disk = PackedDisk("disk1.vmdk", CONTENT, capacity=capacity, size=size)
        files = {"web.ovf": ovf({"web": [disk]}), disk.href: disk.content}
        with TemporaryDirectory() as folder:
            packed = archive(Path(folder) / "web.ova", (files | {"web.mf": manifest(files)}).items())
            return levels(asyncio.run(_losses(packed)))

    return find


async def _losses(path: Path) -> tuple[Loss, ...]:
    async with OvaSource(str(path)) as source:
        return (await source.find("web")).losses


CASES: dict[str, Case] = {
    "FileSizeDiffers": Case(ova(size=len(CONTENT) + 1), ova()),
    "CapacityDiffers": Case(ova(capacity=2 * MIB), ova()),
}
