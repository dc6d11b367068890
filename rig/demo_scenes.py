"""The sources of ``make demo-cluster``, each with the one VM that its example in ``examples/`` imports."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rig.disks import sample_raw
from rig.openstack import openstack_cloud
from rig.openstack.things import Port
from rig.vcenter import POWERED_ON, Datacenter, Disk, Inventory, Network, Nic, Shutdown, Vm, vcenter
from thresher.formats.vmdk import write_stream
from thresher.model.units import GIB, MIB, Bytes
from thresher.samples.disk import sample_disk

EXAMPLES = Path(__file__).parent.parent / "examples"
CAPACITY, DATA = Bytes(256 * MIB), Bytes(96 * MIB)
LINK = 24 * MIB
"""Bytes a second that the simulated ESXi host gives: slow enough for the progress to be seen."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A source that runs, with a VM in it.

    Attributes:
        place: what the source is, in a word.
        example: the manifests that import the VM.
        kind: of the source, as kubectl knows it.
        vm: the VM's name, and the import's.
        own: what a user writes into the example, by what stands there.
        secret: what is not shown of it.
        left: names what the import left at the source.
    """

    place: str
    example: Path
    kind: str
    vm: str
    own: Mapping[str, str]
    secret: str
    left: Callable[[], list[str]]

    @property
    def imported(self) -> str:
        """The new VM's name."""
        return f"{self.vm}-imported"

    def manifests(self) -> str:
        """The example with the user's own address and login. Raises AssertionError where it has other fields."""
        text = self.example.read_text(encoding="utf-8")
        for there, own in self.own.items():
            assert f"{there}\n" in text, f"{self.example.name} has no line with {there}"
            text = text.replace(f"{there}\n", f"{there.partition(': ')[0]}: {own}\n")
        return text


@contextmanager
def in_vcenter(home: Path, marker: str) -> Iterator[Scene]:
    """A simulated vCenter with a running VM."""
    stream = home / "disk.vmdk"
    with stream.open("wb") as file:
        file.writelines(write_stream(sample_disk(CAPACITY, 1, marker=marker, data=DATA), CAPACITY))
    networks = (Network("frontend", "distributed", "dvSwitch"), Network("backend"))
    vm = Vm(
        "web-1",
        disks=(Disk(CAPACITY, stream=stream, controller="ahci"),),
        nics=(Nic("frontend"), Nic("backend", "00:50:56:80:00:02", "e1000")),
        folder="production",
        cpus=2,
        memory_mb=1024,
        power=POWERED_ON,
        shutdown=Shutdown(seconds=2),
    )
    inventory = Inventory(vms=(vm,), datacenters=(Datacenter("Datacenter", datastores=("ssd",), networks=networks),))
    with vcenter(inventory, tls="self-signed") as vc:
        vc.faults(bytes_per_second=LINK)
        own = {"endpoint: https://vcenter.example.com/sdk": vc.url, "password: password": repr(vc.password)}
        example, kind = EXAMPLES / "vmware.yaml", "vmwaresource.migration"
        yield Scene("vCenter", example, kind, vm.name, own, vc.password, lambda: [*vc.snapshots(vm.name)])


@contextmanager
def in_openstack(home: Path, marker: str) -> Iterator[Scene]:
    """OpenStack's own services with a running server."""
    disk = sample_raw(home / "disk.raw", Bytes(GIB), 1, marker=marker, data=DATA)
    with openstack_cloud() as cloud:
        network = cloud.user.network.create_network(name="shared")
        cloud.user.network.create_subnet(network_id=network.id, cidr="192.0.2.0/24", ip_version=4)
        volume = cloud.make.volume(disk, name="web-2-root", size=1)
        cloud.make.server("web-2", volumes=(volume,), ports=(Port("shared"),))
        login = cloud.password
        own = {
            "endpoint: https://openstack.example.com/identity": cloud.endpoint,
            "username: admin": login.username,
            "password: password": repr(login.password),
            "project_name: demo": login.project_name,
            "domain_name: default": login.domain_name,
        }
        example, kind = EXAMPLES / "openstack.yaml", "openstacksource.migration"
        yield Scene("OpenStack", example, kind, "web-2", own, login.password, cloud.leftovers)


SCENES: Mapping[str, Callable[[Path, str], AbstractContextManager[Scene]]] = MappingProxyType(
    {"vcenter": in_vcenter, "openstack": in_openstack}
)
"""By the word that ``SOURCE=`` takes."""
