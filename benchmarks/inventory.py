"""Reading the VMs of a vCenter: all of them in pages, next to one request for each.

Against the simulated vCenter on loopback over TLS, which shares the processors with the client, and takes less time
for an answer than a vCenter over a network does: what a request for each VM costs there is more.

    python -m benchmarks.inventory [--vms 10000] [--singly 1000] [--json FILE]
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyVmomi import vim

from rig.vcenter import POWERED_ON, Datacenter, Disk, Inventory, Network, Nic, VCenter, Vm, vcenter
from thresher.model.units import GIB, MIB
from thresher.model.vm import SourceVM
from thresher.plan.build import Wanted, make_plan
from thresher.plan.catalogue import Language
from thresher.plan.markdown import as_markdown
from thresher.plan.simulate import Limits
from thresher.plan.values import Assumptions
from thresher.ports import Export
from thresher.sources.vcenter.collector import SURROUNDINGS, members, read_all, read_one
from thresher.sources.vcenter.connection import VCenterAccess, VCenterConnection
from thresher.sources.vcenter.datacenter import find_datacenter
from thresher.sources.vcenter.rows import Surroundings
from thresher.sources.vcenter.source import VCenterSource
from thresher.sources.vcenter.translate import PROPERTIES, source_vm

DATACENTER = "DC0"
ADDRESSES = ("10.0.0.5/24", "2001:db8::5/64", "fe80::5/64")


@dataclass(frozen=True, slots=True)
class Sample:
    """One way of reading.

    Attributes:
        way: in words.
        vms: how many were read.
        requests: calls of the API, login and logout apart.
        seconds: by the wall clock.
        cpu: seconds of this process alone, the simulator's apart.
    """

    way: str
    vms: int
    requests: int
    seconds: float
    cpu: float


def inventory(vms: int) -> Inventory:
    """Many VMs that run, with two disks and two NICs each."""
    vm = Vm(
        "bulk",
        disks=(Disk(40 * GIB), Disk(100 * GIB, unit=1)),
        nics=(Nic(addresses=ADDRESSES), Nic("pg-a", addresses=ADDRESSES)),
        power=POWERED_ON,
        folder="Prod/Web",
        count=vms,
    )
    networks = (Network("VM Network"), Network("pg-a", "distributed", "DSwitch"))
    return Inventory((vm,), (Datacenter(DATACENTER, networks=networks),))


@asynccontextmanager
async def no_export(_: VCenterConnection, __: SourceVM) -> AsyncIterator[Export]:
    """Nothing is exported here."""
    yield Export(())


def read_singly(instance: Any, host: str, limit: int) -> list[SourceVM]:
    """What the inventory reads, with a request for each of the first VMs."""
    content = instance.RetrieveContent()
    datacenter = find_datacenter(content, DATACENTER, host)
    around = Surroundings(read_all(content, datacenter, SURROUNDINGS))
    machines = members(content, datacenter, vim.VirtualMachine)[:limit]
    return [source_vm(read_one(content, machine, PROPERTIES), around) for machine in machines]


async def measured(vc: VCenter, way: str, read: Callable[[], Awaitable[list[SourceVM]]]) -> Sample:
    """Run one way of reading."""
    vc.reset_log()
    cpu, began = time.process_time(), time.monotonic()
    found = await read()
    return Sample(way, len(found), sum(vc.log().soap.values()), time.monotonic() - began, time.process_time() - cpu)


def plan_of(vms: list[SourceVM]) -> Sample:
    """Judge all of them, and print the plan to nowhere."""
    wanted = Wanted(Assumptions(Limits(bandwidth=100 * MIB)))
    cpu, began = time.process_time(), time.monotonic()
    as_markdown(make_plan(vms, wanted, "benchmark", datetime.now(UTC)), Language.ENGLISH)
    return Sample("a plan of the inventory", len(vms), 0, time.monotonic() - began, time.process_time() - cpu)


async def run(vc: VCenter, singly: int) -> list[Sample]:
    """Both ways, over one session."""
    connection = VCenterConnection(VCenterAccess(vc.url, vc.username, vc.password, ca_pem=vc.ca_pem, timeout_s=300))
    async with VCenterSource(connection, DATACENTER, no_export) as source:
        await source.check()

        async def paged() -> list[SourceVM]:
            return list(await source.inventory())

        async def one_by_one() -> list[SourceVM]:
            return await connection.call(lambda instance: read_singly(instance, connection.host, singly))

        async def found() -> list[SourceVM]:
            return [await source.find("bulk-00500")]

        every: list[SourceVM] = []

        async def kept() -> list[SourceVM]:
            every.extend(await paged())
            return every

        return [
            await measured(vc, "inventory, in pages of 1000", kept),
            plan_of(every),
            await measured(vc, "a request for each VM", one_by_one),
            await measured(vc, "find one by its name", found),
        ]


def main() -> None:
    """Measure, print a table, and write it as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, default=10_000, help="VMs in the simulated vCenter")
    parser.add_argument("--singly", type=int, default=1_000, help="VMs that are read one by one")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    given = parser.parse_args()
    with vcenter(inventory(given.vms)) as vc:
        samples = asyncio.run(run(vc, given.singly))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{given.vms} VMs with 2 disks and 2 NICs each; Python {platform.python_version()}, {os.cpu_count()} CPUs")
    print(f"{'':29}{'VMs':>7}{'requests':>10}{'seconds':>9}{'CPU s':>8}{'ms per VM':>11}")
    for one in samples:
        each = one.seconds / one.vms * 1000
        print(f"{one.way:29}{one.vms:7}{one.requests:10}{one.seconds:9.1f}{one.cpu:8.1f}{each:11.1f}")
    print(f"peak memory of this process: {peak} MiB")
    if given.json:
        given.json.write_text(json.dumps([asdict(one) for one in samples], indent=2) + "\n")


if __name__ == "__main__":
    main()
