"""How fast a source gives its disks: read one for some seconds."""

import asyncio
import time
from collections.abc import Sequence

from thresher.model.errors import SourceNotFound
from thresher.model.units import MIB
from thresher.model.vm import PowerState, Severity, SourceVM
from thresher.ports import ByteSource, Source

_SECONDS = 10.0


async def bandwidth(source: Source, vms: Sequence[SourceVM]) -> float:
    """Bytes a second that one disk of the largest VM that is off is read at; nothing is kept.

    Raises:
        SourceNotFound: no VM is off and free of blockers.
        SourceError: the source failed or refused.
    """
    able = [vm for vm in vms if vm.power is PowerState.OFF and vm.disks and not _blocked(vm)]
    if not able:
        raise SourceNotFound("no VM is off that the bandwidth could be measured with: give --bandwidth instead")
    largest = max(able, key=lambda vm: max(disk.capacity or 0 for disk in vm.disks))
    async with source.export(largest, "probe") as export:
        disks = [disk.bytes for disk in export.disks if disk.bytes is not None]
        if not disks:
            raise SourceNotFound(f"the disks of {largest.name!r} are blank: give --bandwidth instead")
        return await asyncio.to_thread(_read, disks[0])


def _blocked(vm: SourceVM) -> bool:
    return any(loss.severity is Severity.BLOCKER for loss in vm.losses)


def _read(disk: ByteSource) -> float:
    buffer, count = memoryview(bytearray(MIB)), 0
    began = time.monotonic()
    stream = disk.open()
    try:
        while (passed := time.monotonic() - began) < _SECONDS and (more := stream.readinto(buffer)):
            count += more
    finally:
        stream.close()
    return max(count, 1) / max(passed, 0.001)
