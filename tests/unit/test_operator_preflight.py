"""Whether a scratch volume could ever be had."""

import asyncio
from collections.abc import Sequence

import pytest

from thresher.model.vm import Loss, Severity
from thresher.operator.imports.preflight import scratch_findings
from thresher.operator.settings import Scratch
from thresher.targets.harvester.objects import Kind, Object

DEFAULT = "storageclass.kubernetes.io/is-default-class"


class Classes:
    """A cluster with nothing but storage classes."""

    def __init__(self, **annotations: dict[str, str]) -> None:
        self._found: dict[str, Object] = {
            name: {"metadata": {"name": name, "annotations": marks}} for name, marks in annotations.items()
        }

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        assert (kind.name, namespace) == ("StorageClass", "")
        return self._found.get(name)

    async def list_all(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Sequence[Object]:
        assert (kind.name, namespace, labels) == ("StorageClass", "", "")
        return list(self._found.values())

    async def apply(self, obj: Object, kind: Kind) -> Object:
        raise AssertionError(f"a preflight touches nothing, but applies {kind.name} {obj}")

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> bool:
        raise AssertionError(f"a preflight touches nothing, but deletes {kind.name} {namespace}/{name} {uid}")


def find(classes: Classes, name: str = "") -> Sequence[Loss]:
    return asyncio.run(scratch_findings(classes, Scratch(name)))


def test_a_class_that_is_there_is_fine_whether_or_not_it_is_the_default() -> None:
    assert find(Classes(fast={}), "fast") == ()


def test_a_class_that_is_not_there_is_named_with_the_setting_that_asks_for_it() -> None:
    (finding,) = find(Classes(slow={DEFAULT: "true"}), "fast")
    assert (finding.rule, finding.severity) == ("ScratchUnobtainable", Severity.BLOCKER)
    assert finding.subject == "storage class fast"
    assert "--scratch-storage-class" in finding.message
    assert "scratch.storageClass" in finding.message


@pytest.mark.parametrize("key", [DEFAULT, "storageclass.beta.kubernetes.io/is-default-class"])
def test_a_default_class_will_do_where_none_is_named(key: str) -> None:
    assert find(Classes(fast={}, slow={key: "true"})) == ()


@pytest.mark.parametrize("classes", [Classes(), Classes(fast={}), Classes(fast={DEFAULT: "false"})])
def test_without_a_default_class_one_has_to_be_named(classes: Classes) -> None:
    (finding,) = find(classes)
    assert (finding.subject, finding.severity) == ("default storage class", Severity.BLOCKER)
    assert "--scratch-storage-class" in finding.message
