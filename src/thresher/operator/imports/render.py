"""An import's status as the API has it. Purely computational."""

from thresher.imports.phases import Phase, StatusWord
from thresher.imports.status import DiskRow, ImportStatus
from thresher.model.naming import target_name
from thresher.model.report import DiskReport, Report
from thresher.model.spec import ImportSpec
from thresher.model.vm import Disk, SourceVM
from thresher.operator.imports.memory import Memory, dump
from thresher.operator.status import from_json, to_json
from thresher.targets.harvester.objects import Object
from thresher.targets.manifests.plan import disk_bus


def previous(status: Object, phase: Phase) -> ImportStatus:
    """The last status, as far as the next one is derived from it."""
    return ImportStatus(
        phase=phase,
        import_status=StatusWord(status.get("importStatus") or ""),
        import_conditions=from_json(status.get("importConditions")),
        conditions=from_json(status.get("conditions")),
        disks=tuple(_row(item) for item in status.get("diskImportStatus") or ()),
    )


def _row(item: Object) -> DiskRow:
    conditions = from_json(item.get("diskConditions"))
    return DiskRow(item["diskName"], None, "", 0, "", item.get("busType", ""), conditions)


def render(status: ImportStatus, spec: ImportSpec, memory: Memory, report: Report | None, *, created: bool) -> Object:
    """The whole status.

    Args:
        status: what was derived.
        spec: what was asked for.
        memory: what is to be remembered.
        report: what the worker says.
        created: whether the new VM is there.
    """
    vm = memory.vm
    told = {disk.key: disk for disk in report.disks} if report is not None else {}
    disks = {disk.key: disk for disk in vm.disks} if vm is not None else {}
    found: Object = {
        "importStatus": status.import_status.value,
        "importConditions": to_json(status.import_conditions),
        "conditions": to_json(status.conditions, memory.generation),
        "diskImportStatus": [_disk(row, spec, disks[row.name], told.get(row.name)) for row in status.disks],
        "findings": [
            {"rule": f.rule, "subject": f.subject, "message": f.message, "severity": f.severity.value}
            for f in status.findings
        ],
        "progress": status.percent,
        "observedGeneration": memory.generation,
        "recorded": dump(memory),
        "importedVirtualMachineName": _name(spec, vm),
        "newVirtualMachine": _name(spec, vm) if created else None,
    }
    return {key: value for key, value in found.items() if value not in (None, "", [])}


def _name(spec: ImportSpec, vm: SourceVM | None) -> str | None:
    return target_name(spec, vm) if vm is not None else None


def _disk(row: DiskRow, spec: ImportSpec, disk: Disk, told: DiskReport | None) -> Object:
    size = row.size if row.size is not None else (told.capacity if told is not None else None)
    found: Object = {
        "diskName": row.name,
        "diskSize": size or 0,
        "busType": disk_bus(spec, disk).value,
        "progress": row.percent,
        "VirtualMachineImage": row.image or None,
        "diskConditions": to_json(row.conditions) or None,
        "bytesTransferred": told.position if told is not None else None,
        "bytesPerSecond": told.rate if told is not None else None,
    }
    return {key: value for key, value in found.items() if value is not None}
