"""A plan for programs: as plain values for JSON, and as a table for CSV."""

import csv
import io
import json
from typing import Any

from thresher.plan import catalogue
from thresher.plan.catalogue import Language
from thresher.plan.values import Finding, Plan, PlannedNetwork, PlannedVM, Sizes, Wave

COLUMNS = (
    "name", "folder", "verdict", "target", "wave", "power", "guest", "vcpus", "memory_mib", "disks",
    "provisioned_bytes", "used_bytes", "transfer_bytes", "begins_s", "ends_s", "downtime_s", "blockers", "warnings",
)  # fmt: skip


def as_data(plan: Plan, language: Language) -> dict[str, Any]:
    """Everything in the plan as plain values."""
    totals, by = plan.totals, plan.assumptions
    return {
        "source": plan.source,
        "made_at": plan.made_at.isoformat(),
        "starts_at": plan.starts_at.isoformat() if plan.starts_at else None,
        "totals": {
            "vms": totals.vms,
            "ready": totals.ready,
            "warnings": totals.warnings,
            "blocked": totals.blocked,
            **_sizes(totals.sizes),
            "scratch_bytes": totals.scratch,
            "duration_s": totals.duration,
            "downtime_s": totals.downtime,
        },
        "assumptions": {
            "bandwidth_bytes_per_s": by.limits.bandwidth,
            "bandwidth_measured": by.measured,
            "imports": by.limits.imports,
            "disks_per_source": by.limits.disks_per_source,
            "disks_per_host": by.limits.disks_per_host,
            "disk_bandwidth_bytes_per_s": by.limits.disk_bandwidth,
            "store_bandwidth_bytes_per_s": by.store_bandwidth,
            "compression": by.compression,
            "shutdown_s": by.shutdown_s,
            "prepare_s": by.prepare_s,
            "boot_s": by.boot_s,
        },
        "blackouts": [str(window) for window in plan.blackouts],
        "findings": [_finding(one, language) for one in plan.findings],
        "networks": [_network(one) for one in plan.networks],
        "waves": [_wave(one) for one in plan.waves],
        "vms": [_vm(one, language) for one in plan.vms],
    }


def as_json(plan: Plan, language: Language) -> str:
    """The plan as JSON."""
    return json.dumps(as_data(plan, language), indent=2, ensure_ascii=False) + "\n"


def as_csv(plan: Plan, _: Language) -> str:
    """The VMs of the plan as CSV, one in a line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in plan.vms:
        vm, when = one.vm, one.schedule
        begins, ends, downtime = (round(when.begins), round(when.ends), round(when.downtime)) if when else ("", "", "")
        writer.writerow([
            vm.name, vm.folder, one.verdict.value, one.target, when.wave if when else "", vm.power.value,
            vm.guest_os, vm.cpu.vcpus, vm.memory, len(vm.disks), one.sizes.provisioned, one.sizes.used,
            one.sizes.transfer, begins, ends, downtime, _rules(one, "blocker"), _rules(one, "warning"),
        ])  # fmt: skip
    return out.getvalue()


def _rules(one: PlannedVM, level: str) -> str:
    return " ".join(dict.fromkeys(finding.rule for finding in one.findings if finding.level.value == level))


def _sizes(sizes: Sizes) -> dict[str, Any]:
    return {
        "provisioned_bytes": sizes.provisioned,
        "used_bytes": sizes.used,
        "transfer_bytes": sizes.transfer,
        "used_estimated": sizes.estimated,
    }


def _finding(one: Finding, language: Language) -> dict[str, Any]:
    text = catalogue.text(one.rule, language)
    return {
        "rule": one.rule,
        "severity": one.level.value,
        "subject": one.subject,
        "message": one.message,
        "means": text.means,
        "do": text.do,
    }


def _network(one: PlannedNetwork) -> dict[str, Any]:
    return {
        "source": one.source,
        "vlan": one.network.vlan,
        "subnets": list(one.subnets),
        "vms": one.vms,
        "nics": one.nics,
        "destination": one.destination,
        "chosen": one.chosen,
        "candidates": list(one.candidates),
    }


def _wave(one: Wave) -> dict[str, Any]:
    return {
        "number": one.number,
        "imports": list(one.keys),
        **_sizes(one.sizes),
        "scratch_bytes": one.scratch,
        "begins_s": one.begins,
        "ends_s": one.ends,
        "starts_at": one.starts_at.isoformat() if one.starts_at else None,
        "ends_at": one.ends_at.isoformat() if one.ends_at else None,
    }


def _vm(one: PlannedVM, language: Language) -> dict[str, Any]:
    when = one.schedule
    return {
        "name": one.vm.name,
        "id": one.vm.id,
        "folder": one.vm.folder,
        "import": one.key,
        "target": one.target,
        "group": one.group,
        "verdict": one.verdict.value,
        "power": one.vm.power.value,
        "guest_os": one.vm.guest_os,
        **_sizes(one.sizes),
        "schedule": None
        if when is None
        else {
            "wave": when.wave,
            "begins_s": when.begins,
            "copies_s": when.copies,
            "copied_s": when.copied,
            "ends_s": when.ends,
            "downtime_s": when.downtime,
        },
        "findings": [_finding(finding, language) for finding in one.findings],
    }
