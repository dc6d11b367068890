"""For each rule that a source finds: what it is made of, as the platform states it, and its twin."""

from typing import Any

from pyVmomi import vim

from rig.rule_cases import Case, Found, levels
from rig.vcenter.objects import AROUND, card, controller, device, disk, flat, on_network, rdm, snapshots, vm_row
from thresher.formats.ovf import parse_ovf
from thresher.sources.vcenter.rows import Row
from thresher.sources.vcenter.translate import source_vm

SCSI = controller("ParaVirtualSCSIController", 1000, sharedBus="noSharing")
CARD = card("VirtualVmxnet3", 4000, on_network("VM Network", "network-7"))
NAMESPACE = "http://schemas.dmtf.org/ovf/envelope/1"


def row(*devices: Any, **values: Any) -> Found:
    """A VM of vCenter with those devices."""
    return losses_of(vm_row([SCSI, *devices], **values))


def losses_of(found: Row) -> Found:
    """What the vCenter source finds."""
    return lambda: levels(source_vm(found, AROUND).losses)


def backed(backing: Any, twin: Any = None) -> Case:
    """A disk with such a backing."""
    return Case(row(disk(2000, 1000, 0, backing)), row(disk(2000, 1000, 0, twin or flat())))


def with_device(made: Any) -> Case:
    """A VM with such a device."""
    return Case(row(made), row(CARD))


def vcenter(**values: Any) -> Case:
    """A VM of which vCenter says that."""
    return Case(row(**values), row())


def item(identity: str, kind: int, inside: str = "") -> str:
    """One item of an OVF descriptor's hardware."""
    return f"<Item><InstanceID>{identity}</InstanceID><ResourceType>{kind}</ResourceType>{inside}</Item>"


DISK = '<Disk ovf:diskId="d" ovf:capacity="1073741824" ovf:fileRef="f"/>'
DRIVE = item("1", 17, "<HostResource>ovf:/disk/d</HostResource>")
CPU = item("cpu", 3, "<VirtualQuantity>1</VirtualQuantity>")


def package(
    items: str = DRIVE, *, disk: str = DISK, cpu: str = CPU, sections: str = "", again: str = "", outer: str = ""
) -> Found:
    """An OVF package with that hardware."""
    memory = item("mem", 4, "<AllocationUnits>MB</AllocationUnits><VirtualQuantity>512</VirtualQuantity>")
    text = (
        f'<Envelope xmlns="{NAMESPACE}" xmlns:ovf="{NAMESPACE}">'
        f'<References><File ovf:id="f" ovf:href="a.vmdk"/></References><DiskSection>{disk}</DiskSection>{outer}'
        f'<VirtualSystem ovf:id="vm"><Name>vm</Name>{sections}<VirtualHardwareSection>{cpu}{memory}{items}'
        f"</VirtualHardwareSection>{again}</VirtualSystem></Envelope>"
    )
    return lambda: levels(loss for vm in parse_ovf(text.encode()).vms for loss in vm.losses)


def has(items: str, twin: str = "") -> Case:
    """A package with more hardware than its twin."""
    return Case(package(DRIVE + items), package(DRIVE + twin))


def nic(inside: str) -> str:
    """A network card of an OVF package."""
    return item("n", 10, inside)


PLUGGED = nic("<Connection>net</Connection>")
EFI = '<Config ovf:key="firmware" ovf:value="efi"/>'
NVRAM = '<ExtraConfig ovf:key="nvram" ovf:value="ovf:/file/f"/>'

CASES: dict[str, Case] = {
    "ToolsMissing": vcenter(guest__toolsRunningStatus="guestToolsNotRunning"),
    "HardwareVersionNew": Case(row(config__version="vmx-22"), row(config__version="vmx-21")),
    "UnknownHardware": has(item("x", 4711)),
    "PciPassthrough": with_device(device.VirtualPCIPassthrough(key=13000)),
    "UsbPassthrough": with_device(device.VirtualUSB(key=14000)),
    "ScsiPassthrough": with_device(device.VirtualSCSIPassthrough(key=15001)),
    "SerialPort": with_device(device.VirtualSerialPort(key=9000)),
    "ParallelPort": with_device(device.VirtualParallelPort(key=10000)),
    "Floppy": with_device(device.VirtualFloppy(key=8000)),
    "Sound": with_device(device.VirtualSoundCard(key=5000)),
    "SriovNic": with_device(card("VirtualSriovEthernetCard", 4001, on_network("VM Network", "network-7"))),
    "Nvdimm": with_device(device.VirtualNVDIMM(key=16000)),
    "CdromMedia": Case(
        row(device.VirtualCdrom(key=3000, backing=device.VirtualCdrom.IsoBackingInfo(fileName="[gold] a.iso"))),
        row(
            device.VirtualCdrom(
                key=3000, backing=device.VirtualCdrom.RemotePassthroughBackingInfo(deviceName="", exclusive=False)
            )
        ),
    ),
    "ConfigurationUnreadable": Case(
        losses_of(Row("vm-9", "VirtualMachine", {"name": "lost", "runtime.connectionState": "inaccessible"})), row()
    ),
    "EncryptedVm": vcenter(config__keyId=vim.encryption.CryptoKeyId(keyId="k")),
    "FaultTolerance": vcenter(runtime__faultToleranceState="running"),
    "Template": vcenter(config__template=True),
    "Snapshots": vcenter(snapshot=snapshots("snapshot-1", "snapshot-1")),
    "RawDeviceMapping": backed(rdm("physicalMode")),
    "SharedDisk": backed(flat(sharing="sharingMultiWriter"), flat(sharing="sharingNone")),
    "IndependentDisk": backed(flat(diskMode="independent_persistent")),
    "LinkedClone": backed(flat(parent=flat(fileName="[gold] base/base.vmdk"))),
    "Usb": has(item("u", 23)),
    "HostBusAdapter": has(item("h", 7)),
    "AlternativeHardware": Case(package(again=f"<VirtualHardwareSection>{CPU}</VirtualHardwareSection>"), package()),
    "CpuUnstated": Case(package(cpu=""), package()),
    "StartupOrder": Case(package(sections="<StartupSection/>"), package()),
    "OvfProperties": Case(
        package(sections='<ProductSection><Property ovf:key="password" ovf:userConfigurable="true"/></ProductSection>'),
        package(
            sections='<ProductSection><Property ovf:key="password" ovf:userConfigurable="false"/></ProductSection>'
        ),
    ),
    "DeploymentOption": Case(
        package(outer='<DeploymentOptionSection><Configuration ovf:id="small"/></DeploymentOptionSection>'), package()
    ),
    "UnknownSection": Case(package(sections="<OtherSection/>"), package(sections="<AnnotationSection/>")),
    "EfiVariables": Case(package(DRIVE + EFI + NVRAM), package(DRIVE + EFI)),
    "TpmState": has(item("t", 1, "<ResourceSubType>vmware.vtpm</ResourceSubType>")),
    "DeltaDisk": Case(package(disk=DISK.replace("<Disk ", '<Disk ovf:parentRef="base" ')), package()),
    "CopiedDisk": has(item("2", 17, "<HostResource>ovf:/disk/d</HostResource>")),
    "UnattachedDisk": Case(package(""), package()),
    "DiskWithoutBacking": has(item("2", 17)),
    "InvalidMac": has(
        nic("<Connection>net</Connection><Address>nonsense</Address>"),
        nic("<Connection>net</Connection><Address>00:50:56:00:00:01</Address>"),
    ),
    "NicWithoutNetwork": has(nic(""), PLUGGED),
    "PassthroughNic": has(nic("<Connection>net</Connection><ResourceSubType>VmxnetSriov</ResourceSubType>"), PLUGGED),
}
