"""Names are valid, stable and unique, whatever the source calls its VMs."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.model.errors import UsageError
from thresher.model.naming import display_name, image_name, is_label, target_name, target_vm_name, volume_name
from thresher.model.spec import ImportSpec
from thresher.model.units import MiB
from thresher.model.vm import CpuTopology, SourceVM

LABEL = re.compile(r"\A[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")  # RFC 1123, section 2.1, with Kubernetes' 63
LABEL_VALUE = re.compile(r"\A[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
UID = "0d5a6c1e-3f0b-4c9a-9c52-6f1f4f3e2a11"

names = st.one_of(
    st.text(max_size=200),
    st.text("aA0-_. /äé한글\ud800", max_size=80),
    st.from_regex(LABEL),
)


@settings(deadline=None)
@given(names)
def test_every_name_becomes_a_valid_one(name: str) -> None:
    assert LABEL.match(target_vm_name(name, UID))
    assert LABEL.match(image_name(UID, name))
    assert LABEL.match(volume_name(UID, name))
    assert LABEL_VALUE.match(display_name(name, UID, name))


@settings(deadline=None)
@given(st.from_regex(LABEL))
def test_a_valid_name_stays_as_it_is(name: str) -> None:
    assert is_label(name)
    assert target_vm_name(name, UID) == name


@settings(deadline=None)
@given(names, names)
def test_two_source_names_never_meet(one: str, other: str) -> None:
    assert (target_vm_name(one, UID) == target_vm_name(other, UID)) == (one == other)
    assert (image_name(UID, one) == image_name(UID, other)) == (one == other)
    assert (display_name("vm", UID, one) == display_name("vm", UID, other)) == (one == other)


@settings(deadline=None)
@given(names, names, names, names)
def test_an_image_belongs_to_one_import_and_one_disk(uid: str, key: str, uid2: str, key2: str) -> None:
    assert (image_name(uid, key) == image_name(uid2, key2)) == ((uid, key) == (uid2, key2))


@pytest.mark.parametrize(
    ("one", "other"),
    [("web.1", "web 1"), ("Web", "wEb"), ("a" * 64, "a" * 65), ("한글", "한국"), ("", " "), ("web-", "-web")],
)
def test_names_that_look_alike_in_kubernetes_stay_apart(one: str, other: str) -> None:
    assert target_vm_name(one, UID) != target_vm_name(other, UID)


def test_what_is_readable_stays_readable() -> None:
    assert re.fullmatch(r"my-vm-01-ao-[a-z2-7]{8}", target_vm_name("My VM.01_äö 한글", UID))
    assert re.fullmatch(r"vm-[a-z2-7]{8}", target_vm_name("한글", UID))
    long = target_vm_name("x" * 64, UID)
    assert re.fullmatch(r"x{54}-[a-z2-7]{8}", long)


def test_a_name_is_the_same_in_every_process() -> None:
    # a change of the derivation would orphan the objects of running imports; these were computed apart, with
    # printf '36:%s5:My VM' $UID | sha256sum | cut -c1-64 | xxd -r -p | base32 | tr A-Z a-z
    assert target_vm_name("My VM", UID) == "my-vm-dhb24cz4"
    assert image_name(UID, "2000") == "image-vptktseug67ka4kz"
    assert volume_name(UID, "2000") == "volume-vptktseug67ka4kz"


def test_a_target_name_is_taken_as_asked_for_or_refused() -> None:
    vm = SourceVM("Some VM", CpuTopology(1, 1), MiB(1))
    assert target_name(ImportSpec("ns", "n", UID, "Some VM", target_name="mine"), vm) == "mine"
    for bad in ("Mine", "../up", "a" * 64, "", "-a"):
        with pytest.raises(UsageError, match="cannot be the name of a VM"):
            target_name(ImportSpec("ns", "n", UID, "Some VM", target_name=bad), vm)
