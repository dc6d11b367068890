"""``thresher inspect``."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from thresher.cli.choices import Output
from thresher.cli.printing import JsonValue, print_data
from thresher.model.errors import FormatError
from thresher.model.units import bytes_of_mib, human
from thresher.model.vm import Disk, Nic, SourceVM
from thresher.wiring.images import http_access, ova_at, shown


def run(location: str, output: Output, ca: Path | None) -> None:
    """Print what the package at ``location`` holds. Raises ThresherError."""
    vms = asyncio.run(_read(location, ca))
    if output is Output.TABLE:
        _print_tables(vms)
    else:
        print_data([describe(vm) for vm in vms], output)


async def _read(location: str, ca: Path | None) -> Sequence[SourceVM]:
    async with ova_at(location, http_access(ca)) as source:
        try:
            return await source.inventory()
        except FormatError as error:  # a parser knows where in the bytes it is, not whose they are
            name = shown(location)
            raise error if name in str(error) else FormatError(f"{name}: {error}") from error


def describe(vm: SourceVM) -> dict[str, JsonValue]:
    """A VM as plain values, in the words that the README documents."""
    return {
        "name": vm.name,
        "guest_os": vm.guest_os,
        "vcpus": vm.cpu.vcpus,
        "cores_per_socket": vm.cpu.cores_per_socket,
        "memory_bytes": bytes_of_mib(vm.memory),
        "firmware": {
            "type": vm.firmware.type.value,
            "secure_boot": vm.firmware.secure_boot,
            "tpm": vm.firmware.tpm,
        },
        "disks": [_disk(disk) for disk in vm.disks],
        "nics": [_nic(nic) for nic in vm.nics],
        "warnings": [f"{loss.subject}: {loss.message}" for loss in vm.losses],
    }


def _disk(disk: Disk) -> dict[str, JsonValue]:
    return {
        "key": disk.key,
        "file": disk.file,
        "format": disk.format.value,
        "capacity_bytes": disk.capacity,
        "bus": disk.bus.value,
        "controller": disk.controller,
    }


def _nic(nic: Nic) -> dict[str, JsonValue]:
    return {"network": nic.network.name if nic.network else None, "mac": nic.mac, "model": nic.model}


def _print_tables(vms: Sequence[SourceVM]) -> None:
    console = Console()
    for vm in vms:
        console.print(f"[bold]{_plain(vm.name)}[/bold]")
        console.print(_overview(vm))
        for table in (_disks(vm), _nics(vm)):
            if table.row_count:
                console.print(table)
        for loss in vm.losses:
            console.print(f"{loss.severity.value}: {loss.subject}: {loss.message}", markup=False, soft_wrap=True)
        console.print()


def _overview(vm: SourceVM) -> Table:
    table = Table(show_header=False, box=None)
    extras = [word for word, on in (("Secure Boot", vm.firmware.secure_boot), ("TPM", vm.firmware.tpm)) if on]
    rows = {
        "guest": vm.guest_os or "not stated",
        "vCPUs": f"{vm.cpu.vcpus} (sockets: {vm.cpu.sockets}, cores in each: {vm.cpu.cores_per_socket})",
        "memory": human(bytes_of_mib(vm.memory)),
        "firmware": ", ".join([vm.firmware.type.value, *extras]),
    }
    for name, value in rows.items():
        table.add_row(name, _plain(value))
    return table


def _disks(vm: SourceVM) -> Table:
    table = _table("disk", "size", "format", "bus", "file")
    for disk in vm.disks:
        size = human(disk.capacity) if disk.capacity is not None else "not stated"
        bus = f"{disk.bus.value} {disk.bus_number}:{disk.unit}"
        table.add_row(_plain(disk.key), size, disk.format.value, bus, _plain(disk.file or "none (blank)"))
    return table


def _nics(vm: SourceVM) -> Table:
    table = _table("NIC", "network", "MAC", "model")
    for nic in vm.nics:
        network = nic.network.name if nic.network else "not connected"
        table.add_row(_plain(nic.key), _plain(network), nic.mac or "-", nic.model or "-")
    return table


def _table(*columns: str) -> Table:
    """A table that breaks long words (oVirt's are UUIDs) in place of cutting them."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _plain(text: str) -> str:
    """Text of the source, in which rich's markup means nothing."""
    return escape(text)
