"""An import that is suspended, and goes on: ``kubectl patch`` of ``spec.suspend`` at each phase."""

import re

import pytest

from rig.harvester import Faults as HarvesterFaults
from rig.operator import wait
from rig.operator_user import User
from rig.webserver import Faults
from thresher.model.units import MIB

SLOW = Faults(rate=MIB // 4)
MOVING = "jobs,pods,secrets,configmaps"


def suspended(user: User) -> bool:
    conditions = user.status().get("conditions") or []
    return any(c["type"] == "Suspended" and c["status"] == "True" for c in conditions)


def suspend(user: User) -> None:
    user.change(suspend=True)
    wait(lambda: suspended(user), what=f"it is not suspended: {user.status()}", log=user.operator.log)


def long_ranges(user: User, since: int, until: int | None) -> list[tuple[int, int]]:
    """First and last byte of the requests for more than a look at a head."""
    asked = [seen.headers.get("range", "") for seen in user.web.requests[since:until]]
    found = [tuple(map(int, re.findall(r"\d+", text))) for text in asked]
    return [(pair[0], pair[1]) for pair in found if len(pair) == 2 and pair[1] - pair[0] > MIB // 4]


def copying(user: User) -> None:
    """Have half a MiB copied, slowly."""
    user.web.faults = SLOW
    user.import_ova()
    user.wait_for("sourceReady")
    wait(
        lambda: any(row.get("bytesTransferred", 0) > MIB // 2 for row in user.status().get("diskImportStatus", [])),
        what="nothing is copied",
        log=user.operator.log,
    )


def goes_on(user: User, before: int) -> None:
    """It ends well, and what was copied up to that many requests is not asked for again."""
    first = {end: start for start, end in reversed(long_ranges(user, 0, before))}
    user.wait_for("virtualMachineRunning")
    again = [(start, end) for start, end in long_ranges(user, before, None) if end in first]
    assert again
    assert all(start > first[end] for start, end in again), f"it began anew: {first}, then {again}"


def test_an_import_is_suspended_while_it_copies_and_goes_on_from_its_ledger(user: User) -> None:
    copying(user)
    suspend(user)
    assert user.word() == "sourceReady", "the word tells how far it is"
    assert user.ready()[0] == "Suspended"
    assert user.names(MOVING) == []
    assert user.names("pvc") == [f"thresher-{user.get('virtualmachineimport.migration', 'demo')['metadata']['uid']}"]
    user.web.faults = Faults()
    before = len(user.web.requests)
    user.change(suspend=False)
    goes_on(user, before)
    wait(lambda: not user.names(MOVING), what="the transfer's objects stay")
    wait(lambda: not [name for name in user.names("pvc") if name.startswith("thresher-")], what="scratch stays")


def test_a_worker_whose_node_is_drained_goes_on_elsewhere_from_its_ledger(user: User) -> None:
    copying(user)
    (pod,) = user.names("pods")
    before = len(user.web.requests)
    assert user.cluster.kubectl("delete", "pod", pod, "-n", user.namespace, "--timeout=60s").returncode == 0
    user.web.faults = Faults()
    goes_on(user, before)


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
