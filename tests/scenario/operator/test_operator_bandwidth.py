"""Limits on bandwidth as a user sees them: on a source, changed while its imports run, and by the hour."""

import json
from typing import Any

import yaml

from rig.operator import wait
from rig.operator_user import User
from thresher.model.units import KIB
from thresher.samples.manifests import sample_manifests

ALWAYS = ["00:00-24:00"]
SLOW = "128Ki"
"""The sample VM's OVA has 2 MiB and more: at this rate it takes a quarter of a minute at least."""


def import_limited(user: User, name: str = "demo", **limit: Any) -> None:
    """A source with a limit, and an import from it; each import has its own VM."""
    text = sample_manifests(f"{user.web.url}vm.ova", "sample", namespace=user.namespace)
    source, vmi = list(yaml.safe_load_all(text))
    source["spec"] |= limit
    vmi["metadata"]["name"] = name
    vmi["spec"]["targetName"] = name
    user.apply(json.dumps(source))
    user.apply(json.dumps(vmi))


def change_source(user: User, **spec: Any) -> None:
    patch = json.dumps({"spec": spec})
    words = ("patch", "ovasource.migration", "demo", "-n", user.namespace, "--type=merge", "-p", patch)
    done = user.cluster.kubectl(*words)
    assert done.returncode == 0, done.stderr


def limited(user: User, name: str = "demo") -> tuple[str, str]:
    """Reason and message of the condition BandwidthLimited."""
    conditions = user.status(name).get("conditions") or []
    found: dict[str, str] = next((c for c in conditions if c["type"] == "BandwidthLimited"), {})
    return found.get("reason", ""), found.get("message", "")


def told(user: User, name: str = "demo") -> str | None:
    """What the worker of an import is told."""
    uid = user.get("virtualmachineimport.migration", name)["metadata"]["uid"]
    found = user.get("configmap", f"thresher-{uid}")
    return None if found is None else str(found["data"].get("bandwidth"))


def transferred(user: User) -> int:
    return sum(row.get("bytesTransferred", 0) for row in user.status().get("diskImportStatus") or [])


def wait_until_told(user: User, rate: str, name: str = "demo") -> None:
    wait(lambda: told(user, name) == rate, what=f"the worker is not told {rate!r}", log=user.operator.log)


def test_a_source_s_imports_share_its_bandwidth_and_a_change_holds_at_once(user: User) -> None:
    import_limited(user, bandwidth=SLOW)
    wait_until_told(user, str(128 * KIB))
    wait(lambda: limited(user)[0] == "BandwidthLimited", what="nothing says so", log=user.operator.log)
    name = f"OvaSource {user.namespace}/demo"
    assert limited(user)[1] == f"At most 128.0 KiB/s, its fair part of 128.0 KiB/s of {name}."
    import_limited(user, "second", bandwidth=SLOW)
    for one in ("demo", "second"):
        wait_until_told(user, str(64 * KIB), one)
        wait(lambda one=one: "At most 64.0 KiB/s" in limited(user, one)[1], what="nothing says so")  # type: ignore[misc]
    change_source(user, bandwidth=None)
    for one in ("demo", "second"):
        user.wait_for("virtualMachineRunning", one)
    assert limited(user) == ("", "")


def test_a_blackout_pauses_what_runs_until_it_is_over(user: User) -> None:
    import_limited(user, bandwidth=SLOW)
    wait(lambda: transferred(user) > 0, what="nothing comes", log=user.operator.log)
    change_source(user, blackout=ALWAYS)
    wait_until_told(user, "0")
    user.wait_for_reason("Blackout")
    said = f"Paused by the blackout window 00:00-24:00 UTC of OvaSource {user.namespace}/demo until it is changed."
    assert user.ready()[1] == said
    assert limited(user) == ("Blackout", said)
    wait(lambda: ("Blackout", said) in user.events(), what="no event says it", log=user.operator.log)
    assert user.word() == "sourceReady"
    change_source(user, blackout=[], bandwidth=None)
    user.wait_for("virtualMachineRunning")


def test_nothing_is_begun_in_a_blackout(user: User) -> None:
    import_limited(user, blackout=ALWAYS)
    user.wait_for_reason("Blackout")
    assert user.names("jobs,secrets,configmaps") == []
    change_source(user, blackout=[])
    user.wait_for("virtualMachineRunning")


def test_a_restart_of_the_operator_keeps_what_workers_were_told(user: User) -> None:
    import_limited(user, bandwidth=SLOW)
    wait_until_told(user, str(128 * KIB))
    user.operator.stop(9)
    user.operator.start()
    wait(lambda: limited(user)[0] == "BandwidthLimited", what="nothing says so", log=user.operator.log)
    assert told(user) == str(128 * KIB)
    change_source(user, bandwidth="1Gi")
    wait_until_told(user, str(1 << 30))
    user.wait_for("virtualMachineRunning")


def test_what_is_no_limit_is_refused_by_the_api_server(user: User) -> None:
    text = sample_manifests(f"{user.web.url}vm.ova", "sample", namespace=user.namespace)
    source = next(yaml.safe_load_all(text))
    for wrong in ({"bandwidth": "fast"}, {"blackout": ["8-18"]}, {"blackout": ["08:00-25:00"]}):
        done = user.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(source | {"spec": source["spec"] | wrong}))
        assert done.returncode != 0
        assert next(iter(wrong)) in done.stderr
