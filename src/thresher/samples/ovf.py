"""The sample VM's OVF descriptor (DMTF DSP0243 1.1), with the hardware that vCenter would write."""

from dataclasses import dataclass

from thresher.model.units import Bytes

NETWORK = "VM Network"
MAC = "00:50:56:12:34:56"  # from the range that VMware sets aside for addresses given by hand
UUID = "564d7468-7265-7368-6572-2073616d706c"
"""The SMBIOS UUID. VMware's begin with 56 4d, "VM" in ASCII; this one goes on with "thresher sampl"."""
MEMORY_MIB = 64


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One disk file as the descriptor names it: its name, its size and its disk's capacity, in bytes."""

    name: str
    size: Bytes
    capacity: Bytes


_RASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
_VSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
_FORMAT = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"

_ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
          xmlns:rasd="{rasd}" xmlns:vssd="{vssd}" xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
{files}
  </References>
  <DiskSection>
    <Info>The virtual disks</Info>
{disks}
  </DiskSection>
  <NetworkSection>
    <Info>The networks that the machine is plugged into</Info>
    <Network ovf:name="{network}">
      <Description>The network of the sample</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A small machine that boots and says so on its serial console</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="101" vmw:osType="otherLinux64Guest">
      <Info>The guest operating system</Info>
      <Description>Other Linux (64-bit)</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>What the machine is made of</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType>
      </System>
{items}
      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="bios"/>
      <vmw:ExtraConfig ovf:required="false" vmw:key="uuid.bios" vmw:value="{uuid}"/>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


def sample_ovf(name: str, files: tuple[SampleFile, ...]) -> str:
    """Describe the sample VM: one vCPU, 64 MiB, one NIC, and a SATA disk for each file.

    Args:
        name: of the VM; plain enough to stand in XML as it is.
        files: in the order of their places on the controller.
    """
    references = [
        f'    <File ovf:href="{file.name}" ovf:id="file{n}" ovf:size="{file.size}"/>'
        for n, file in enumerate(files, start=1)
    ]
    disks = [
        f'    <Disk ovf:capacity="{file.capacity}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk{n}"'
        f' ovf:fileRef="file{n}" ovf:format="{_FORMAT}"/>'
        for n, file in enumerate(files, start=1)
    ]
    return _ENVELOPE.format(
        rasd=_RASD,
        vssd=_VSSD,
        network=NETWORK,
        uuid=_vmware_uuid(UUID),
        name=name,
        files="\n".join(references),
        disks="\n".join(disks),
        items="\n".join(_items(len(files))),
    )


def _vmware_uuid(uuid: str) -> str:
    """As .vmx files and ExtraConfig write it: bytes in two groups of eight."""
    octets = bytes.fromhex(uuid.replace("-", ""))
    return f"{octets[:8].hex(' ')}-{octets[8:].hex(' ')}"


def _items(disks: int) -> list[str]:
    """The hardware. Children come in alphabetical order, as the schema asks."""
    fixed = [
        {
            "AllocationUnits": "hertz * 10^6",
            "ElementName": "1 virtual CPU",
            "InstanceID": "1",
            "ResourceType": "3",
            "VirtualQuantity": "1",
        },
        {
            "AllocationUnits": "byte * 2^20",
            "ElementName": f"{MEMORY_MIB} MiB of memory",
            "InstanceID": "2",
            "ResourceType": "4",
            "VirtualQuantity": str(MEMORY_MIB),
        },
        {
            "Address": "0",
            "ElementName": "SATA controller 0",
            "InstanceID": "3",
            "ResourceSubType": "vmware.sata.ahci",
            "ResourceType": "20",
        },
        {
            "Address": MAC,
            "AddressOnParent": "7",
            "AutomaticAllocation": "true",
            "Connection": NETWORK,
            "ElementName": "Network adapter 1",
            "InstanceID": "4",
            "ResourceSubType": "VmxNet3",
            "ResourceType": "10",
        },
    ]
    hard_disks = [
        {
            "AddressOnParent": str(n),
            "ElementName": f"Hard disk {n + 1}",
            "HostResource": f"ovf:/disk/vmdisk{n + 1}",
            "InstanceID": str(10 + n),
            "Parent": "3",
            "ResourceType": "17",
        }
        for n in range(disks)
    ]
    return [_item(fields) for fields in fixed + hard_disks]


def _item(fields: dict[str, str]) -> str:
    lines = [f"        <rasd:{tag}>{value}</rasd:{tag}>" for tag, value in fields.items()]
    return "\n".join(["      <Item>", *lines, "      </Item>"])
