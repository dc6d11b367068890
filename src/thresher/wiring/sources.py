"""The sources that manifests name, and the adapters that serve them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from thresher.api.manifests import AnySource, Manifests
from thresher.api.ova import OvaSource as OvaSourceManifest
from thresher.api.vmware import VmwareSource as VmwareSourceManifest
from thresher.model.errors import UsageError
from thresher.ports import Leftovers, Power, Source
from thresher.sources.bytes import HttpAccess
from thresher.sources.ova import OvaSource


@dataclass(frozen=True, slots=True)
class OpenSource:
    """The adapter of one source, and what else it can do.

    Attributes:
        source: the adapter; everything else works while it is entered.
        power: its VMs' power switch, where they have one.
        leftovers: removes what exports leave there, where they leave anything.
    """

    source: Source
    power: Power | None = None
    leftovers: Leftovers | None = None


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """How many disks may be read at once: from one source, and from each of its ESXi hosts."""

    per_source: int = 8
    per_host: int = 4


class SourcePool:
    """The adapters of the manifests' sources.

    All imports from one vCenter share an adapter, and so its session and its limits. Each import from an OVA has one
    of its own: a stream that passes only once cannot be shared.

    Args:
        manifests: where Secrets are looked up.
        pinned: the fingerprint that is pinned for an endpoint, or "".
        limits: for each source.
    """

    def __init__(
        self,
        manifests: Manifests,
        pinned: Callable[[str], str] = lambda _: "",
        limits: DiskLimits = DiskLimits(),
    ) -> None:
        self._manifests = manifests
        self._pinned = pinned
        self._limits = limits
        self._open: dict[tuple[str, str], OpenSource] = {}

    def get(self, manifest: AnySource) -> OpenSource:
        """The adapter that serves a source's kind.

        Raises:
            UsageError: its Secret is not there or lacks a key, or nothing here serves the kind.
        """
        if isinstance(manifest, OvaSourceManifest):
            return OpenSource(_ova_source(manifest, self._manifests))
        if isinstance(manifest, VmwareSourceManifest):
            key = (manifest.kind, manifest.metadata.key)
            if key not in self._open:
                pinned = self._pinned(manifest.spec.endpoint)
                self._open[key] = _vcenter(manifest, self._manifests, pinned, self._limits)
            return self._open[key]
        raise UsageError(f"{manifest.kind} {manifest.metadata.key}: this kind of source cannot be imported from yet")


def _vcenter(manifest: VmwareSourceManifest, manifests: Manifests, pinned: str, disks: DiskLimits) -> OpenSource:
    secret = manifests.secret(manifest.secret_ref)
    # pyvmomi is large: only who imports from a vCenter loads it
    from thresher.sources.vcenter.connection import VCenterAccess, VCenterConnection
    from thresher.sources.vcenter.export import export_vm
    from thresher.sources.vcenter.limits import ExportLimits
    from thresher.sources.vcenter.power import VCenterPower
    from thresher.sources.vcenter.source import VCenterSource

    connection = VCenterConnection(
        VCenterAccess(
            endpoint=manifest.spec.endpoint,
            username=secret.require("username"),
            password=secret.require("password"),
            ca_pem=secret.get("caCert") or "",
            fingerprint_sha256=pinned or None,
        )
    )
    exporter = partial(export_vm, limits=ExportLimits(disks.per_source, disks.per_host))
    return OpenSource(VCenterSource(connection, manifest.spec.dc, exporter), VCenterPower(connection))


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
