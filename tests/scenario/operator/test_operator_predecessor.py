"""Harvester's own add-on was here before: what it carried out stays done, and its definitions are noticed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from rig.kubectl_user import IMPORT
from rig.operator import CRDS, install_crds, wait
from rig.operator_user import User
from thresher.api.status import ImportStatus
from thresher.operator.imports.predecessor import REASON
from thresher.operator.kinds import FINALIZER

EARLY = ("", ImportStatus.VALID, ImportStatus.INVALID)


@contextmanager
def away(user: User) -> Iterator[None]:
    """No operator is there meanwhile."""
    user.operator.stop()
    try:
        yield
    finally:
        user.operator.start()


def say(user: User, **status: str) -> bool:
    """Write into the import's status, as a controller does; whether it was kept."""
    patch = json.dumps({"status": status})
    command = ("patch", IMPORT, "demo", "-n", user.namespace, "--subresource=status", "--type=merge", "-p", patch)
    done = user.cluster.kubectl(*command)
    assert done.returncode == 0, done.stderr
    return bool(status.items() <= user.status().items())


def left_by_addon(user: User, word: str) -> None:
    with away(user):
        user.import_ova()
        if word:
            assert say(user, importStatus=word)


@pytest.mark.parametrize("word", sorted(set(ImportStatus) - set(EARLY)))
def test_an_import_that_the_addon_has_begun_is_left_as_it_is(user: User, word: str) -> None:
    left_by_addon(user, word)
    wait(lambda: REASON in {reason for reason, _ in user.events()}, what="nothing is told", log=user.operator.log)
    assert user.status() == {"importStatus": word}
    assert FINALIZER not in (user.get(IMPORT, "demo")["metadata"].get("finalizers") or [])
    assert user.names("jobs,vmimages,pvc,vm") == []
    user.delete()


@pytest.mark.parametrize("word", EARLY)
def test_an_import_that_the_addon_has_at_most_looked_at_is_carried_out(user: User, word: str) -> None:
    left_by_addon(user, word)
    user.wait_for("virtualMachineRunning")


def test_with_the_definitions_of_the_addon_nothing_is_done_until_ours_are_there(user: User) -> None:
    try:
        with away(user):
            replaced = user.cluster.kubectl("replace", "-f", "-", stdin=addons_definition())
            assert replaced.returncode == 0, replaced.stderr
            user.import_ova()
            wait(lambda: not say(user, recorded="x"), what="the definition is not in force")
        wait(lambda: "DefinitionsOutdated" in dict(user.events()), what="nothing is told", log=user.operator.log)
        assert "deploy/crds" in dict(user.events())["DefinitionsOutdated"]
        assert user.names("jobs,vmimages,pvc,vm") == []
    finally:
        install_crds(user.cluster)
    user.wait_for("virtualMachineRunning")


def addons_definition() -> str:
    """The kind without the memory, as the add-on's definition has it."""
    (path,) = CRDS.glob("*virtualmachineimports.yaml")
    crd = yaml.safe_load(path.read_text(encoding="utf-8"))
    for version in crd["spec"]["versions"]:
        del version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]["recorded"]
    return json.dumps(crd)
