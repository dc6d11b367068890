"""Whether an import may use a source of another namespace: its credentials would stand in its own."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.operator import Operator, allow, running_operator
from rig.operator_user import User
from thresher.operator.sessions import SHARED_WITH
from thresher.samples.manifests import sample_manifests

SOURCE = "ovasource.migration"


@pytest.fixture
def other(user: User, another_namespace: str) -> User:
    """Who has a namespace of their own, and knows of the first user's source."""
    source, _ = sample(user)
    user.apply(json.dumps(source))
    return replace(user, namespace=another_namespace)


def sample(user: User) -> list[Any]:
    return list(yaml.safe_load_all(sample_manifests(f"{user.web.url}vm.ova", "sample", namespace=user.namespace)))


def import_there(user: User, other: User) -> None:
    _, vmi = sample(user)
    vmi["metadata"]["namespace"] = other.namespace
    vmi["spec"]["networkMapping"] = []
    other.apply(json.dumps(vmi))


@pytest.fixture
def strict(user: User, tmp_path: Path) -> Iterator[Operator]:
    """An operator that lets nobody, in place of the others' one."""
    user.operator.stop()
    token = allow(user.cluster, "operator")
    with running_operator(user.cluster, tmp_path, "--no-cross-namespace-sources", token=token) as operator:
        yield operator
    user.operator.start()


def share(user: User, word: str) -> None:
    (source,) = user.names(SOURCE)
    note = f"{SHARED_WITH}={word}"
    done = user.cluster.kubectl("annotate", "--overwrite", SOURCE, source, note, "-n", user.namespace)
    assert done.returncode == 0, done.stderr


def test_a_source_of_another_namespace_is_used_as_with_the_add_on(user: User, other: User) -> None:
    import_there(user, other)
    other.wait_for("virtualMachineRunning")


@pytest.mark.usefixtures("strict")
def test_it_is_refused_where_the_operator_says_so_until_its_owner_shares_it(user: User, other: User) -> None:
    import_there(user, other)
    other.wait_for_reason("InvalidSpec")
    assert f"is not for imports in namespace {other.namespace}" in other.ready()[1]
    assert other.names("secrets,jobs") == []
    share(user, other.namespace)
    other.wait_for("virtualMachineRunning")


def test_its_owner_may_keep_it_to_the_own_namespace(user: User, other: User) -> None:
    share(user, "")
    import_there(user, other)
    other.wait_for_reason("InvalidSpec")
    assert other.names("secrets,jobs") == []
    user.import_changed("own")
    user.wait_for("virtualMachineRunning", "own")
