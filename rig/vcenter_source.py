"""What tests of the vCenter source share: how to reach the simulator, and which VMs it has."""

from functools import partial

from rig.vcenter import VCenter
from thresher.model.vm import SourceVM
from thresher.sources.vcenter.connection import VCenterAccess, VCenterConnection
from thresher.sources.vcenter.export import export_vm
from thresher.sources.vcenter.limits import ExportLimits
from thresher.sources.vcenter.source import VCenterSource


def connection(vc: VCenter) -> VCenterConnection:
    """A connection that trusts the simulator's CA."""
    return VCenterConnection(VCenterAccess(vc.url, vc.username, vc.password, ca_pem=vc.ca_pem, timeout_s=20))


def source(connection: VCenterConnection, limits: ExportLimits, datacenter: str = "DC0") -> VCenterSource:
    """The source as it is put together for an import."""
    return VCenterSource(connection, datacenter, partial(export_vm, limits=limits))


async def inventory(source: VCenterSource) -> dict[str, SourceVM]:
    """The VMs by name."""
    return {vm.name: vm for vm in await source.inventory()}
