"""``kubectl delete`` of an import at each phase before its new VM runs: nothing of it stays, anywhere."""

import pytest

from rig.harvester import Faults as HarvesterFaults
from rig.operator import wait
from rig.operator_user import User
from rig.webserver import Faults
from thresher.model.units import MIB

EVERYTHING = "jobs,pods,secrets,configmaps,serviceaccounts,roles,rolebindings,pvc,vmimages,vm"


@pytest.mark.parametrize(
    ("word", "spec", "slow", "broken"),
    [
        ("virtualMachineImportInvalid", {"storageClass": "no-such-class"}, Faults(), HarvesterFaults()),
        ("sourceReady", {}, Faults(rate=MIB // 4), HarvesterFaults()),
        ("diskImageSubmitted", {}, Faults(), HarvesterFaults(rate=MIB // 2)),
        ("diskImageFailed", {}, Faults(), HarvesterFaults(cut_downloads=1000, cut_at=MIB)),
        ("virtualMachineCreated", {}, Faults(), HarvesterFaults(never_ready=True)),
    ],
)
def test_an_import_that_is_deleted_leaves_nothing(
    user: User, word: str, spec: dict[str, str], slow: Faults, broken: HarvesterFaults
) -> None:
    before = user.names(EVERYTHING)
    user.web.faults = slow
    user.harvester.fail(broken)
    user.import_changed(**spec)
    user.wait_for(word)
    user.delete()
    wait(lambda: user.names(EVERYTHING) == before, what=f"something stays after {word}: {user.names(EVERYTHING)}")
