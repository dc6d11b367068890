"""The composition root: the only place that knows which adapter serves which kind."""

from dataclasses import dataclass
from pathlib import Path

from thresher.api.manifests import AnySource, Manifests
from thresher.api.ova import OvaSource as OvaSourceManifest
from thresher.imports.seams import Ports
from thresher.model.errors import UsageError
from thresher.model.spec import ImportSpec, Verify
from thresher.model.vm import SourceVM
from thresher.ports import DiskStream, Source, Transfer
from thresher.sources.bytes import HttpAccess, HttpFile
from thresher.sources.ova import OvaSource
from thresher.sources.single import open_image
from thresher.targets.local import LocalTarget
from thresher.transfer.disk import Options
from thresher.transfer.disks import ThreadTransfer


def http_access(ca: Path | None = None) -> HttpAccess:
    """How a web server named on the command line is reached. Raises UsageError if ``ca`` cannot be read."""
    if ca is None:
        return HttpAccess()
    try:
        return HttpAccess(ca_pem=ca.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the certificates in {ca} cannot be read: {error}") from error


def image_at(location: str, access: HttpAccess) -> DiskStream:
    """One disk image at a path, a URL, or ``-``. Raises SourceError or FormatError."""
    return open_image(location, access)


def ova_at(location: str, access: HttpAccess) -> OvaSource:
    """The OVA source over a path or URL."""
    return OvaSource(location, access)


def shown(location: str) -> str:
    """What to call a path or URL in messages: without credentials. Raises UsageError for an unusable URL."""
    return HttpFile(location, HttpAccess()).name if "://" in location else location


def local_transfer(*, durable: bool = True, image_checksum: str | None = None) -> Transfer:
    """The transfer in threads of this process."""
    return ThreadTransfer(Options(durable=durable, image_checksum=image_checksum))


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
