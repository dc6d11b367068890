"""``make demo-cluster``: a VM of a vCenter becomes a VM of Harvester, with nothing but ``kubectl apply``.

The vCenter and Harvester are simulated; kube-apiserver, etcd, kubectl, QEMU, and the operator are the real ones.
"""

import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig.harvester import DEFAULT_CLASS, Harvester, simulated_harvester
from rig.harvester.kinds import STORAGE_CLASSES
from rig.kube import KubeCluster, kube_cluster
from rig.operator import Operator, get, install_crds, network, running_operator, wait
from rig.vcenter import POWERED_ON, Datacenter, Disk, Inventory, Network, Nic, Shutdown, VCenter, Vm, vcenter
from thresher.formats.vmdk import write_stream
from thresher.model.units import MIB, Bytes
from thresher.samples.disk import sample_disk

EXAMPLE = Path(__file__).parent.parent / "examples" / "vmware.yaml"
ENDPOINT = "https://vcenter.example.com/sdk"
IMPORT, SOURCE = "virtualmachineimport.migration", "vmwaresource.migration"
NAMESPACE, VM, IMPORTED = "default", "web-1", "web-1-imported"
CAPACITY, DATA = Bytes(256 * MIB), Bytes(96 * MIB)
PATIENCE_S = 240.0
"""The whole takes half a minute; a machine that is busy gets more."""
FAILED = frozenset({"virtualMachineImportInvalid", "VMMigrationFailed"})
LINK = 24 * MIB
"""Bytes a second that the simulated ESXi host gives: slow enough for the progress to be seen."""


@dataclass(frozen=True, slots=True)
class Stage:
    """All that takes part."""

    cluster: KubeCluster
    harvester: Harvester
    vc: VCenter
    operator: Operator


def main() -> int:
    """Show it, and return the exit code: 0 only where the guest itself has spoken from the copied disk."""
    began = time.monotonic()
    marker = f"proof {secrets.token_hex(4)}"
    _say(f"starting etcd, kube-apiserver, a simulated Harvester and a simulated vCenter with the running VM {VM!r},")
    _say(f"whose disk of {CAPACITY // MIB} MiB holds a boot sector that will say {marker!r}")
    try:
        with tempfile.TemporaryDirectory(prefix="thresher-demo-cluster-") as folder, _stage(Path(folder), marker) as on:
            _import(on)
            _show(on, marker)
    except AssertionError as failure:
        _say(f"it failed: {failure}")
        return 1
    _say(f"all is taken down again; it took {time.monotonic() - began:.0f} s")
    return 0


@contextmanager
def _stage(home: Path, marker: str) -> Iterator[Stage]:
    with (
        vcenter(_inventory(home, marker), tls="self-signed") as vc,
        kube_cluster() as cluster,
        simulated_harvester(cluster) as harvester,
    ):
        vc.faults(bytes_per_second=LINK)
        install_crds(cluster)
        _say("starting thresher operator")
        with running_operator(cluster, home) as operator:
            yield Stage(cluster, harvester, vc, operator)


def _inventory(home: Path, marker: str) -> Inventory:
    """The vCenter that the example is written for."""
    stream = home / "disk.vmdk"
    with stream.open("wb") as file:
        file.writelines(write_stream(sample_disk(CAPACITY, 1, marker=marker, data=DATA), CAPACITY))
    networks = (Network("frontend", "distributed", "dvSwitch"), Network("backend"))
    vm = Vm(
        VM,
        disks=(Disk(CAPACITY, stream=stream, controller="ahci"),),
        nics=(Nic("frontend"), Nic("backend", "00:50:56:80:00:02", "e1000")),
        folder="production",
        cpus=2,
        memory_mb=1024,
        power=POWERED_ON,
        shutdown=Shutdown(seconds=2),
    )
    return Inventory(vms=(vm,), datacenters=(Datacenter("Datacenter", datastores=("ssd",), networks=networks),))


def _manifests(vc: VCenter) -> str:
    """The example, with the simulator's address and password in place of the user's own."""
    text = EXAMPLE.read_text(encoding="utf-8")
    return text.replace(ENDPOINT, vc.url).replace("password: password", f"password: {vc.password!r}")


def _import(on: Stage) -> None:
    """Do what a user does, and show how it goes until the VM runs."""
    for name in ("vlan1", "vlan2"):
        _kubectl(on.cluster, "apply", "-f", "-", stdin=network(name, NAMESPACE), quiet=True)
    fast = on.harvester.kube.get(STORAGE_CLASSES, "", DEFAULT_CLASS) | {"metadata": {"name": "fast"}}
    on.harvester.kube.create(STORAGE_CLASSES, fast)
    manifests = _manifests(on.vc)
    _say("kubectl apply -f examples/vmware.yaml, with the simulator's address and password in it:")
    shown = manifests.replace(on.vc.password, "********")
    sys.stdout.write("".join(f"    {line}\n" for line in shown.splitlines()))
    _kubectl(on.cluster, "apply", "-f", "-", stdin=manifests)
    _say("its progress:")
    last, began = "", time.monotonic()
    while True:
        line, word = _progress(on.cluster)
        if line != last:
            sys.stdout.write(f"    {time.monotonic() - began:4.0f} s {line}\n")
            sys.stdout.flush()
            last = line
        if word == "virtualMachineRunning":
            return
        assert word not in FAILED, f"the import is {word}: {line}"
        assert time.monotonic() < began + PATIENCE_S, (
            f"the VM does not run after {PATIENCE_S:.0f} s\n{on.operator.log.read_text()}"
        )
        time.sleep(0.5)


def _progress(cluster: KubeCluster) -> tuple[str, str]:
    """A line about the import as it is now, and the word in its status."""
    status = (get(cluster, IMPORT, NAMESPACE, VM) or {}).get("status") or {}
    word = str(status.get("importStatus") or "")
    ready: dict[str, str] = next((c for c in status.get("conditions") or [] if c["type"] == "Ready"), {})
    percent = status.get("progress") or 0
    return f"{percent:3} %  {word or '-':28} {ready.get('message', '')}".rstrip(), word


def _show(on: Stage, marker: str) -> None:
    """The end, in the words of kubectl and of the guest."""
    _kubectl(on.cluster, "get", SOURCE)
    _kubectl(on.cluster, "get", IMPORT)
    _kubectl(on.cluster, "describe", IMPORT, VM, begin="Events:")
    wait(
        lambda: marker in on.harvester.console(NAMESPACE, IMPORTED),
        what=f"the guest does not say {marker!r}",
        log=on.operator.log,
    )
    _say("the serial console of the new VM:")
    sys.stdout.write("".join(f"    {line}\n" for line in on.harvester.console(NAMESPACE, IMPORTED).splitlines()))
    _say(f"the guest itself said {marker!r}: the VM that runs is the one that was in the vCenter")


def _kubectl(cluster: KubeCluster, *words: str, stdin: str | None = None, begin: str = "", quiet: bool = False) -> None:
    """Run kubectl as a user would and show its output, from the line ``begin`` on."""
    done = cluster.kubectl(*words, stdin=stdin)
    assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
    if quiet:
        return
    if stdin is None:
        _say(f"kubectl {' '.join(words)}")
    text = done.stdout[max(done.stdout.find(begin), 0) :]
    sys.stdout.write("".join(f"    {line}\n" for line in text.splitlines()))


def _say(text: str) -> None:
    sys.stdout.write(f"==> {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
