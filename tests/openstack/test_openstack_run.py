"""From an OpenStack to a running VM by the command line, against the real services."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig import cli, disks
from rig.machines import no_machine_left
from rig.openstack import OpenstackCloud
from rig.openstack.things import Port
from rig.openstack_user import CAPACITY, MARKER, boot_disk, data_disk, power, source, vm_import
from rig.operator import wait

SECONDS = 300
"""Cinder polls; a machine that is busy takes longer still."""


@pytest.fixture
def cloud(openstack: OpenstackCloud) -> Iterator[OpenstackCloud]:
    yield openstack
    openstack.wipe()


@pytest.fixture(scope="module")
def boot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boot_disk(tmp_path_factory.mktemp("boot"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_disk(tmp_path_factory.mktemp("data"))


def manifests(folder: Path, *documents: str) -> Path:
    path = folder / "manifests.yaml"
    path.write_text("".join(documents))
    return path


def test_a_running_server_with_two_volumes_is_stopped_and_runs_here(
    cloud: OpenstackCloud, boot: Path, data: Path, tmp_path: Path
) -> None:
    volumes = (cloud.make.volume(boot, "root"), cloud.make.volume(data, "data", bootable=False))
    server = cloud.make.server("web", volumes=volumes)
    wanted = manifests(tmp_path, source(cloud, "default", tls=True), vm_import("web", "web", "default"))
    out = tmp_path / "out"
    with no_machine_left(out):
        (result,) = cli.run("run", "-f", wanted, "--to", out, "--boot", "--output", "json", timeout=SECONDS).json
    assert result["status"] == "virtualMachineRunning"
    assert MARKER in result["console"]
    assert result["left_at_source"] is None
    assert cloud.leftovers() == []
    assert power(cloud, server) == "SHUTOFF", "it runs here: it must not run twice"
    assert [disk["capacity_bytes"] for disk in result["disks"]] == [CAPACITY, CAPACITY]
    assert disks.difference(out / "web" / "disk-1.raw", data) == ""
    assert (out / "web" / "disk-0.raw").stat().st_size == CAPACITY


def test_a_server_that_boots_from_an_image_keeps_its_root_disk(
    cloud: OpenstackCloud, boot: Path, tmp_path: Path
) -> None:
    image = cloud.make.image(boot, "guest")
    server = cloud.make.server("img", image=image)
    login = cloud.application_credential()
    wanted = manifests(tmp_path, source(cloud, "default", login), vm_import("img", server, "default"))
    out = tmp_path / "out"
    with no_machine_left(out):
        (result,) = cli.run("run", "-f", wanted, "--to", out, "--boot", "--output", "json", timeout=SECONDS).json
    assert result["status"] == "virtualMachineRunning"
    assert MARKER in result["console"]
    assert cloud.leftovers() == []
    assert [image.name for image in cloud.user.image.images()] == ["guest"], "the user's own image stays"


def test_the_source_is_looked_at_and_its_servers_are_listed(cloud: OpenstackCloud, boot: Path, tmp_path: Path) -> None:
    cloud.make.server("web", volumes=[cloud.make.volume(boot)], ports=(Port("green"), Port("blue")), status="SHUTOFF")
    wanted = manifests(tmp_path, source(cloud, "default"))
    (look,) = cli.run("check", "-f", wanted, "--output", "json").json
    assert (look["status"], look["fingerprint"]) == ("clusterReady", None)
    (vm,) = cli.run("inventory", "-f", wanted, "--output", "json").json
    assert (vm["name"], vm["power"], vm["vcpus"], vm["memory_bytes"]) == ("web", "off", 2, 256 << 20)
    assert [nic["network"] for nic in vm["nics"]] == ["green", "blue"]
    assert [disk["capacity_bytes"] for disk in vm["disks"]] == [CAPACITY]
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(wanted.read_text().replace(cloud.password.password, "wr0ng-s3cret"))
    outcome = cli.run("check", "-f", wrong)
    assert outcome.code == 4
    assert "clusterNotReady" in outcome.out
    assert "wr0ng-s3cret" not in outcome.out + outcome.err


def test_an_interrupted_import_leaves_nothing_and_switches_the_server_on_again(
    cloud: OpenstackCloud, boot: Path, tmp_path: Path
) -> None:
    server = cloud.make.server("web", volumes=[cloud.make.volume(boot)])
    wanted = manifests(tmp_path, source(cloud, "default"), vm_import("web", "web", "default"))
    with cli.started("run", "-f", wanted, "--to", tmp_path / "out") as process:
        with cloud.mishaps.held("copy_volume_to_image"):
            wait(lambda: any(left.startswith("image") for left in cloud.leftovers()), what="no image is made")
            process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
    assert cloud.leftovers() == []
    assert power(cloud, server) == "ACTIVE"


def test_a_killed_import_goes_on_with_the_copies_that_are_there(
    cloud: OpenstackCloud, boot: Path, tmp_path: Path
) -> None:
    cloud.make.server("web", volumes=[cloud.make.volume(boot)], status="SHUTOFF")
    wanted = manifests(tmp_path, source(cloud, "default"), vm_import("web", "web", "default"))
    with (
        cli.started("run", "-f", wanted, "--to", tmp_path / "out") as process,
        cloud.mishaps.held("copy_volume_to_image"),
    ):
        wait(lambda: any(left.startswith("image") for left in cloud.leftovers()), what="no image is made")
        process.kill()
        process.wait()
    assert cloud.leftovers() != []
    words = ("run", "-f", wanted, "--to", tmp_path / "out", "--output", "json")
    (result,) = cli.run(*words, timeout=SECONDS).json
    assert result["status"] == "virtualMachineCreated"
    assert cloud.leftovers() == []
    asked = [seen.path for seen in cloud.gates["cinder"].requests if seen.method == "POST"]
    assert sum(path.endswith("/snapshots") for path in asked) == 1, "it was snapshot again"


def test_an_import_that_fails_for_good_leaves_nothing(cloud: OpenstackCloud, boot: Path, tmp_path: Path) -> None:
    server = cloud.make.server("web", volumes=[cloud.make.volume(boot)])
    cloud.mishaps.quota(snapshots=0)
    wanted = manifests(tmp_path, source(cloud, "default"), vm_import("web", "web", "default"))
    outcome = cli.run("run", "-f", wanted, "--to", tmp_path / "out", timeout=SECONDS)
    assert outcome.code == 4
    assert "VMMigrationFailed" in outcome.out
    assert cloud.leftovers() == []
    assert power(cloud, server) == "ACTIVE"
