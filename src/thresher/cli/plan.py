"""``thresher plan``: which VMs of a source will make it, what it takes, and in which order."""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from thresher.api.manifests import AnySource, Manifests
from thresher.cli.choices import Report
from thresher.cli.inventory import only_source, ready_source
from thresher.cli.manifests import read_manifests
from thresher.cli.probe import bandwidth
from thresher.model.bandwidth import NO_RATE, Window
from thresher.model.errors import TargetError, UsageError
from thresher.model.spec import DiskMode, NetworkMapping
from thresher.model.units import MIB, Bytes, MiB
from thresher.model.vm import SourceVM
from thresher.plan.build import Wanted, make_plan
from thresher.plan.catalogue import Language
from thresher.plan.data import as_csv, as_json
from thresher.plan.manifests import MAPPING_FILE, MARK, SourceRef, mapping_file, wave_files
from thresher.plan.markdown import as_markdown
from thresher.plan.networks import read_attachments, read_mapping
from thresher.plan.report import as_html
from thresher.plan.rules.fleet import Capacity
from thresher.plan.simulate import Limits
from thresher.plan.values import Assumptions, Plan
from thresher.plan.waves import WaveRules
from thresher.wiring.sources import leaves_copies

RENDERERS: Mapping[Report, Callable[[Plan, Language], str]] = MappingProxyType(
    {Report.HTML: as_html, Report.MARKDOWN: as_markdown, Report.JSON: as_json, Report.CSV: as_csv}
)

_BANDWIDTH = Bytes(100 * MIB)
"""What is reckoned with where nobody says: what a link of 1 Gbit/s gives in practice."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was given; see its help. Rates are bytes a second."""

    vms: tuple[str, ...]
    folders: tuple[str, ...]
    output: Report
    language: str
    write: Path | None
    namespace: str
    storage_class: str | None
    disk_mode: str
    networks: Path | None
    mapping: Path | None
    free_storage: Bytes | None
    free_memory: MiB | None
    bandwidth: Bytes | None
    disk_bandwidth: Bytes | None
    store_bandwidth: Bytes | None
    probe: bool
    compression: float
    imports: int
    disks_per_source: int
    disks_per_host: int
    shutdown: float
    prepare: float
    boot: float
    pilots: int
    wave_vms: int
    wave_hours: float | None
    start: datetime | None
    blackouts: tuple[Window, ...]


def run(files: Sequence[str], options: Options) -> None:
    """Print the plan of the one source in the manifests, and write its files where asked to. Raises ThresherError."""
    manifests = read_manifests(files)
    manifest = only_source(manifests)
    limit = manifest.spec.limit
    if limit.rate == NO_RATE:
        raise UsageError(
            f"{manifest.kind} {manifest.metadata.key} is paused by its spec.bandwidth of 0: raise it first"
        )
    attachments = read_attachments(_read(options.networks)) if options.networks else ()
    mapping = _mapping(options)
    vms, measured = asyncio.run(_look(manifest, manifests, options))
    now = datetime.now(UTC)
    blackouts = tuple(dict.fromkeys((*limit.blackout, *options.blackouts)))
    wanted = Wanted(
        assumptions=_assumptions(options, measured, limit.rate),
        namespace=options.namespace,
        storage_class=options.storage_class,
        disk_mode=DiskMode(options.disk_mode),
        attachments=attachments,
        mapping=mapping,
        free=Capacity(options.free_storage, options.free_memory),
        waves=WaveRules(options.pilots, options.wave_vms, options.wave_hours and options.wave_hours * 3600),
        starts_at=options.start or (now if blackouts else None),
        blackouts=blackouts,
    )
    plan = make_plan(vms, wanted, f"{manifest.kind} {manifest.metadata.key}", now)
    if options.write is not None:
        _write(plan, options.write, SourceRef(manifest.kind, manifest.metadata.name, manifest.metadata.namespace))
    sys.stdout.write(RENDERERS[options.output](plan, Language(options.language)))


async def _look(manifest: AnySource, manifests: Manifests, options: Options) -> tuple[Sequence[SourceVM], float | None]:
    """The VMs that are meant, and the bandwidth where it is to be measured."""
    if options.probe and leaves_copies(manifest):
        raise UsageError(
            "an OpenStack gives a disk only after it copied it whole, so --probe is none: give --bandwidth"
        )
    async with ready_source(manifest, manifests) as source:
        every = await source.inventory()
        vms = [vm for vm in every if _meant(vm, options)]
        if not vms:
            raise UsageError(f"none of the source's {len(every)} VMs is meant: correct --vm or --folder")
        return vms, await bandwidth(source, vms) if options.probe else None


def _meant(vm: SourceVM, options: Options) -> bool:
    folders = [folder.strip("/") for folder in options.folders]
    inside = not folders or any(f"{vm.folder}/".startswith(f"{folder}/") for folder in folders)
    return inside and (not options.vms or any(fnmatchcase(vm.name, glob) for glob in options.vms))


def _assumptions(options: Options, measured: float | None, limit: Bytes | None) -> Assumptions:
    """What durations follow from; a source gives no more than it is allowed to, whatever was measured or asked for."""
    there = measured or options.bandwidth or limit or _BANDWIDTH
    return Assumptions(
        Limits(
            min(there, limit or there),
            options.imports,
            options.disks_per_source,
            options.disks_per_host,
            options.disk_bandwidth,
        ),
        measured=measured is not None and measured <= (limit or measured),
        compression=options.compression,
        shutdown_s=options.shutdown,
        prepare_s=options.prepare,
        store_bandwidth=options.store_bandwidth,
        boot_s=options.boot,
    )


def _mapping(options: Options) -> tuple[NetworkMapping, ...]:
    """The mapping that the user edited: the one given, else the one that an earlier plan wrote."""
    written = options.write / MAPPING_FILE if options.write else None
    path = options.mapping or (written if written and written.exists() else None)
    return read_mapping(_read(path)) if path else ()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}; check the path") from error


def _write(plan: Plan, folder: Path, source: SourceRef) -> None:
    """Write the waves' files in place of an earlier plan's; a mapping that is there may be edited, and stays."""
    files = dict(wave_files(plan, source))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("wave-*.yaml"):
            if old.name not in files and old.read_text(encoding="utf-8").startswith(MARK):
                old.unlink()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        if not (folder / MAPPING_FILE).exists():
            (folder / MAPPING_FILE).write_text(mapping_file(plan), encoding="utf-8")
    except OSError as error:
        raise TargetError(f"the plan cannot be written to {folder}: {error.strerror}; check the folder") from error
    sys.stderr.write(f"{folder}: {len(files)} waves, and {MAPPING_FILE} to edit; kubectl apply -f a wave imports it\n")
