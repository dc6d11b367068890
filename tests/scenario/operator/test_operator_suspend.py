"""An import that is suspended, and goes on: ``kubectl patch`` of ``spec.suspend`` at each phase."""

import pytest

from rig.harvester import Faults as HarvesterFaults
from rig.operator import wait
from rig.operator_user import SLOW, User
from rig.webserver import Faults
from thresher.model.units import MIB

MOVING = "jobs,pods,secrets,configmaps"


def suspended(user: User) -> bool:
    conditions = user.status().get("conditions") or []
    return any(c["type"] == "Suspended" and c["status"] == "True" for c in conditions)


def suspend(user: User) -> None:
    user.change(suspend=True)
    wait(lambda: suspended(user), what=f"it is not suspended: {user.status()}", log=user.operator.log)


def test_an_import_is_suspended_while_it_copies_and_goes_on_from_its_ledger(user: User) -> None:
    user.copying()
    suspend(user)
    assert user.word() == "sourceReady", "the word tells how far it is"
    assert user.ready()[0] == "Suspended"
    assert user.names(MOVING) == []
    assert user.names("pvc") == [f"thresher-{user.get('virtualmachineimport.migration', 'demo')['metadata']['uid']}"]
    user.web.faults = Faults()
    before = len(user.web.requests)
    user.change(suspend=False)
    user.goes_on(before)
    wait(lambda: not user.names(MOVING), what="the transfer's objects stay")
    wait(lambda: not [name for name in user.names("pvc") if name.startswith("thresher-")], what="scratch stays")


def test_a_worker_whose_node_is_drained_goes_on_elsewhere_from_its_ledger(user: User) -> None:
    user.copying()
    (pod,) = user.names("pods")
    before = len(user.web.requests)
    assert user.cluster.kubectl("delete", "pod", pod, "-n", user.namespace, "--timeout=60s").returncode == 0
    user.web.faults = Faults()
    user.goes_on(before)


@pytest.mark.parametrize(
    ("word", "faults"),
    [
        ("diskImageSubmitted", HarvesterFaults(rate=MIB // 2)),
        ("diskImageFailed", HarvesterFaults(cut_downloads=1000, cut_at=MIB)),
        ("virtualMachineCreated", HarvesterFaults(never_ready=True)),
    ],
)
def test_an_import_is_suspended_at_a_later_phase_and_goes_on(user: User, word: str, faults: HarvesterFaults) -> None:
    user.harvester.fail(faults)
    user.import_ova()
    user.wait_for(word)
    suspend(user)
    assert user.names(f"{MOVING},vm") == []
    finished = {image["metadata"]["name"] for image in user.get("vmimages")["items"]}
    assert bool(finished) == (word == "virtualMachineCreated"), "only what is finished saves work"
    user.harvester.fail()
    user.change(suspend=False)
    user.wait_for("virtualMachineRunning")
    assert finished <= set(user.names("vmimages"))


def test_an_import_that_is_suspended_from_the_first_looks_at_nothing(user: User) -> None:
    user.import_changed(suspend=True)
    wait(lambda: suspended(user), what="it is not suspended", log=user.operator.log)
    assert user.names("jobs,vmimages,pvc,secrets") == []
    user.change(suspend=False)
    user.wait_for("virtualMachineRunning")


def test_a_suspended_import_that_is_deleted_leaves_nothing(user: User) -> None:
    user.web.faults = SLOW
    user.import_ova()
    wait(lambda: user.names("pods"), what="no worker was started", log=user.operator.log)
    suspend(user)
    assert user.names("pvc")
    user.delete()
    wait(lambda: not user.names(f"{MOVING},pvc,vmimages,vm"), what="something stays")


def test_suspend_means_nothing_once_the_new_vm_runs(user: User) -> None:
    user.import_ova()
    user.wait_for("virtualMachineRunning")
    user.change(suspend=True)
    assert user.names("vm") == ["sample"]
    assert user.word() == "virtualMachineRunning"
