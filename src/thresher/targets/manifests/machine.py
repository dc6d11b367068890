"""The VirtualMachine, as Harvester's own pages would have made it."""

import json
from collections.abc import Sequence

from thresher.model.naming import target_name
from thresher.model.spec import ImportSpec
from thresher.model.vm import FirmwareType, OsFamily, SourceVM
from thresher.targets.manifests import plan
from thresher.targets.manifests.images import claim_name, volume_claim_templates
from thresher.targets.manifests.values import IMPORT_UID, IMPORTED, JSON, ImageRef, Manifest

RESERVED_MIB = 100
"""Harvester's webhook sets ``memory.guest`` to ``limits.memory`` less this, for QEMU itself
(harvester/harvester, pkg/webhook/resources/virtualmachine/mutator.go, and its issue 1234). So the limit
stands that much above the source's memory, or every VM would come out 100 MiB smaller than it went in."""
RESERVED_WINDOWS_MIB = 256
"""What Harvester's own Windows templates reserve (harvester/harvester, pkg/data/template.go)."""

HYPERV: dict[str, JSON] = {
    "relaxed": {},
    "vapic": {},
    "vpindex": {},
    "runtime": {},
    "synic": {},
    "synictimer": {"direct": {}},
    "spinlocks": {"spinlocks": 8191},
    "frequencies": {},
    "ipi": {},
    "reset": {},
    "tlbflush": {},
}
"""The enlightenments of kubevirt/common-templates' Windows templates, less ``reenlightenment``, which ties
the VM to hosts with one TSC frequency."""
WINDOWS_CLOCK: dict[str, JSON] = {
    "utc": {},
    "timer": {
        "hpet": {"present": False},
        "pit": {"tickPolicy": "delay"},
        "rtc": {"tickPolicy": "catchup"},
        "hyperv": {},
    },
}
"""The timers of kubevirt/common-templates' Windows templates. KubeVirt takes UTC or a named time zone, and
no source states the guest's: findings says what that means."""


def virtual_machine(spec: ImportSpec, vm: SourceVM, images: Sequence[ImageRef | None]) -> Manifest:
    """The new VM on its finished images.

    Args:
        spec: what was asked for.
        vm: the source VM, with the power state it had before the import shut it down.
        images: one for each of ``vm.disks``, in that order; None for a blank disk.

    Raises:
        UsageError: the target name asked for is not valid.
    """
    name = target_name(spec, vm)
    labels: dict[str, JSON] = {
        "harvesterhci.io/creator": "harvester",
        IMPORTED: "true",
        IMPORT_UID: spec.uid,
    }
    if vm.os_family is not OsFamily.OTHER:
        labels["harvesterhci.io/os"] = vm.os_family.value
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {
            "name": name,
            "namespace": spec.namespace,
            "labels": labels,
            "annotations": _annotations(spec, vm, images),
        },
        "spec": {
            "runStrategy": plan.run_strategy(spec, vm).value,
            "template": {
                "metadata": {
                    "labels": {"harvesterhci.io/vmName": name},
                    "annotations": {"harvesterhci.io/sshNames": "[]"},
                },
                "spec": {
                    "evictionStrategy": "LiveMigrateIfPossible",
                    "domain": _domain(spec, vm),
                    "networks": _networks(spec, vm),
                    "volumes": [
                        {
                            "name": f"disk-{index}",
                            "persistentVolumeClaim": {"claimName": claim_name(spec, disk, made)},
                        }
                        for index, (disk, made) in enumerate(zip(vm.disks, images, strict=True))
                    ],
                },
            },
        },
    }


def _annotations(spec: ImportSpec, vm: SourceVM, images: Sequence[ImageRef | None]) -> dict[str, JSON]:
    annotations: dict[str, JSON] = {
        "harvesterhci.io/volumeClaimTemplates": json.dumps(volume_claim_templates(spec, vm, images)),
        "network.harvesterhci.io/ips": "[]",
        "harvesterhci.io/reservedMemory": f"{_reserved(vm)}Mi",
    }
    if vm.notes:
        annotations["field.cattle.io/description"] = vm.notes
    return annotations


def _reserved(vm: SourceVM) -> int:
    return RESERVED_WINDOWS_MIB if vm.os_family is OsFamily.WINDOWS else RESERVED_MIB


def _domain(spec: ImportSpec, vm: SourceVM) -> dict[str, JSON]:
    cpu, memory = plan.cpu(spec, vm), plan.memory(spec, vm)
    features: dict[str, JSON] = {"acpi": {"enabled": True}}
    domain: dict[str, JSON] = {
        "cpu": {"sockets": cpu.sockets, "cores": cpu.cores_per_socket, "threads": 1},
        "memory": {"guest": f"{memory}Mi"},
        "resources": {"limits": {"cpu": str(cpu.vcpus), "memory": f"{memory + _reserved(vm)}Mi"}},
        "features": features,
        "devices": _devices(spec, vm),
    }
    if vm.firmware.secure_boot or vm.firmware.tpm:
        features["smm"] = {"enabled": True}
    if vm.os_family is OsFamily.WINDOWS:
        features["hyperv"] = HYPERV
        domain["clock"] = WINDOWS_CLOCK
    firmware = _firmware(vm)
    if firmware:
        domain["firmware"] = firmware
    return domain


def _firmware(vm: SourceVM) -> dict[str, JSON]:
    firmware: dict[str, JSON] = {}
    if vm.smbios_uuid is not None:
        firmware["uuid"] = vm.smbios_uuid
    if vm.firmware.type is FirmwareType.EFI:
        firmware["bootloader"] = {"efi": {"secureBoot": vm.firmware.secure_boot, "persistent": True}}
    return firmware


def _devices(spec: ImportSpec, vm: SourceVM) -> dict[str, JSON]:
    positions = plan.boot_positions(vm)
    devices: dict[str, JSON] = {
        "disks": [
            {
                "name": f"disk-{index}",
                "bootOrder": positions[index],
                "disk": {"bus": plan.disk_bus(spec, disk).value},
            }
            for index, disk in enumerate(vm.disks)
        ],
        "interfaces": [_interface(nic) for nic in plan.attachable_nics(spec, vm)],
    }
    if not vm.nics:  # without this KubeVirt would add a NIC that the source does not have
        devices["autoattachPodInterface"] = False
    if vm.firmware.tpm:
        devices["tpm"] = {"persistent": True}
    return devices


def _interface(planned: plan.PlannedNic) -> dict[str, JSON]:
    binding = "masquerade" if planned.destination is None else "bridge"
    interface: dict[str, JSON] = {"name": f"nic-{planned.index}", "model": planned.model.value, binding: {}}
    if planned.nic.mac is not None:
        interface["macAddress"] = planned.nic.mac
    return interface


def _networks(spec: ImportSpec, vm: SourceVM) -> list[JSON]:
    networks: list[JSON] = []
    for planned in plan.attachable_nics(spec, vm):
        kind: dict[str, JSON] = (
            {"pod": {}} if planned.destination is None else {"multus": {"networkName": planned.destination}}
        )
        networks.append({"name": f"nic-{planned.index}", **kind})
    return networks
