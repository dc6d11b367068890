"""``thresher inventory``: the VMs of a source, with what an import needs to know."""

import asyncio
import csv
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from thresher.api.manifests import AnySource, Manifests
from thresher.cli.choices import Listing, Output
from thresher.cli.inspect import describe
from thresher.cli.known_hosts import KnownHosts
from thresher.cli.manifests import read_manifests
from thresher.cli.printing import JsonValue, print_data
from thresher.cli.sources import look_once
from thresher.imports.source_status import SourceWord
from thresher.model.errors import SourceError, UsageError
from thresher.model.units import bytes_of_mib, human
from thresher.model.vm import Severity, SourceVM
from thresher.ports import Source
from thresher.wiring.sources import SourcePool


def run(files: Sequence[str], output: Listing) -> None:
    """List the VMs of the one source in the manifests. Raises ThresherError."""
    manifests = read_manifests(files)
    vms = asyncio.run(_read(only_source(manifests), manifests))
    if output is Listing.JSON:
        print_data([_entry(vm) for vm in vms], Output.JSON)
    elif output is Listing.CSV:
        _print_csv(vms)
    else:
        _print_table(vms)


def only_source(manifests: Manifests) -> AnySource:
    """The one source in the manifests. Raises UsageError."""
    if len(manifests.sources) != 1:
        raise UsageError(f"the inventory of one source is read, but the manifests hold {len(manifests.sources)}")
    return manifests.sources[0]


@asynccontextmanager
async def ready_source(manifest: AnySource, manifests: Manifests) -> AsyncIterator[Source]:
    """The source, looked at and open. Raises SourceError with what is wrong with it."""
    known = KnownHosts()
    status = await look_once(manifest, manifests, known)
    if status.status is not SourceWord.READY:
        raise SourceError(status.message)
    async with SourcePool(manifests, known.get).get(manifest).source as source:
        yield source


async def _read(manifest: AnySource, manifests: Manifests) -> Sequence[SourceVM]:
    async with ready_source(manifest, manifests) as source:
        return await source.inventory()


def _entry(vm: SourceVM) -> dict[str, JsonValue]:
    return {
        "id": vm.id,
        "folder": vm.folder,
        "power": vm.power.value,
        "hardware_version": vm.hardware_version,
        "smbios_uuid": vm.smbios_uuid,
        "notes": vm.notes,
        "blockers": [f"{loss.subject}: {loss.message}" for loss in vm.losses if loss.severity is Severity.BLOCKER],
        **describe(vm),
    }


def _row(vm: SourceVM) -> dict[str, str]:
    size = sum(disk.capacity or 0 for disk in vm.disks)
    networks = [nic.network.name if nic.network else "-" for nic in vm.nics]
    blockers = sum(loss.severity is Severity.BLOCKER for loss in vm.losses)
    return {
        "name": vm.name,
        "folder": vm.folder,
        "power": vm.power.value,
        "guest": vm.guest_os,
        "vcpus": str(vm.cpu.vcpus),
        "memory": human(bytes_of_mib(vm.memory)),
        "disks": str(len(vm.disks)),
        "size": human(size),
        "networks": ", ".join(networks),
        "findings": f"{blockers} blockers, {len(vm.losses) - blockers} warnings" if vm.losses else "",
    }


def _print_csv(vms: Sequence[SourceVM]) -> None:
    rows = [_row(vm) | {"id": vm.id} for vm in vms]
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]) if rows else ["name"])
    writer.writeheader()
    writer.writerows(rows)


def _print_table(vms: Sequence[SourceVM]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("VM", "folder", "power", "guest", "vCPUs", "memory", "disks", "size", "networks", "findings")
    for vm in vms:
        table.add_row(*(escape(cell) for cell in _row(vm).values()))
    Console().print(table)
    sys.stdout.write(f"{len(vms)} VMs\n")
