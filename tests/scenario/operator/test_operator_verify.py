"""What ``verify`` asks for, seen from outside: a sign of life, and the checksum that Harvester compares."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rig.harvester import Faults as HarvesterFaults
from rig.harvester.machines import AGENT
from rig.operator import Operator, allow, running_operator, wait
from rig.operator_user import User
from thresher.model.units import MIB, Bytes
from thresher.samples.ova import write_sample_ova


@pytest.fixture
def impatient(user: User, tmp_path: Path) -> Iterator[Operator]:
    """An operator that waits for a boot for seconds, in place of the others' one."""
    user.operator.stop()
    flags = ("--boot-wait-seconds", "15")
    with running_operator(user.cluster, tmp_path, *flags, token=allow(user.cluster, "operator")) as operator:
        yield operator
    user.operator.start()


def test_success_is_claimed_once_the_guest_agent_connected(user: User, tmp_path: Path) -> None:
    write_sample_ova(tmp_path / "web" / "vm.ova", AGENT, capacity=Bytes(16 * MIB), data=Bytes(2 * MIB))
    user.import_changed(verify="boot")
    user.wait_for("virtualMachineRunning")
    alive = next(c for c in user.status()["conditions"] if c["type"] == "GuestAlive")
    assert (alive["status"], alive["reason"]) == ("True", "AgentConnected")
    assert AGENT in user.harvester.console(user.namespace, "sample")


def test_a_guest_without_a_sign_of_life_is_no_success(user: User, impatient: Operator) -> None:
    user.import_changed(verify="boot")
    wait(lambda: user.word() == "VMMigrationFailed", what="it claims more than it knows", log=impatient.log)
    reason, message = user.ready()
    assert reason == "BootFailed"
    assert "no guest agent connected" in message
    assert "qemu-guest-agent" in message
    assert user.get("vm", "sample")["status"]["ready"], "the new VM is left running"


def test_sha512_is_what_harvester_compares(user: User) -> None:
    user.import_changed(verify="sha512", runStrategy="Halted")
    user.wait_for("virtualMachineCreated")
    user.wait_for_reason("Imported")
    made_of = {notes(c).get("harvesterhci.io/imageId"): c["metadata"]["name"] for c in user.get("pvc")["items"]}
    for image in user.get("vmimages")["items"]:
        claim = made_of[f"{user.namespace}/{image['metadata']['name']}"]
        with user.harvester.disk_bytes(user.namespace, claim).open("rb") as raw:
            said = hashlib.sha512(raw.read(image["status"]["virtualSize"])).hexdigest()
        assert image["spec"]["checksum"] == said


def test_bytes_that_are_not_those_of_the_checksum_are_refused_and_told(user: User) -> None:
    user.harvester.fail(HarvesterFaults(cut_downloads=1000, cut_at=MIB))
    user.import_changed(verify="sha512")
    user.wait_for("diskImageFailed")
    (scratch,) = (claim["metadata"]["name"] for claim in user.get("pvc")["items"])
    spoiled = sorted(user.harvester.disk_bytes(user.namespace, scratch).rglob("*.raw"))
    for path in spoiled:
        with path.open("r+b") as raw:
            raw.seek(MIB)
            raw.write(b"not what was hashed")
    assert spoiled
    user.harvester.fail()
    user.wait_for("VMMigrationFailed")
    assert "doesn't match the file checksum" in user.ready()[1]
    assert user.names("vm") == []


def notes(claim: Any) -> Any:
    return claim["metadata"].get("annotations") or {}
