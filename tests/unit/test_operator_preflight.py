"""Whether a scratch volume could ever be had."""

import asyncio
from collections.abc import Sequence

import pytest

from rig.objects import StillObjects
from thresher.model.vm import Loss, Severity
from thresher.operator.imports.preflight import scratch_findings
from thresher.operator.settings import Scratch

DEFAULT = "storageclass.kubernetes.io/is-default-class"


def classes(**annotations: dict[str, str]) -> StillObjects:
    """A cluster with nothing but storage classes."""
    kind = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
    return StillObjects(
        *(kind | {"metadata": {"name": name, "annotations": marks}} for name, marks in annotations.items())
    )


def find(cluster: StillObjects, name: str = "") -> Sequence[Loss]:
    return asyncio.run(scratch_findings(cluster, Scratch(name)))


def test_a_class_that_is_there_is_fine_whether_or_not_it_is_the_default() -> None:
    assert find(classes(fast={}), "fast") == ()


def test_a_class_that_is_not_there_is_named_with_the_setting_that_asks_for_it() -> None:
    (finding,) = find(classes(slow={DEFAULT: "true"}), "fast")
    assert (finding.rule, finding.severity) == ("ScratchUnobtainable", Severity.BLOCKER)
    assert finding.subject == "storage class fast"
    assert "--scratch-storage-class" in finding.message
    assert "scratch.storageClass" in finding.message


@pytest.mark.parametrize("key", [DEFAULT, "storageclass.beta.kubernetes.io/is-default-class"])
def test_a_default_class_will_do_where_none_is_named(key: str) -> None:
    assert find(classes(fast={}, slow={key: "true"})) == ()


@pytest.mark.parametrize("cluster", [classes(), classes(fast={}), classes(fast={DEFAULT: "false"})])
def test_without_a_default_class_one_has_to_be_named(cluster: StillObjects) -> None:
    (finding,) = find(cluster)
    assert (finding.subject, finding.severity) == ("default storage class", Severity.BLOCKER)
    assert "--scratch-storage-class" in finding.message
