"""Each rule finds what it is about, and nothing on the twin without it; each has words in every language."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyVmomi import vim

from rig import openstack_rows, rule_archives, rule_cases, rule_clusters, rule_openstack, rule_sources
from thresher.model.vm import Bus, OsFamily, Severity
from thresher.plan.catalogue import CATALOGUE, Language
from thresher.plan.rules import examine, guests
from thresher.plan.rules.guests import Support, support
from thresher.plan.rules.registry import RULES, document
from thresher.plan.values import Level

ROOT = Path(__file__).parents[2]
GUEST_IDS = vim.vm.GuestOsDescriptor.GuestOsIdentifier.values
"""vSphere's own list."""
CASES = {
    **rule_cases.CASES,
    **rule_sources.CASES,
    **rule_openstack.CASES,
    **rule_archives.CASES,
    **rule_clusters.CASES,
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fires_on_a_vm_made_for_it_and_not_on_its_twin(rule: str) -> None:
    made, twin = CASES[rule].made(), CASES[rule].twin()
    levels = {level for found, level in made if found == rule}
    assert levels
    assert levels <= RULES[rule].levels
    assert rule not in {found for found, _ in twin}
    assert {found for found, _ in made - twin} == {rule}, "the twin differs in more than this"


def test_cases_are_of_rules_that_there_are() -> None:
    assert CASES.keys() == RULES.keys()


def test_nothing_is_found_of_a_vm_that_nothing_is_special_about() -> None:
    assert rule_cases.planned(rule_cases.PLAIN)() == set()
    assert rule_sources.row()() == set()
    assert rule_sources.package()() == set()
    assert rule_openstack.cloud(openstack_rows.server())() == set()
    assert rule_archives.ova()() == set()
    assert rule_clusters.cluster(rule_clusters.VLAN, rule_clusters.LONGHORN)() == set()


RULE = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*")


def raised_in(text: str) -> set[str]:
    """The rules that a module names: where it makes a loss, and in its tables of (what, rule, message)."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Loss", "_blocker"}:
            found |= {rule for rule in _words(node.args[:1]) if RULE.fullmatch(rule)}
        elif isinstance(node, ast.Tuple) and len(node.elts) == 3:
            what, rule, message = _words(node.elts)
            if what and " " in message and RULE.fullmatch(rule):
                found.add(rule)
    return found


def _words(nodes: Sequence[ast.expr]) -> list[str]:
    return [node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "" for node in nodes]


MODULES = [path for path in (ROOT / "src" / "thresher").rglob("*.py") if "Loss" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT / "src" / "thresher")) for path in MODULES])
def test_every_rule_that_is_found_somewhere_has_a_text(path: Path) -> None:
    assert raised_in(path.read_text(encoding="utf-8")) - RULES.keys() == set()


def test_rules_are_seen_in_calls_and_in_tables() -> None:
    module = 'Loss("One", "a", "b"); _blocker("TwoWords", "a", "b"); TABLE = (("x:y", "ThreeFour", "In words."),)'
    assert raised_in(module) == {"One", "TwoWords", "ThreeFour"}
    assert len({rule for path in MODULES for rule in raised_in(path.read_text(encoding="utf-8"))}) > 60


def test_the_catalogue_is_whole_in_every_language() -> None:
    english, korean = CATALOGUE[Language.ENGLISH], CATALOGUE[Language.KOREAN]
    assert list(english) == list(korean)
    assert all(part.endswith(".") for text in (*english.values(), *korean.values()) for part in text)
    assert all(any("가" <= letter <= "힣" for letter in part) for text in korean.values() for part in text)


def test_the_document_of_the_rules_is_fresh() -> None:
    assert (ROOT / "docs" / "rules.md").read_text(encoding="utf-8") == document(), "make rules"


@pytest.mark.parametrize("guest", ["rhel5_64Guest", "sles10Guest", "win2000ServGuest", "os2Guest", "nonsense"])
@pytest.mark.parametrize("bus", list(Bus))
def test_the_name_of_a_guest_stops_no_import(guest: str, bus: Bus) -> None:
    vm = rule_cases.on(bus, "", guest)
    assert not [loss for loss in examine(rule_cases.SPEC, vm) if loss.severity is Severity.BLOCKER]


def test_notes_change_no_verdict() -> None:
    assert {rule.id for rule in RULES.values() if Level.NOTE in rule.levels} == {
        "NicNames", "ToolsStay", "ChangeTrackingOff",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("guest", "known"),
    [
        ("rhel3Guest", Support.UPDATES),
        ("rhel4Guest", Support.UPDATES),
        ("rhel2Guest", Support.NONE),
        ("rhel5_64Guest", Support.UPDATES),
        ("centos64Guest", Support.UPDATES),
        ("centos7_64Guest", Support.FULL),
        ("rhel6_64Guest", Support.FULL),
        ("sles10Guest", Support.NONE),
        ("slesGuest", Support.NONE),
        ("sles11_64Guest", Support.NO_SCSI),
        ("sles15_64Guest", Support.FULL),
        ("debian4Guest", Support.NONE),
        ("debian6_64Guest", Support.NO_SCSI),
        ("debian12_64Guest", Support.FULL),
        ("redhatGuest", Support.NONE),
        ("suseGuest", Support.NONE),
        ("suse64Guest", Support.NONE),
        ("sjdsGuest", Support.NONE),
        ("nld9Guest", Support.NONE),
        ("opensuse64Guest", Support.FULL),
        ("rhel10_64Guest", Support.FULL),
        ("sles64Guest", Support.NONE),
        ("sles16_64Guest", Support.FULL),
        ("centosGuest", Support.UPDATES),
        ("oracleLinuxGuest", Support.UPDATES),
        ("oracleLinux64Guest", Support.UPDATES),
        ("oracleLinux9_64Guest", Support.FULL),
        ("other24xLinuxGuest", Support.NONE),
        ("other24xLinux64Guest", Support.NONE),
        ("dosGuest", Support.NONE),
        ("winXPProGuest", Support.OLD_NO_SCSI),
        ("winNetEnterprise64Guest", Support.OLD_NO_SCSI),
        ("winLonghorn64Guest", Support.OLD_DRIVERS),
        ("windows8Server64Guest", Support.OLD_DRIVERS),
        ("win2000ServGuest", Support.NONE),
        ("windows7Server64Guest", Support.OLD_DRIVERS),
        ("windows9Server64Guest", Support.FULL),
        ("windows2019srv_64Guest", Support.FULL),
        ("", Support.FULL),
    ],
)
def test_which_guests_know_virtio(guest: str, known: Support) -> None:
    assert guest in {"", *GUEST_IDS}
    assert support(guest) is known


@pytest.mark.parametrize(
    "word", ["redhat", "redhat 9.4", "suse 15", "RedHat_64", "RedHat9_64", "SUSE_LE_64", "openSUSE"]
)
def test_what_other_platforms_call_a_system_of_today_is_not_taken_for_an_old_one(word: str) -> None:
    """os_distro of OpenStack's images, and VirtualBox's OSType in an OVF."""
    assert support(word) is Support.FULL


def test_each_word_of_the_table_is_one_of_vsphere() -> None:
    words = {word.lower() for word in GUEST_IDS}
    assert guests._EXACT.keys() <= words
    beginnings = [beginning for _, each in guests._BEGINNINGS for beginning in each] + list(guests.UNTESTED)
    assert [one for one in beginnings if not any(word.startswith(one) for word in words)] == []


@pytest.mark.parametrize(
    ("guest", "bus", "found"),
    [
        ("winNetEnterpriseGuest", Bus.SCSI, {"GuestDiskDriver", "WindowsDrivers"}),
        ("winNetEnterpriseGuest", Bus.VIRTIO, {"WindowsDriversOld", "WindowsDrivers"}),
        ("winLonghornGuest", Bus.SCSI, {"WindowsDriversOld", "WindowsDrivers"}),
        ("winLonghornGuest", Bus.SATA, set()),
    ],
)
def test_virtio_win_has_no_vioscsi_before_server_2008(guest: str, bus: Bus, found: set[str]) -> None:
    vm = rule_cases.on(bus, "", guest, OsFamily.WINDOWS)
    told = {loss.rule for loss in examine(rule_cases.SPEC, vm)}
    assert told & {"GuestDiskDriver", "WindowsDriversOld", "WindowsDrivers"} == found
