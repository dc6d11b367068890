"""``make demo-cluster``: a VM of a vCenter, or of an OpenStack, becomes a VM of Harvester by ``kubectl apply`` alone.

The vCenter and Harvester are simulated; OpenStack's services (but for the hypervisor), kube-apiserver, etcd, kubectl,
QEMU, and the operator are the real ones.
"""

import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig.demo_scenes import SCENES, Scene
from rig.harvester import DEFAULT_CLASS, Harvester, simulated_harvester
from rig.harvester.kinds import STORAGE_CLASSES
from rig.kube import KubeCluster, kube_cluster
from rig.operator import Operator, get, install_crds, network, running_operator, wait

IMPORT, NAMESPACE = "virtualmachineimport.migration", "default"
PATIENCE_S = 240.0
"""The whole takes half a minute; a machine that is busy gets more."""
FAILED = frozenset({"virtualMachineImportInvalid", "VMMigrationFailed"})


@dataclass(frozen=True, slots=True)
class Stage:
    """All that takes part."""

    cluster: KubeCluster
    harvester: Harvester
    scene: Scene
    operator: Operator


def main() -> int:
    """Show it, and return the exit code: 0 only where the guest itself has spoken from the copied disk."""
    began = time.monotonic()
    word = sys.argv[1] if len(sys.argv) > 1 else "vcenter"
    if word not in SCENES:
        _say(f"there is no source {word!r} to show; there are {', '.join(SCENES)}")
        return 2
    marker = f"proof {secrets.token_hex(4)}"
    _say(f"starting a source ({word}) with a running VM whose disk holds a boot sector that will say {marker!r},")
    _say("etcd, kube-apiserver, and a simulated Harvester")
    try:
        with tempfile.TemporaryDirectory(prefix="thresher-demo-cluster-") as folder:
            home = Path(folder)
            with SCENES[word](home, marker) as scene, _stage(home, scene) as on:
                _import(on)
                _show(on, marker)
    except AssertionError as failure:
        _say(f"it failed: {failure}")
        return 1
    _say(f"all is taken down again; it took {time.monotonic() - began:.0f} s")
    return 0


@contextmanager
def _stage(home: Path, scene: Scene) -> Iterator[Stage]:
    with kube_cluster() as cluster, simulated_harvester(cluster) as harvester:
        install_crds(cluster)
        _say("starting thresher operator")
        with running_operator(cluster, home) as operator:
            yield Stage(cluster, harvester, scene, operator)


def _import(on: Stage) -> None:
    """Do what a user does, and show how it goes until the VM runs."""
    for name in ("vlan1", "vlan2"):
        _kubectl(on.cluster, "apply", "-f", "-", stdin=network(name, NAMESPACE), quiet=True)
    fast = on.harvester.kube.get(STORAGE_CLASSES, "", DEFAULT_CLASS) | {"metadata": {"name": "fast"}}
    on.harvester.kube.create(STORAGE_CLASSES, fast)
    manifests = on.scene.manifests()
    _say(f"kubectl apply -f examples/{on.scene.example.name}, with this {on.scene.place}'s address and login in it:")
    shown = manifests.replace(on.scene.secret, "********")
    sys.stdout.write("".join(f"    {line}\n" for line in shown.splitlines()))
    _kubectl(on.cluster, "apply", "-f", "-", stdin=manifests)
    _say("its progress:")
    last, began = "", time.monotonic()
    while True:
        line, word = _progress(on)
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


def _progress(on: Stage) -> tuple[str, str]:
    """A line about the import as it is now, and the word in its status."""
    status = (get(on.cluster, IMPORT, NAMESPACE, on.scene.vm) or {}).get("status") or {}
    word = str(status.get("importStatus") or "")
    ready: dict[str, str] = next((c for c in status.get("conditions") or [] if c["type"] == "Ready"), {})
    percent = status.get("progress") or 0
    return f"{percent:3} %  {word or '-':28} {ready.get('message', '')}".rstrip(), word


def _show(on: Stage, marker: str) -> None:
    """The end, in the words of kubectl and of the guest."""
    _kubectl(on.cluster, "get", on.scene.kind)
    _kubectl(on.cluster, "get", IMPORT)
    _kubectl(on.cluster, "describe", IMPORT, on.scene.vm, begin="Events:")
    wait(
        lambda: marker in on.harvester.console(NAMESPACE, on.scene.imported),
        what=f"the guest does not say {marker!r}",
        log=on.operator.log,
    )
    _say("the serial console of the new VM:")
    sys.stdout.write(
        "".join(f"    {line}\n" for line in on.harvester.console(NAMESPACE, on.scene.imported).splitlines())
    )
    _say(f"the guest itself said {marker!r}: the VM that runs is the one that was in the {on.scene.place}")
    wait(lambda: not on.scene.left(), what=f"the import left {on.scene.left()} at the source", log=on.operator.log)
    _say(f"nothing that the export made is left in the {on.scene.place}")


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
