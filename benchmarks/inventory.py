"""Reading the VMs of a large vCenter: all of them in pages, next to one request for each; and ``thresher plan``.

Against the simulated vCenter on loopback over TLS, which shares the processors with the client, and takes less time
for an answer than a vCenter over a network does: what a request for each VM costs there is more.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.figures import Row, Run, Section, Target
from benchmarks.manifests import DATACENTER, source, text
from benchmarks.measure import cpu_of, in_turn, timed
from rig.cli import command
from rig.vcenter import POWERED_ON, Datacenter, Disk, Inventory, Network, Nic, VCenter, Vm, vcenter
from thresher.model.units import GIB, MIB

PAGES, FIND, PLAN = "inventory, in pages", "find one by its name", "thresher plan -o csv"
ADDRESSES = ("10.0.0.5/24", "2001:db8::5/64", "fe80::5/64")
SESSION = 4
"""Calls that every session begins and ends with, whatever is asked in it: the content and Login, the content and
Logout."""


def singly(count: int) -> str:
    """The rival's row."""
    return f"a request for each VM, for {count} of them"


def many(vms: int) -> Inventory:
    """So many VMs that run, with two disks and two NICs each."""
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


def measure(bench: Bench) -> Section:
    """Once, whatever the rounds: what counts here are requests, which do not vary."""
    vms, some = bench.sizes.vms, bench.sizes.singly
    with bench.work(MIB) as work, vcenter(many(vms)) as vc:
        ways: dict[str, Callable[[], Run]] = {
            PAGES: partial(_read, vc, work, "pages", 0, vms),
            singly(some): partial(_read, vc, work, "singly", some, some),
            FIND: partial(_read, vc, work, "find", vms // 2, 1),
            PLAN: partial(_plan, vc, work, vms),
        }
        runs = in_turn(ways, 1, bench.say)
    about = (
        f"A simulated vCenter of {vms} VMs with two disks and two NICs each, over TLS on loopback. Whole processes,"
        " measured once; the server's CPU is the simulator's, of which a real vCenter has its own. Requests are calls"
        " of the API without those of login and logout."
    )
    targets = (
        Target(f"API requests for {vms} VMs", PAGES, "requests", 10),
        Target("time for each VM, of that with a request for each", PAGES, "each", 1.0, singly(some)),
    )
    rows = tuple(Row(name, done) for name, done in runs.items())
    return Section("inventory", "The inventory of a large vCenter", about, rows, targets)


def _asked(vc: VCenter, words: list[str]) -> tuple[Run, str]:
    """A process, what it asked of the vCenter, and what it printed."""
    vc.reset_log()
    before = cpu_of(vc.pid)
    ended = timed(words)
    calls = sum(vc.log().soap.values()) - SESSION
    return {**ended.run, "server_cpu": cpu_of(vc.pid) - before, "requests": float(calls)}, ended.out


def _read(vc: VCenter, work: Path, way: str, limit: int, expected: int) -> Run:
    access = work / "access.json"
    login = {"url": vc.url, "username": vc.username, "password": vc.password, "ca_pem": vc.ca_pem}
    access.write_text(json.dumps(login), encoding="utf-8")
    run, out = _asked(vc, [sys.executable, "-m", "benchmarks.vmreader", str(access), way, str(limit)])
    assert int(out) == expected, f"{out} VMs were read, not {expected}"
    return {**run, "objects": float(expected), "each": run["wall"] / expected}


def _plan(vc: VCenter, work: Path, expected: int) -> Run:
    manifests = work / "source.yaml"
    manifests.write_text(text(source(vc)), encoding="utf-8")
    run, out = _asked(vc, command("plan", "-f", manifests, "-o", "csv"))
    assert len(out.splitlines()) > expected, "the plan has a line for each VM and a head"
    return {**run, "objects": float(expected), "each": run["wall"] / expected}
