"""Reads VMs of a vCenter in one way, as a process of its own.

    python -m benchmarks.vmreader ACCESS WAY LIMIT

ACCESS is a JSON file with url, username, password and ca_pem; WAY is pages, singly or find.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from thresher.model.vm import SourceVM
from thresher.ports import Export
from thresher.sources.vcenter.collector import SURROUNDINGS, members, read_all, read_one
from thresher.sources.vcenter.connection import VCenterAccess, VCenterConnection
from thresher.sources.vcenter.datacenter import find_datacenter
from thresher.sources.vcenter.rows import Surroundings
from thresher.sources.vcenter.source import VCenterSource
from thresher.sources.vcenter.translate import PROPERTIES, source_vm

DATACENTER = "DC0"


@asynccontextmanager
async def no_export(_: VCenterConnection, __: SourceVM) -> AsyncIterator[Export]:
    """Nothing is exported here."""
    yield Export(())


def read_singly(instance: Any, host: str, limit: int) -> int:
    """What the inventory reads, with a request for each of the first VMs; how many there were."""
    content = instance.RetrieveContent()
    datacenter = find_datacenter(content, DATACENTER, host)
    around = Surroundings(read_all(content, datacenter, SURROUNDINGS))
    machines = members(content, datacenter, "VirtualMachine")[:limit]
    return len([source_vm(read_one(content, machine, PROPERTIES), around) for machine in machines])


async def read(access: dict[str, str], way: str, limit: int) -> int:
    """Read, and return how many VMs were read."""
    connection = VCenterConnection(
        VCenterAccess(access["url"], access["username"], access["password"], ca_pem=access["ca_pem"], timeout_s=300)
    )
    async with VCenterSource(connection, DATACENTER, no_export) as source:
        if way == "pages":
            return len(await source.inventory())
        if way == "find":
            await source.find(f"bulk-{limit:05}")
            return 1
        return await connection.call(lambda instance: read_singly(instance, connection.host, limit))


def main() -> None:
    """Print how many VMs were read."""
    path, way, limit = sys.argv[1:]
    print(asyncio.run(read(json.loads(Path(path).read_text(encoding="utf-8")), way, int(limit))))


if __name__ == "__main__":
    main()
