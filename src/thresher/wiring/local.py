"""An import into a folder of this machine."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from thresher.imports.seams import Ports
from thresher.model.spec import ImportSpec, Verify
from thresher.model.vm import SourceVM
from thresher.targets.local import LocalTarget
from thresher.wiring.images import local_transfer
from thresher.wiring.sources import OpenSource


@dataclass(frozen=True, slots=True)
class LocalImport:
    """All that one import into a folder is driven through."""

    spec: ImportSpec
    ports: Ports
    target: LocalTarget


def local_import(spec: ImportSpec, source: OpenSource, folder: Path) -> LocalImport:
    """Put together an import into ``folder``. Raises UsageError."""
    target = LocalTarget(folder)
    checksum = "sha512" if spec.verify is Verify.SHA512 else None
    ports = Ports(
        source=source.source,
        transfer=local_transfer(image_checksum=checksum),
        target=target,
        power=source.power,
        preflight=target,
        discard=target,
    )
    return LocalImport(spec, ports, target)


def stop_local_vm(spec: ImportSpec, vm: SourceVM | None, folder: Path) -> None:
    """Switch off a VM that an import into ``folder`` started. Raises TargetError."""
    if vm is not None:
        asyncio.run(LocalTarget(folder).stop_vm(spec, vm))
