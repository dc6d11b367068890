"""What the documentation of Harvester's add-on tells a user to do, word for word, with kubectl and files.

Source: Harvester's manual, "VM Import" (docs.harvesterhci.io): make a Secret and a source, wait for
``clusterReady``, make a VirtualMachineImport, wait for ``virtualMachineRunning``.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.harvester import Harvester, Pace, simulated_harvester
from rig.kube import KubeCluster, kube_cluster
from rig.operator import Operator, apply, install_crds, network, running_operator, wait
from rig.vcenter import POWERED_OFF, POWERED_ON, Datacenter, Disk, Inventory, Nic, Vm, vcenter
from rig.webserver import Faults, serve
from thresher.formats.vmdk import write_stream
from thresher.model.units import MIB, Bytes
from thresher.samples.disk import sample_disk
from thresher.samples.ova import write_sample_ova

CAPACITY, DATA = Bytes(32 * MIB), Bytes(4 * MIB)
VMWARE_SAID, OVA_SAID = "copied from a vCenter", "copied from an OVA"
SECRET = """
apiVersion: v1
kind: Secret
metadata:
  name: {name}
  namespace: default
stringData:
  username: {username}
  password: {password}
"""
SOURCE = """
apiVersion: migration.harvesterhci.io/v1beta1
kind: {kind}
metadata:
  name: {name}
  namespace: default
spec:
  {spec}
  credentials:
    name: {secret}
    namespace: default
"""
IMPORT = """
apiVersion: migration.harvesterhci.io/v1beta1
kind: VirtualMachineImport
metadata:
  name: {name}
  namespace: default
spec:
  virtualMachineName: {vm}
  networkMapping:
    - sourceNetwork: "VM Network"
      destinationNetwork: "default/vlan1"
  storageClass: "harvester-longhorn"
  sourceCluster:
    name: {source}
    namespace: default
    kind: {kind}
    apiVersion: migration.harvesterhci.io/v1beta1
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster with the operator, a folder for the user's files, and what there is to import."""

    cluster: KubeCluster
    harvester: Harvester
    operator: Operator
    folder: Path

    def apply(self, name: str, manifest: str) -> None:
        """``kubectl apply -f FILE``."""
        file = self.folder / name
        file.write_text(manifest)
        self.kubectl("apply", "-f", str(file))

    def kubectl(self, *words: str) -> str:
        """What kubectl prints; it must not fail."""
        done = self.cluster.kubectl(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_for(self, word: str, kind: str, name: str) -> None:
        """Wait for a word in the column STATUS of ``kubectl get``."""
        wait(
            lambda: word in column(self.kubectl("get", kind), name, "STATUS"),
            what=f"{kind} {name} is not {word}: {self.kubectl('describe', kind, name)}",
            log=self.operator.log,
        )


def column(table: str, name: str, header: str) -> str:
    """The cell of one row in what ``kubectl get`` prints."""
    head, *rows = table.splitlines()
    start = re.search(rf"\b{header}\b", head)
    assert start, f"there is no column {header}: {head}"
    row = next((row for row in rows if row.split()[0] == name), "")
    return (row[start.start() :].split("  ") or [""])[0].strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    home = tmp_path_factory.mktemp("walkthrough")
    with kube_cluster() as cluster:
        install_crds(cluster)
        with simulated_harvester(cluster, Pace(image_retry_s=0.05)) as harvester, running_operator(cluster, home) as op:
            apply(cluster, network("vlan1", "default"))
            yield Place(cluster, harvester, op, home)


@pytest.fixture(scope="module")
def vmware(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A VmwareSource, an import from it, and nobody has waited for anything yet."""
    stream = tmp_path_factory.mktemp("vcenter") / "boot.vmdk"
    stream.write_bytes(b"".join(write_stream(sample_disk(CAPACITY, 1, marker=VMWARE_SAID, data=DATA), CAPACITY)))
    disk = Disk(CAPACITY, stream=stream, controller="ahci")
    vm = Vm("alpine-export-test", disks=(disk,), nics=(Nic(),), power=POWERED_ON)
    with vcenter(Inventory(vms=(vm,), datacenters=(Datacenter("Datacenter"),)), tls="self-signed") as vc:
        login = {"username": json.dumps(vc.username), "password": json.dumps(vc.password)}
        place.apply("secret.yaml", SECRET.format(name="vsphere-credentials", **login))
        spec = f'endpoint: "{vc.url}"\n  dc: "Datacenter"'
        place.apply(
            "source.yaml",
            SOURCE.format(kind="VmwareSource", name="vcsim", spec=spec, secret="vsphere-credentials"),
        )
        place.wait_for("clusterReady", "vmwaresource.migration", "vcsim")
        place.apply("import.yaml", IMPORT.format(name="alpine", vm=vm.name, source="vcsim", kind="VmwareSource"))
        place.wait_for("virtualMachineRunning", "virtualmachineimport.migration", "alpine")
        assert vc.power(vm.name) == POWERED_OFF
        yield place


@pytest.fixture(scope="module")
def ova(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An OvaSource behind a password, and an import from it that has ended."""
    folder = tmp_path_factory.mktemp("web")
    write_sample_ova(folder / "vm.ova", OVA_SAID, capacity=CAPACITY, data=DATA)
    with serve(folder, faults=Faults(credentials=("user", "password"))) as web:
        place.apply("ova-secret.yaml", SECRET.format(name="ova-credentials", username="user", password="password"))
        spec = f"url: {web.url}vm.ova"
        place.apply(
            "ova-source.yaml", SOURCE.format(kind="OvaSource", name="appliance", spec=spec, secret="ova-credentials")
        )
        place.wait_for("clusterReady", "ovasource.migration", "appliance")
        place.apply(
            "ova-import.yaml", IMPORT.format(name="from-ova", vm="sample", source="appliance", kind="OvaSource")
        )
        place.wait_for("virtualMachineRunning", "virtualmachineimport.migration", "from-ova")
        yield place


def sentences(described: str) -> dict[str, str]:
    """Reason and message of the events that ``kubectl describe`` shows."""
    table = described.partition("\nEvents:")[2].splitlines()[3:]
    rows = [re.split(r"\s{2,}", row.strip(), maxsplit=4) for row in table if row.strip()]
    return {row[1]: row[4] for row in rows}


def told(place: Place, kind: str, name: str) -> dict[str, str]:
    found = sentences(place.kubectl("describe", kind, name))
    assert found, "kubectl describe shows no events"
    for reason, message in found.items():
        assert re.fullmatch(r"[A-Z][A-Za-z]+", reason)
        assert len(message.split()) > 2, f"{reason}: {message} is no sentence"
    return found


STEPS = {"Valid", "Copying", "Exported", "Submitted", "ImagesReady", "Created", "Running"}


def test_a_vm_of_a_vcenter(vmware: Place) -> None:
    table = vmware.kubectl("get", "virtualmachineimport.migration")
    assert column(table, "alpine", "PROGRESS") == "100"
    assert column(table, "alpine", "VM") == "alpine-export-test"
    assert told(vmware, "virtualmachineimport.migration", "alpine").keys() >= STEPS
    assert "Reachable" in told(vmware, "vmwaresource.migration", "vcsim")


def test_a_vm_of_an_ova(ova: Place) -> None:
    table = ova.kubectl("get", "virtualmachineimport.migration")
    assert column(table, "from-ova", "PROGRESS") == "100"
    assert told(ova, "virtualmachineimport.migration", "from-ova").keys() >= STEPS
    assert "Reachable" in told(ova, "ovasource.migration", "appliance")


@pytest.mark.parametrize(("vm", "said"), [("alpine-export-test", VMWARE_SAID), ("sample", OVA_SAID)])
def test_the_guest_speaks_from_the_bytes_that_went_through(vmware: Place, ova: Place, vm: str, said: str) -> None:
    assert vmware is ova
    wait(lambda: said in ova.harvester.console("default", vm), what=f"{vm} does not say {said!r}")


def test_what_harvesters_page_shows_is_there(vmware: Place, ova: Place) -> None:
    assert vmware is ova
    for vm in ("alpine-export-test", "sample"):
        strategy, ready = ova.kubectl("get", "vm", vm, "-o", "jsonpath={.spec.runStrategy} {.status.ready}").split()
        assert (strategy != "Halted", ready) == (True, "true")
    images = json.loads(ova.kubectl("get", "virtualmachineimages.harvesterhci.io", "-o", "json"))["items"]
    assert len(images) == 3  # the OVA has two disks
    imported = [c["status"] for image in images for c in image["status"]["conditions"] if c["type"] == "Imported"]
    assert imported == ["True"] * 3
