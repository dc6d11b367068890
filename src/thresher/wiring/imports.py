"""What an import is put together from, by its manifests; and what looks into a package."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from thresher.api.manifests import AnySource, Manifests
from thresher.api.ova import OvaSource as OvaSourceManifest
from thresher.imports.seams import Ports
from thresher.model.errors import UsageError
from thresher.model.spec import ImportSpec, Verify
from thresher.model.vm import SourceVM
from thresher.ports import Source
from thresher.sources.bytes import HttpAccess
from thresher.sources.ova import OvaSource
from thresher.targets.local import LocalTarget
from thresher.wiring.images import local_transfer


def ova_at(location: str, access: HttpAccess) -> OvaSource:
    """The OVA source over a path or URL."""
    return OvaSource(location, access)


def source_of(manifest: AnySource, manifests: Manifests) -> Source:
    """The adapter that serves a source's kind.

    Raises:
        UsageError: its Secret is not there or lacks a key, or nothing here serves the kind.
    """
    if isinstance(manifest, OvaSourceManifest):
        return _ova_source(manifest, manifests)
    raise UsageError(f"{manifest.kind} {manifest.metadata.key}: this kind of source cannot be imported from yet")


def _ova_source(manifest: OvaSourceManifest, manifests: Manifests) -> OvaSource:
    ref = manifest.secret_ref
    secret = manifests.secret(ref) if ref else None
    access = HttpAccess(
        username=secret.get("username") if secret else None,
        password=secret.get("password") if secret else None,
        ca_pem=(secret.get("ca.crt") if secret else None) or "",
        timeout_s=manifest.spec.http_timeout_seconds,
    )
    return OvaSource(manifest.spec.url, access)


@dataclass(frozen=True, slots=True)
class LocalImport:
    """All that one import into a folder is driven through."""

    spec: ImportSpec
    ports: Ports
    target: LocalTarget


def local_import(spec: ImportSpec, source: AnySource, manifests: Manifests, folder: Path) -> LocalImport:
    """Put together an import into ``folder``. Raises UsageError."""
    target = LocalTarget(folder)
    checksum = "sha512" if spec.verify is Verify.SHA512 else None
    ports = Ports(
        source=source_of(source, manifests),
        transfer=local_transfer(image_checksum=checksum),
        target=target,
        preflight=target,
        discard=target,
    )
    return LocalImport(spec, ports, target)


def stop_local_vm(spec: ImportSpec, vm: SourceVM | None, folder: Path) -> None:
    """Switch off a VM that an import into ``folder`` started. Raises TargetError."""
    if vm is not None:
        asyncio.run(LocalTarget(folder).stop_vm(spec, vm))
