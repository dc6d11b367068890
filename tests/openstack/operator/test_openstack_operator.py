"""From an OpenStack to a running VM by kubectl: the operator against the real services."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from rig.harvester import Harvester, Pace, simulated_harvester
from rig.harvester.kinds import NAMESPACES
from rig.kube import KubeCluster, kube_cluster
from rig.openstack import Fault, OpenstackCloud
from rig.openstack_user import MARKER, boot_disk, data_disk, power, source, vm_import
from rig.operator import Operator, allow, apply, events, get, import_word, install_crds, network, running_operator, wait

SECONDS = 240
"""Cinder polls; a machine that is busy takes longer still."""
_NUMBERS = count()
IMPORT = "virtualmachineimport.migration"


@dataclass(frozen=True)
class Stage:
    """Everything, and a namespace of one's own in it."""

    cloud: OpenstackCloud
    cluster: KubeCluster
    harvester: Harvester
    operator: Operator
    namespace: str

    def until(self, word: str) -> None:
        """Wait for a word in the import's STATUS."""
        self.wait(lambda: import_word(self.cluster, self.namespace, "web") == word, f"the import is not {word}")

    def wait(self, look: object, what: str) -> None:
        """Wait for something to become true."""
        assert callable(look)
        wait(look, what=what, seconds=SECONDS, log=self.operator.log)

    @contextmanager
    def copying(self) -> Iterator[None]:
        """Apply, and wait until Cinder has an image to write, which it does when the context ends."""
        with self.cloud.mishaps.held("copy_volume_to_image"):
            self.apply()
            self.wait(lambda: any(left.startswith("image") for left in self.cloud.leftovers()), "no image is made")
            yield

    def delete(self, kind: str, name: str) -> None:
        """Ask for an object to be deleted."""
        done = self.cluster.kubectl("delete", kind, name, "-n", self.namespace, "--wait=false")
        assert done.returncode == 0, done.stderr

    def until_gone(self) -> None:
        """Wait until the import is deleted."""
        self.wait(lambda: get(self.cluster, IMPORT, self.namespace, "web") is None, "the import stays")

    def apply(self) -> None:
        """Apply the source and the import of the server ``web``."""
        apply(self.cluster, source(self.cloud, self.namespace))
        apply(self.cluster, vm_import("web", "web", self.namespace))

    def reasons(self) -> dict[str, str]:
        """The import's events: the message by the reason."""
        return dict(events(self.cluster, self.namespace, "web"))


@pytest.fixture(scope="module")
def running(
    openstack: OpenstackCloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OpenstackCloud, KubeCluster, Harvester, Operator]]:
    with kube_cluster() as cluster:
        install_crds(cluster)
        token = allow(cluster, "operator")
        pace = Pace(idle_s=2.0, image_retry_s=0.05, restart_s=0.1)
        with (
            simulated_harvester(cluster, pace) as harvester,
            running_operator(cluster, tmp_path_factory.mktemp("operator"), token=token) as operator,
        ):
            yield openstack, cluster, harvester, operator
            assert not harvester.problems, harvester.problems[0]


@pytest.fixture
def on(running: tuple[OpenstackCloud, KubeCluster, Harvester, Operator]) -> Iterator[Stage]:
    cloud, cluster, harvester, operator = running
    namespace = f"openstack-{next(_NUMBERS)}"
    harvester.kube.create(NAMESPACES, {"metadata": {"name": namespace}})
    apply(cluster, network("vlan1", namespace))
    yield Stage(cloud, cluster, harvester, operator, namespace)
    cloud.wipe()


@pytest.fixture(scope="module")
def boot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boot_disk(tmp_path_factory.mktemp("boot"))


def test_a_running_server_is_stopped_and_runs_in_harvester(on: Stage, boot: Path, tmp_path: Path) -> None:
    volumes = (on.cloud.make.volume(boot), on.cloud.make.volume(data_disk(tmp_path), bootable=False))
    server = on.cloud.make.server("web", volumes=volumes)
    on.apply()
    on.until("virtualMachineRunning")
    on.wait(lambda: MARKER in on.harvester.console(on.namespace, "web"), "the guest says nothing")
    on.wait(lambda: not on.cloud.leftovers(), "copies stay at the source")
    assert power(on.cloud, server) == "SHUTOFF", "it runs here: it must not run twice"
    seen = get(on.cluster, "openstacksource.migration", on.namespace, "openstack")["status"]
    assert seen["status"] == "clusterReady"
    status = get(on.cluster, IMPORT, on.namespace, "web")["status"]
    assert {disk["diskSize"] for disk in status["diskImportStatus"]} == {1 << 30}
    assert not [found for found in status.get("findings") or () if found["rule"] == "PortUnreachable"]


def test_a_deletion_in_the_middle_leaves_nothing(on: Stage, boot: Path) -> None:
    server = on.cloud.make.server("web", volumes=[on.cloud.make.volume(boot)])
    with on.copying():
        on.delete(IMPORT, "web")
    on.until_gone()
    assert on.cloud.leftovers() == []
    assert power(on.cloud, server) == "ACTIVE"


def test_a_source_that_is_deleted_before_its_import_is_put_right_all_the_same(on: Stage, boot: Path) -> None:
    server = on.cloud.make.server("web", volumes=[on.cloud.make.volume(boot)])
    with on.copying():
        for kind, name in (("secret", "login"), ("openstacksource.migration", "openstack"), (IMPORT, "web")):
            on.delete(kind, name)
    on.until_gone()
    assert on.cloud.leftovers() == []
    assert power(on.cloud, server) == "ACTIVE"
    assert not get(on.cluster, "secrets", on.namespace)["items"], "what the worker was handed stays"


def test_a_killed_worker_goes_on_with_the_copies_that_are_there(on: Stage, boot: Path) -> None:
    on.cloud.make.server("web", volumes=[on.cloud.make.volume(boot)])
    with on.copying():
        (pod,) = get(on.cluster, "pods", on.namespace)["items"]
        on.harvester.kill_pod(on.namespace, pod["metadata"]["name"])
    on.until("virtualMachineRunning")
    on.wait(lambda: MARKER in on.harvester.console(on.namespace, "web"), "the guest says nothing")
    on.wait(lambda: not on.cloud.leftovers(), "copies stay at the source")
    asked = [seen.path for seen in on.cloud.gates["cinder"].requests if seen.method == "POST"]
    assert sum(path.endswith("/snapshots") for path in asked) == 1, "it was snapshot again"


def test_a_killed_worker_finds_the_server_again_whose_name_another_one_has_now(on: Stage, boot: Path) -> None:
    server = on.cloud.make.server("web", volumes=[on.cloud.make.volume(boot)])
    with on.copying():
        on.cloud.user.compute.update_server(server, name="renamed")
        on.cloud.make.server("web", volumes=[on.cloud.make.volume(b"of another")], status="SHUTOFF")
        (pod,) = get(on.cluster, "pods", on.namespace)["items"]
        on.harvester.kill_pod(on.namespace, pod["metadata"]["name"])
    on.until("virtualMachineRunning")
    on.wait(lambda: MARKER in on.harvester.console(on.namespace, "web"), "the guest says nothing")
    on.wait(lambda: not on.cloud.leftovers(), "copies stay at the source")


def test_what_cannot_be_removed_is_told_and_the_import_has_succeeded(on: Stage, boot: Path) -> None:
    on.cloud.make.server("web", volumes=[on.cloud.make.volume(boot)], status="SHUTOFF")
    on.cloud.gates["glance"].faults.append(Fault(r"^DELETE /v2/images/", times=None, status=403))
    on.apply()
    on.wait(lambda: "CopiesLeftAtSource" in on.reasons(), "nobody is told")
    assert import_word(on.cluster, on.namespace, "web") == "virtualMachineCreated"
    vmi = get(on.cluster, IMPORT, on.namespace, "web")
    assert f"thresher-{vmi['metadata']['uid']}-" in on.reasons()["CopiesLeftAtSource"]
    said = {condition["type"]: condition for condition in vmi["status"]["conditions"]}
    assert said["Ready"]["status"] == "True"
    assert said["CopiesRemoved"]["status"] == "False"
    (left,) = on.cloud.leftovers()
    assert left.startswith(f"image thresher-{vmi['metadata']['uid']}-")


def test_a_wrong_password_makes_the_source_not_ready(on: Stage) -> None:
    apply(on.cluster, source(on.cloud, on.namespace).replace(on.cloud.password.password, "wr0ng-s3cret"))

    def status() -> dict[str, object]:
        found = get(on.cluster, "openstacksource.migration", on.namespace, "openstack")
        return dict((found or {}).get("status") or {})

    on.wait(lambda: status().get("status") == "clusterNotReady", "nobody looked")
    assert "wr0ng-s3cret" not in on.operator.log.read_text()
    apply(on.cluster, source(on.cloud, on.namespace))
    on.wait(lambda: status().get("status") == "clusterReady", "the right one is not taken up")
