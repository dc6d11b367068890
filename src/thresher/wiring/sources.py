"""The sources that manifests name, and the adapters that serve them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from thresher.api.manifests import AnySource, Manifests
from thresher.api.openstack import OpenstackSource as OpenstackSourceManifest
from thresher.api.ova import OvaSource as OvaSourceManifest
from thresher.api.vmware import VmwareSource as VmwareSourceManifest
from thresher.model.vm import SourceVM
from thresher.ports import Export, Leftovers, Power, Source
from thresher.sources.bytes import HttpAccess
from thresher.sources.ova import OvaSource
from thresher.wiring.places import Places


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


def leaves_copies(manifest: AnySource) -> bool:
    """Whether exports make copies at the source, whole and before the first byte, that somebody has to remove."""
    return isinstance(manifest, OpenstackSourceManifest)


def finds_ids(manifest: AnySource) -> bool:
    """Whether a VM can be asked for by its id, which no other VM gets and no renaming changes."""
    return isinstance(manifest, OpenstackSourceManifest)


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """How many disks may be read at once: from one source, and from each of its ESXi hosts."""

    per_source: int = 8
    per_host: int = 4


class SourcePool:
    """The adapters of the manifests' sources.

    All imports from one vCenter or OpenStack share an adapter, and so its session and its limits. Each import from an
    OVA has one of its own: a stream that passes only once cannot be shared.

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
            UsageError: its Secret is not there or lacks a key, or the source cannot be used as written.
        """
        if isinstance(manifest, OvaSourceManifest):
            return OpenSource(_ova_source(manifest, self._manifests))
        key = (manifest.kind, manifest.metadata.key)
        if key not in self._open:
            self._open[key] = self._shared(manifest)
        return self._open[key]

    def _shared(self, manifest: VmwareSourceManifest | OpenstackSourceManifest) -> OpenSource:
        if isinstance(manifest, OpenstackSourceManifest):
            return _openstack(manifest, self._manifests, self._limits)
        return _vcenter(manifest, self._manifests, self._pinned(manifest.spec.endpoint), self._limits)


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


_SWEEP_LOOKS, _SWEEP_EVERY_S = 30, 3.0
"""How long a sweep waits for what is still in use: a minute and a half, less than an operator's pass gives a source
for an answer. Whoever ends an import tries again."""


def _openstack(manifest: OpenstackSourceManifest, manifests: Manifests, disks: DiskLimits) -> OpenSource:
    secret = manifests.secret(manifest.secret_ref)
    # openstacksdk is large: only who imports from an OpenStack loads it
    from thresher.sources.openstack.connection import OpenstackAccess, OpenstackConnection
    from thresher.sources.openstack.export import PARALLEL, export_server
    from thresher.sources.openstack.patience import CopyPolicy
    from thresher.sources.openstack.power import OpenstackPower
    from thresher.sources.openstack.source import OpenstackSource
    from thresher.sources.openstack.sweep import OpenstackLeftovers

    connection = OpenstackConnection(
        OpenstackAccess(
            endpoint=manifest.spec.endpoint,
            region=manifest.spec.region,
            username=secret.get("username") or "",
            password=secret.get("password") or "",
            project_name=secret.get("project_name") or "",
            domain_name=secret.get("domain_name") or "",
            user_domain_name=secret.get("user_domain_name") or "",
            project_domain_name=secret.get("project_domain_name") or "",
            application_credential_id=secret.get("application_credential_id") or "",
            application_credential_secret=secret.get("application_credential_secret") or "",
            ca_pem=secret.get("ca_cert") or "",
        )
    )
    policy = CopyPolicy(manifest.spec.upload_image_retry_count, float(manifest.spec.upload_image_retry_delay))
    places = Places(disks.per_source)

    @asynccontextmanager
    async def exporter(connection: OpenstackConnection, vm: SourceVM, owner: str) -> AsyncIterator[Export]:
        async with (
            places.taken(min(len(vm.disks), PARALLEL)) as parallel,
            export_server(connection, vm, owner, policy=policy, parallel=parallel) as export,
        ):
            yield export

    leftovers = OpenstackLeftovers(connection, CopyPolicy(_SWEEP_LOOKS, _SWEEP_EVERY_S))
    return OpenSource(OpenstackSource(connection, exporter), OpenstackPower(connection), leftovers)


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
