"""An import into a folder of this machine."""

from dataclasses import dataclass
from pathlib import Path

from thresher.imports.seams import Ports
from thresher.model.spec import ImportSpec, Verify
from thresher.model.vm import SourceVM
from thresher.targets.local import LocalTarget
from thresher.transfer.throttle import Throttle
from thresher.wiring.images import local_transfer
from thresher.wiring.preflight import WithRules
from thresher.wiring.sources import OpenSource


@dataclass(frozen=True, slots=True)
class LocalImport:
    """All that one import into a folder is driven through."""

    spec: ImportSpec
    ports: Ports
    target: LocalTarget


def local_import(
    spec: ImportSpec, source: OpenSource, folder: Path, throttles: tuple[Throttle, ...] = ()
) -> LocalImport:
    """Put together an import into ``folder``, through what limits its bandwidth. Raises UsageError."""
    target = LocalTarget(folder)
    checksum = "sha512" if spec.verify is Verify.SHA512 else None
    ports = Ports(
        source=source.source,
        transfer=local_transfer(image_checksum=checksum, throttles=throttles),
        target=target,
        power=source.power,
        preflight=WithRules(target),
        discard=target,
        leftovers=source.leftovers,
    )
    return LocalImport(spec, ports, target)


async def find_vm(local: LocalImport) -> SourceVM:
    """The VM that an import is about. Raises SourceError or FormatError."""
    async with local.ports.source as source:
        return await source.find(local.spec.vm_name, local.spec.folder)


async def remove_local_vm(local: LocalImport, vm: SourceVM) -> None:
    """Switch off and remove what an earlier run of this import made; others' VMs stay. Raises TargetError."""
    state = await local.target.vm_state(local.spec, vm)
    if not state.foreign:
        await local.target.stop_vm(local.spec, vm)
        await local.target.discard(local.spec, vm)
