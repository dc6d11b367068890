"""For each rule a VM made for it, and its twin: the same VM without the one thing that the rule is about.

What the model can state is stated here. What only vCenter or a descriptor has is in :mod:`rig.rule_sources`, what a
cloud has in :mod:`rig.rule_openstack`, what takes the bytes of an archive in :mod:`rig.rule_archives`, and what takes a
cluster in :mod:`rig.rule_clusters`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rig.source_vms import DV_PORT_GROUP, LINUX_BIOS, UUID, VM_NETWORK, disk, nic
from thresher.model.spec import ImportSpec, NetworkMapping
from thresher.model.units import GIB, Bytes, MiB
from thresher.model.vm import (
    Bus,
    DiskFormat,
    Firmware,
    FirmwareType,
    GuestTools,
    Loss,
    Network,
    Nic,
    OsFamily,
    PowerState,
    SourceVM,
    Usage,
)
from thresher.plan.build import Wanted, make_plan
from thresher.plan.rules import examine
from thresher.plan.rules.fleet import Capacity
from thresher.plan.simulate import Limits
from thresher.plan.values import Assumptions, Finding, Level

NOW = datetime(2027, 1, 31, 22, 0, tzinfo=UTC)
MAPPED = (NetworkMapping("VM Network", "default/vlan1"), NetworkMapping("DSwitch/pg-blue", "default/blue"))
WANTED = Wanted(Assumptions(Limits(100 << 20)), mapping=MAPPED)
SPEC = ImportSpec("default", "import-1", "uid-1", "web", networks=MAPPED[:1])
PLAIN = replace(
    LINUX_BIOS,
    disks=(disk(0, Bus.SATA, "ahci"),),
    nics=(nic(0, VM_NETWORK, "e1000e"),),
    notes="",
    id="vm-1",
)
"""Nothing is special about it."""
WINDOWS = replace(PLAIN, guest_os="windows2022srvNext_64Guest", os_family=OsFamily.WINDOWS)
BSD = replace(PLAIN, guest_os="freebsd14_64Guest", os_family=OsFamily.OTHER)
"""Its cards are called by their drivers, whatever their place."""
OTHER = replace(
    PLAIN,
    name="other",
    id="vm-2",
    smbios_uuid="4210c0de-0000-2222-3333-444455556666",
    nics=(nic(9, VM_NETWORK, "e1000e"),),
)

Levels = set[tuple[str, Level]]
"""Rules, each with how severe its finding is."""
Found = Callable[[], Levels]


@dataclass(frozen=True, slots=True)
class Case:
    """What is found of the VM that was made for a rule, and of its twin."""

    made: Found
    twin: Found


def levels(losses: Iterable[Loss]) -> Levels:
    """Of what a source, the translation or a preflight found."""
    return {(loss.rule, Level(loss.severity.value)) for loss in losses}


def told(findings: Iterable[Finding]) -> Levels:
    """Of what a plan tells."""
    return {(finding.rule, finding.level) for finding in findings}


def planned(*vms: SourceVM, wanted: Wanted = WANTED) -> Found:
    """What a plan of these VMs finds."""

    def find() -> Levels:
        plan = make_plan(vms, wanted, "test", NOW)
        return told(plan.findings).union(*(told(vm.findings) for vm in plan.vms))

    return find


def asked(vm: SourceVM, spec: ImportSpec) -> Found:
    """What one import as it is written finds."""
    return lambda: levels(examine(spec, vm))


def one(made: SourceVM, twin: SourceVM = PLAIN) -> Case:
    """A rule over one VM."""
    return Case(planned(made), planned(twin))


def on(bus: Bus, controller: str, guest: str, family: OsFamily = OsFamily.LINUX) -> SourceVM:
    """A VM whose disk hangs there."""
    return replace(PLAIN, guest_os=guest, os_family=family, disks=(disk(0, bus, controller),))


def stating(usage: Usage) -> SourceVM:
    """A VM of which that is stated beside its hardware."""
    return replace(PLAIN, usage=usage)


def with_nics(*nics: Nic) -> SourceVM:
    """A VM with these network cards."""
    return replace(PLAIN, nics=nics)


CARD = PLAIN.nics[0]
DISK = PLAIN.disks[0]
EFI = Firmware(FirmwareType.EFI)
NOWHERE = Network("pg-new", id="network-99", vlan=7)

CASES: dict[str, Case] = {
    "GuestDiskDriver": one(on(Bus.SCSI, "lsilogic", "rhel5_64Guest"), on(Bus.SCSI, "lsilogic", "rhel7_64Guest")),
    "GuestNicDriver": one(
        replace(PLAIN, guest_os="sles10_64Guest", nics=(nic(0, VM_NETWORK, "vmxnet3"),)),
        replace(PLAIN, guest_os="sles15_64Guest", nics=(nic(0, VM_NETWORK, "vmxnet3"),)),
    ),
    "WindowsDriversOld": one(
        on(Bus.SCSI, "lsilogicsas", "windows7Server64Guest", OsFamily.WINDOWS),
        on(Bus.SCSI, "lsilogicsas", "windows2022srvNext_64Guest", OsFamily.WINDOWS),
    ),
    "GuestUntested": one(replace(PLAIN, guest_os="darwin20_64Guest", os_family=OsFamily.OTHER)),
    "WindowsDrivers": one(on(Bus.SCSI, "lsilogicsas", WINDOWS.guest_os, OsFamily.WINDOWS), WINDOWS),
    "WindowsClock": one(WINDOWS),
    "ToolsStay": one(
        replace(PLAIN, usage=Usage(tools=GuestTools.RUNNING)), replace(PLAIN, usage=Usage(tools=GuestTools.MISSING))
    ),
    "NicNames": one(with_nics(nic(0, VM_NETWORK, "vmxnet3"))),
    "CpuTopologyChanged": Case(asked(PLAIN, replace(SPEC, vcpus=3)), asked(PLAIN, replace(SPEC, vcpus=6))),
    "HotAdd": one(stating(Usage(memory_hot_add=True)), stating(Usage(memory_hot_add=False))),
    "NestedVirtualization": one(
        stating(Usage(nested_virtualization=True)), stating(Usage(nested_virtualization=False))
    ),
    "ChangeTrackingOff": one(stating(Usage(change_tracking=False)), stating(Usage(change_tracking=True))),
    "Suspended": one(replace(PLAIN, power=PowerState.SUSPENDED)),
    "EfiVariablesReset": one(replace(PLAIN, firmware=EFI)),
    "SecureBootKeys": one(replace(PLAIN, firmware=replace(EFI, secure_boot=True)), replace(PLAIN, firmware=EFI)),
    "SecureBootWithoutEfi": one(replace(PLAIN, firmware=Firmware(secure_boot=True))),
    "TpmStateReset": one(replace(PLAIN, firmware=replace(EFI, tpm=True)), replace(PLAIN, firmware=EFI)),
    "UuidUnknown": one(replace(PLAIN, smbios_uuid=None)),
    "UuidShared": Case(planned(PLAIN, replace(OTHER, smbios_uuid=UUID)), planned(PLAIN, OTHER)),
    "NoDisks": one(replace(PLAIN, disks=())),
    "DiskSizeUnknown": one(
        replace(PLAIN, disks=(replace(DISK, format=DiskFormat.BLANK, capacity=None),)),
        replace(PLAIN, disks=(replace(DISK, format=DiskFormat.BLANK),)),
    ),
    "DiskBusUnknown": one(replace(PLAIN, disks=(replace(DISK, bus=Bus.UNKNOWN, controller=""),))),
    "DiskBusChanged": one(on(Bus.SCSI, "pvscsi", PLAIN.guest_os), on(Bus.SCSI, "lsilogic", PLAIN.guest_os)),
    "NetworkUndecided": one(with_nics(nic(0, NOWHERE, "e1000e"))),
    "NetworkUnmapped": Case(asked(PLAIN, replace(SPEC, networks=())), asked(PLAIN, SPEC)),
    "MappingUnused": Case(asked(PLAIN, replace(SPEC, networks=MAPPED)), asked(PLAIN, SPEC)),
    "NicModelReplaced": one(replace(BSD, nics=(nic(0, VM_NETWORK, "sriov"),)), BSD),
    "NicDisconnected": one(with_nics(replace(CARD, connected=False))),
    "MacUnknown": one(with_nics(replace(CARD, mac=None))),
    "MacDuplicate": one(
        with_nics(CARD, replace(CARD, key="4001", network=DV_PORT_GROUP)),
        with_nics(CARD, nic(1, DV_PORT_GROUP, "e1000e")),
    ),
    "MacShared": Case(planned(PLAIN, replace(OTHER, nics=PLAIN.nics)), planned(PLAIN, OTHER)),
    "NameChanged": one(replace(PLAIN, name="Web.1 (old)")),
    "NameShared": Case(planned(PLAIN, replace(OTHER, name="web", folder="Test")), planned(PLAIN, OTHER)),
    "TargetNameInvalid": Case(
        asked(PLAIN, replace(SPEC, target_name="Web.1")), asked(PLAIN, replace(SPEC, target_name="web-1"))
    ),
    "StorageShort": Case(
        planned(PLAIN, wanted=replace(WANTED, free=Capacity(storage=Bytes(10 * GIB - 1)))),
        planned(PLAIN, wanted=replace(WANTED, free=Capacity(storage=Bytes(10 * GIB)))),
    ),
    "MemoryShort": Case(
        planned(PLAIN, wanted=replace(WANTED, free=Capacity(memory=MiB(4095)))),
        planned(PLAIN, wanted=replace(WANTED, free=Capacity(memory=MiB(4096)))),
    ),
}
