"""What tests of the vCenter source share: how to reach the simulator, and its VMs as the model has them."""

from typing import Any

from pyVmomi import vim

from rig.vcenter import VCenter
from rig.vcenter.client import read_vms
from thresher.model.units import Bytes, MiB
from thresher.model.vm import Bus, CpuTopology, Disk, DiskFormat, SourceVM
from thresher.sources.vcenter.connection import VCenterAccess, VCenterConnection

_BUSES = (
    (vim.vm.device.VirtualSCSIController, Bus.SCSI),
    (vim.vm.device.VirtualNVMEController, Bus.NVME),
    (vim.vm.device.VirtualSATAController, Bus.SATA),
    (vim.vm.device.VirtualIDEController, Bus.IDE),
)


def connection(vc: VCenter) -> VCenterConnection:
    """A connection that trusts the simulator's CA."""
    return VCenterConnection(VCenterAccess(vc.url, vc.username, vc.password, ca_pem=vc.ca_pem, timeout_s=20))


def _described(name: str, moref: str, hardware: list[Any]) -> SourceVM:
    controllers = {device.key: device for device in hardware if isinstance(device, vim.vm.device.VirtualController)}
    disks = tuple(
        Disk(
            key=str(device.key),
            capacity=Bytes(device.capacityInBytes),
            bus=next(bus for kind, bus in _BUSES if isinstance(controllers[device.controllerKey], kind)),
            bus_number=controllers[device.controllerKey].busNumber,
            unit=device.unitNumber,
            format=DiskFormat.VMDK_STREAM,
        )
        for device in hardware
        if isinstance(device, vim.vm.device.VirtualDisk)
    )
    return SourceVM(name=name, cpu=CpuTopology(1, 1), memory=MiB(64), id=moref, disks=disks)


async def described(connection: VCenterConnection) -> dict[str, SourceVM]:
    """The simulator's VMs by name, as far as exports and power need them."""
    found = await connection.call(lambda si: read_vms(si, ["name", "config.hardware.device"], 1000))
    return {vm["name"]: _described(vm["name"], vm[""], vm["config.hardware.device"]) for vm in found}
