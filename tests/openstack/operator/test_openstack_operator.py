"""From an OpenStack to a running VM by kubectl: the operator against the real services."""

from pathlib import Path

import pytest

from rig.kubectl_user import IMPORT
from rig.openstack import Fault
from rig.openstack_stage import Booted, Stage
from rig.openstack_user import boot_disk, data_disk, source


@pytest.fixture(scope="module")
def boot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boot_disk(tmp_path_factory.mktemp("boot"))


def test_a_running_server_is_stopped_and_runs_in_harvester(on: Stage, boot: Path, tmp_path: Path) -> None:
    volumes = (on.cloud.make.volume(boot), on.cloud.make.volume(data_disk(tmp_path), bootable=False))
    server = on.cloud.make.server("web", volumes=volumes)
    on.begin()
    on.until_it_speaks()
    assert on.power(server) == "SHUTOFF", "it runs here: it must not run twice"
    seen = on.get("openstacksource.migration", "openstack")["status"]
    assert seen["status"] == "clusterReady"
    status = on.status()
    assert {disk["diskSize"] for disk in status["diskImportStatus"]} == {1 << 30}
    assert not [found for found in status.get("findings") or () if found["rule"] == "PortUnreachable"]


def test_a_deletion_in_the_middle_leaves_nothing(on: Stage, boot: Path) -> None:
    server = on.cloud.make.server("web", volumes=[on.cloud.make.volume(boot)])
    with on.copying():
        on.ask_to_delete(IMPORT, "demo")
    on.until_gone()
    assert on.power(server) == "ACTIVE"


def test_a_source_that_is_deleted_before_its_import_is_put_right_all_the_same(on: Stage, boot: Path) -> None:
    server = on.cloud.make.server("web", volumes=[on.cloud.make.volume(boot)])
    with on.copying():
        for kind, name in (("secret", "login"), ("openstacksource.migration", "openstack"), (IMPORT, "demo")):
            on.ask_to_delete(kind, name)
    on.until_gone()
    assert on.power(server) == "ACTIVE"
    assert on.names("secrets") == [], "what the worker was handed stays"


def test_a_killed_worker_goes_on_with_the_copies_that_are_there(on: Stage, boot: Path) -> None:
    on.cloud.make.server("web", volumes=[on.cloud.make.volume(boot)])
    with on.copying():
        on.kill_worker()
    on.until_it_speaks()
    asked = [seen.path for seen in on.cloud.gates["cinder"].requests if seen.method == "POST"]
    assert sum(path.endswith("/snapshots") for path in asked) == 1, "it was snapshot again"


def test_a_killed_worker_finds_the_server_again_whose_name_another_one_has_now(on: Stage, booted: Booted) -> None:
    with on.copying():
        on.cloud.user.compute.update_server(booted.server, name="renamed")
        on.cloud.make.server("web", volumes=[on.cloud.make.volume(b"of another")], status="SHUTOFF")
        on.kill_worker()
    on.until_it_speaks()


def test_what_cannot_be_removed_is_told_and_the_import_has_succeeded(on: Stage, booted: Booted) -> None:
    on.cloud.user.compute.stop_server(booted.server)
    on.cloud.make.until("server", booted.server, "SHUTOFF")
    on.cloud.gates["glance"].faults.append(Fault(r"^DELETE /v2/images/", times=None, status=403))
    on.begin()
    on.wait(lambda: "CopiesLeftAtSource" in dict(on.events()), "nobody is told")
    assert on.word() == "virtualMachineCreated"
    uid = on.get(IMPORT, "demo")["metadata"]["uid"]
    assert f"thresher-{uid}-" in dict(on.events())["CopiesLeftAtSource"]
    assert on.condition("Ready")["status"] == "True"
    assert on.condition("CopiesRemoved")["status"] == "False"
    (left,) = on.cloud.leftovers()
    assert left.startswith(f"image thresher-{uid}-")
    on.cloud.gates["glance"].reset()
    on.ask_to_delete(IMPORT, "demo")
    on.until_gone()


def test_a_wrong_password_makes_the_source_not_ready(on: Stage) -> None:
    on.apply(source(on.cloud, on.namespace).replace(on.cloud.password.password, "wr0ng-s3cret"))

    def status() -> dict[str, object]:
        return dict((on.get("openstacksource.migration", "openstack") or {}).get("status") or {})

    on.wait(lambda: status().get("status") == "clusterNotReady", "nobody looked")
    assert "wr0ng-s3cret" not in on.operator.log.read_text()
    on.apply(source(on.cloud, on.namespace))
    on.wait(lambda: status().get("status") == "clusterReady", "the right one is not taken up")
