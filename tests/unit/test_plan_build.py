"""What a plan says of an inventory: verdicts, names, sizes, waves and their times."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.rule_cases import NOW, OTHER, PLAIN, WANTED
from rig.source_vms import disk, nic
from thresher.api.manifests import load_manifests
from thresher.model.bandwidth import Limit, Window
from thresher.model.errors import UsageError
from thresher.model.naming import is_label
from thresher.model.spec import DiskMode, NetworkMapping
from thresher.model.units import GIB, Bytes
from thresher.model.vm import Bus, Loss, Network, PowerState, Severity, SourceVM, Usage
from thresher.plan.build import Wanted, make_plan
from thresher.plan.catalogue import Language
from thresher.plan.data import COLUMNS, as_csv, as_json
from thresher.plan.manifests import MARK, SourceRef, mapping_file, wave_files
from thresher.plan.markdown import as_markdown
from thresher.plan.networks import read_mapping
from thresher.plan.report import as_html
from thresher.plan.simulate import Limits
from thresher.plan.values import Assumptions, Plan, Verdict
from thresher.plan.waves import WaveRules, groups_of, next_start
from thresher.plan.words import duration

SOURCE = SourceRef("VmwareSource", "vcenter", "infra")
RATE = 100 << 20


def vm(number: int, *, gib: int = 10, folder: str = "", name: str = "", off: bool = True) -> SourceVM:
    """VM ``number``: like the others in nothing that must differ."""
    return replace(
        PLAIN,
        name=name or f"vm{number:03}",
        id=f"vm-{number}",
        folder=folder,
        smbios_uuid=f"00000000-0000-0000-0000-{number:012}",
        disks=(disk(0, Bus.SATA, "ahci", gib=gib),),
        nics=(nic(number % 250, Network("VM Network", id="network-7"), "e1000e"),),
        power=PowerState.OFF if off else PowerState.ON,
    )


def plan_of(*vms: SourceVM, **changes: object) -> Plan:
    return make_plan(vms, replace(WANTED, **changes), "VmwareSource infra/vcenter", NOW)  # type: ignore[arg-type] # of any field


BLOCKED = replace(vm(90), losses=(Loss("SharedDisk", "disk 2000", "Shared.", Severity.BLOCKER),))
WARNED = replace(vm(91, gib=1), losses=(Loss("CdromMedia", "CD drive 1", "A medium."),))


def test_verdicts() -> None:
    plan = plan_of(vm(1), BLOCKED, WARNED)
    assert [one.verdict for one in plan.vms] == [Verdict.READY, Verdict.BLOCKED, Verdict.WARNINGS]
    totals = plan.totals
    assert (totals.vms, totals.ready, totals.warnings, totals.blocked) == (3, 1, 1, 1)
    assert [one.schedule is None for one in plan.vms] == [False, True, False]


def test_sizes_are_of_what_is_imported() -> None:
    used = replace(vm(1), usage=Usage(used=Bytes(4 * GIB)))
    by = replace(WANTED.assumptions, compression=0.5)
    plan = plan_of(used, vm(2), BLOCKED, assumptions=by)
    sizes = plan.totals.sizes
    assert (sizes.provisioned, sizes.used, sizes.transfer) == (20 * GIB, 14 * GIB, 7 * GIB)
    assert sizes.estimated  # the second does not say
    assert not plan.vms[0].sizes.estimated


def test_more_is_never_used_than_is_provisioned() -> None:
    swollen = replace(vm(1), usage=Usage(used=Bytes(99 * GIB)))  # snapshots and swap count at the source
    assert plan_of(swollen).vms[0].sizes.used == 10 * GIB


def test_the_downtime_of_one_vm_is_the_sum_of_its_steps() -> None:
    by = Assumptions(Limits(RATE), shutdown_s=30, prepare_s=10, boot_s=20, store_bandwidth=2 * RATE)
    (on,) = plan_of(vm(1, off=False), assumptions=by).vms
    assert on.schedule
    copy = 10 * GIB / RATE
    assert on.schedule.downtime == pytest.approx(30 + 10 + copy + copy / 2 + 20)
    (off,) = plan_of(vm(1), assumptions=by).vms
    assert off.schedule
    assert off.schedule.downtime == 0
    assert off.schedule.ends == pytest.approx(10 + copy + copy / 2)


def test_scratch_is_what_imports_hold_at_once() -> None:
    by = Assumptions(Limits(RATE, imports=2))
    assert plan_of(*(vm(number) for number in range(4)), assumptions=by).totals.scratch == 20 * GIB


def test_with_disk_mode_volume_no_scratch_is_held_and_no_image_stored() -> None:
    by = Assumptions(Limits(RATE), store_bandwidth=1)
    plan = plan_of(vm(1, off=False), assumptions=by, disk_mode=DiskMode.VOLUME)
    assert plan.totals.scratch == 0
    assert plan.totals.duration == plan_of(vm(1, off=False), assumptions=Assumptions(Limits(RATE))).totals.duration
    ((_, text),) = wave_files(plan, SourceRef("VmwareSource", "vcenter", "infra"))
    assert yaml.safe_load(text)["spec"]["diskMode"] == "volume"
    ((_, text),) = wave_files(plan_of(vm(1)), SourceRef("VmwareSource", "vcenter", "infra"))
    assert "diskMode" not in yaml.safe_load(text)["spec"]


# Waves


def test_a_few_small_and_simple_vms_go_first() -> None:
    plan = plan_of(vm(1, gib=50), vm(2, gib=2), WARNED, vm(3, gib=3), waves=WaveRules(pilots=2))
    assert [wave.keys for wave in plan.waves] == [("vm002", "vm003"), ("vm001", "vm091")]


def test_what_belongs_together_is_imported_together() -> None:
    shop = [vm(number, folder="Prod/Shop", name=f"shop-{number}") for number in range(3)]
    vms = [*shop, *(vm(number, gib=9) for number in range(10, 13))]
    plan = plan_of(*vms, waves=WaveRules(pilots=0, vms=3))
    assert {frozenset(wave.keys) for wave in plan.waves} >= {frozenset({"shop-0", "shop-1", "shop-2"})}


def test_groups_by_folder_and_by_the_beginning_of_names() -> None:
    vms = [
        vm(1, name="shop-web-1", folder="Prod"),
        vm(2, name="shop-db", folder="Prod"),
        vm(3, name="mail", folder="Prod"),
    ]
    vms += [vm(4, name="shop-web-1"), vm(5, name="db01"), vm(6, name="db02"), vm(7, name="0815")]
    assert groups_of(vms) == ("Prod/shop", "Prod/shop", "Prod", "", "db", "db", "")


def test_no_wave_takes_longer_than_it_may() -> None:
    longest = 15 + 2.5 * 10 * GIB / RATE
    one_by_one = Assumptions(Limits(RATE, imports=1))
    rules = WaveRules(pilots=0, longest_s=longest)
    plan = plan_of(*(vm(number) for number in range(5)), assumptions=one_by_one, waves=rules)
    assert [len(wave.keys) for wave in plan.waves] == [2, 2, 1]
    assert all(wave.ends - wave.begins <= longest for wave in plan.waves)


def test_waves_keep_clear_of_blackouts() -> None:
    blackout = Window.parse("22:01-06:00")  # NOW is at 22:00
    plan = plan_of(vm(1), vm(2), starts_at=NOW, blackouts=(blackout,), waves=WaveRules(pilots=1, vms=1))
    assert plan.waves[0].starts_at == NOW + timedelta(hours=8)
    assert plan.waves[1].starts_at == plan.waves[0].ends_at
    assert plan.totals.duration == plan.waves[1].ends - plan.waves[0].begins


def test_what_fits_between_no_blackouts_pauses_in_them() -> None:
    by = Assumptions(Limits(RATE), shutdown_s=0, prepare_s=0, boot_s=0)
    copy = 5000 * GIB / RATE  # 14 hours, and there are twelve between two blackouts
    plan = plan_of(vm(1, gib=5000), starts_at=NOW, blackouts=(Window.parse("06:00-18:00"),), assumptions=by)
    when = plan.vms[0].schedule
    assert when
    assert plan.waves[0].starts_at == NOW
    assert when.copied - when.copies == pytest.approx(copy + 12 * 3600)


def test_blackouts_that_never_end_are_an_error() -> None:
    with pytest.raises(UsageError, match="blackout"):
        plan_of(vm(1), starts_at=NOW, blackouts=(Window.parse("00:00-24:00"),))


minutes = st.integers(0, 1439)
daily = st.builds(Window, minutes, minutes).filter(lambda window: window.begin != window.end)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 100), st.integers(1, 1440), st.lists(daily, max_size=3))
def test_a_start_is_the_first_that_touches_no_blackout(at: int, takes: int, windows: list[Window]) -> None:
    """Minute by minute, by the clock on the wall (in UTC, where no clock is ever set)."""
    closed = {minute for minute in range(1440) if any(_covers(window, minute) for window in windows)}
    earliest = NOW + timedelta(minutes=at)
    limit = Limit(blackout=tuple(windows))
    if len(closed) == 1440:
        with pytest.raises(UsageError):
            next_start(earliest, takes * 60, limit)
        return
    first = earliest.hour * 60 + earliest.minute
    every = range(first, first + 2 * 1440)
    free = [begin for begin in every if not any(minute % 1440 in closed for minute in range(begin, begin + takes))]
    expected = free[0] if free else next(minute for minute in every if minute % 1440 not in closed)
    assert next_start(earliest, takes * 60, limit) == earliest + timedelta(minutes=expected - first)


def _covers(window: Window, minute: int) -> bool:
    inside = window.begin <= minute < window.end
    return inside if window.begin < window.end else minute >= window.begin or minute < window.end


shapes = st.lists(st.tuples(st.integers(1, 50), st.sampled_from(["", "A", "A/B"]), st.booleans()), max_size=25)


@settings(deadline=None, max_examples=20)
@given(shapes, st.integers(0, 4), st.integers(1, 6))
def test_every_vm_that_can_be_imported_is_in_one_wave(
    rows: list[tuple[int, str, bool]], pilots: int, most: int
) -> None:
    vms = [
        replace(vm(number, gib=gib, folder=folder), losses=BLOCKED.losses if blocked else ())
        for number, (gib, folder, blocked) in enumerate(rows)
    ]
    plan = plan_of(*vms, waves=WaveRules(pilots, most))
    placed = [key for wave in plan.waves for key in wave.keys]
    assert sorted(placed) == sorted(one.key for one in plan.vms if one.verdict is not Verdict.BLOCKED)
    assert all(len(wave.keys) <= max(most, pilots) for wave in plan.waves)
    assert [wave.number for wave in plan.waves] == list(range(1, len(plan.waves) + 1))
    assert all(first.ends <= second.begins for first, second in zip(plan.waves, plan.waves[1:], strict=False))


# Names and manifests


def documents(plan: Plan) -> list[dict[str, object]]:
    return [one for _, text in wave_files(plan, SOURCE) for one in yaml.safe_load_all(text)]


def test_manifests_say_what_the_plan_says() -> None:
    mapping = (NetworkMapping("VM Network", "net/vlan1"),)
    plan = plan_of(vm(1, folder="Prod/A%2fB"), mapping=mapping, namespace="prod", storage_class="fast")
    (made,) = documents(plan)
    assert made == {
        "apiVersion": "migration.harvesterhci.io/v1beta1",
        "kind": "VirtualMachineImport",
        "metadata": {"name": "vm001", "namespace": "prod", "labels": {"thresher.harvesterhci.io/wave": "1"}},
        "spec": {
            "sourceCluster": {
                "apiVersion": "migration.harvesterhci.io/v1beta1",
                "kind": "VmwareSource",
                "name": "vcenter",
                "namespace": "infra",
            },
            "virtualMachineName": "vm001",
            "folder": "Prod/A%2fB",
            "storageClass": "fast",
            "networkMapping": [{"sourceNetwork": "VM Network", "destinationNetwork": "net/vlan1"}],
        },
    }


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=80)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(names, st.sampled_from(["", "A", "B"])), min_size=1, max_size=8, unique=True))
def test_names_are_valid_and_never_meet(rows: list[tuple[str, str]]) -> None:
    plan = plan_of(*(vm(number, name=name, folder=folder) for number, (name, folder) in enumerate(rows)))
    assert len({one.spec.name for one in plan.vms}) == len(rows)
    assert len({one.target for one in plan.vms}) == len(rows)
    assert all(is_label(one.target) and is_label(one.spec.name) for one in plan.vms)
    texts = [text for _, text in wave_files(plan, SOURCE)]
    imports = [one for text in texts for one in load_manifests(text).imports]
    assert sorted(one.spec.virtual_machine_name for one in imports) == sorted(name for name, _ in rows)


def test_a_network_nobody_chose_for_is_left_to_the_user() -> None:
    lonely = replace(vm(1), nics=(nic(0, Network("pg: [x]", id="network-9"), "e1000e"),))
    plan = plan_of(lonely, mapping=())
    assert "networkMapping" not in documents(plan)[0]["spec"]  # type: ignore[operator] # a mapping
    assert read_mapping(mapping_file(plan)) == (NetworkMapping("pg: [x]", ""),)


def test_a_mapping_that_was_written_is_read_again() -> None:
    plan = plan_of(vm(1), mapping=(NetworkMapping("VM Network", "management"),))
    assert read_mapping(mapping_file(plan)) == (NetworkMapping("VM Network", "management"),)
    assert read_mapping(mapping_file(plan_of(replace(vm(1), nics=())))) == ()
    assert all(text.startswith(MARK) for _, text in wave_files(plan, SOURCE))


# Output


def test_every_format_with_a_table_of_networks_tells_their_vlans_and_subnets() -> None:
    card = nic(0, Network("pg", id="network-9", vlan=120), "e1000e")
    plan = plan_of(replace(vm(1), nics=(replace(card, subnets=("10.0.9.0/24", "2001:db8::/64")),)))
    (network,) = json.loads(as_json(plan, Language.ENGLISH))["networks"]
    assert (network["vlan"], network["subnets"]) == (120, ["10.0.9.0/24", "2001:db8::/64"])
    assert "VLAN 120, 10.0.9.0/24, 2001:db8::/64" in mapping_file(plan)
    for language, head in ((Language.ENGLISH, "subnets"), (Language.KOREAN, "서브넷")):
        for told in (as_markdown(plan, language), as_html(plan, language)):
            assert head in told
            assert "10.0.9.0/24, 2001:db8::/64" in told


def test_json_holds_the_whole_plan() -> None:
    plan = plan_of(vm(1), BLOCKED, OTHER)
    data = json.loads(as_json(plan, Language.ENGLISH))
    assert data["totals"]["vms"] == 3
    assert data["vms"][1]["findings"][0]["rule"] == "SharedDisk"
    assert data["vms"][1]["schedule"] is None
    assert data["waves"][0]["imports"] == list(plan.waves[0].keys)
    assert "detach" in data["vms"][1]["findings"][0]["do"].lower()
    assert "분리" in json.loads(as_json(plan, Language.KOREAN))["vms"][1]["findings"][0]["do"]


def test_csv_has_a_line_for_each_vm() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(plan_of(vm(1, name='a,"b"'), BLOCKED), Language.ENGLISH))))
    assert [row["name"] for row in rows] == ['a,"b"', "vm090"]
    assert (rows[1]["verdict"], rows[1]["blockers"], rows[1]["wave"]) == ("blocked", "SharedDisk", "")
    assert list(rows[0]) == list(COLUMNS)


@pytest.mark.parametrize("language", list(Language))
def test_markdown_tells_the_findings(language: Language) -> None:
    text = as_markdown(plan_of(vm(1), BLOCKED, OTHER), language)
    assert "**SharedDisk**" in text
    assert ("blocked" if language is Language.ENGLISH else "차단됨") in text


def test_names_cannot_become_markup() -> None:
    text = as_markdown(plan_of(vm(1, name="a|b <script>\n# x [y](javascript:z)")), Language.ENGLISH)
    assert "<script" not in text
    assert "\n# x" not in text
    assert "a\\|b" in text
    assert "\\[y\\](" in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3690, "1 h 2 min"),
        (90_000, "1 d 1 h"),
        (86_399, "1 d"),
    ],
)
def test_durations_in_words(seconds: float, said: str) -> None:
    assert duration(seconds) == said
    assert duration(3661, Language.KOREAN) == "1시간 1분"


def test_an_empty_inventory_has_an_empty_plan() -> None:
    plan = plan_of()
    assert (plan.totals.vms, plan.waves, plan.totals.duration) == (0, (), 0)
    assert as_markdown(plan, Language.ENGLISH)
    assert Wanted(WANTED.assumptions).namespace == "default"
    assert NOW.tzinfo is UTC
