"""A simulated vCenter (or ESXi host) on loopback: govmomi's simulator with exports, time and faults added.

with vcenter(Inventory(vms=(Vm("web", disks=(Disk(8 * GIB, stream=path),)),))) as vc:
    ...connect any client to vc.url with vc.username and vc.password, trusting vc.ca_pem...
    vc.faults(cut_after=1_000_000, cut_times=1)
    assert not vc.leases()
"""

from rig.vcenter.inventory import (
    POWERED_OFF,
    POWERED_ON,
    SUSPENDED,
    Datacenter,
    Disk,
    Inventory,
    Network,
    Nic,
    Shutdown,
    Vm,
)
from rig.vcenter.process import (
    USERNAME,
    Certificate,
    Download,
    Fault,
    Lease,
    LeaseEnd,
    Log,
    Machine,
    MortalVCenter,
    PowerChange,
    Session,
    VCenter,
    build,
    vcenter,
)

__all__ = [
    "POWERED_OFF",
    "POWERED_ON",
    "SUSPENDED",
    "USERNAME",
    "Certificate",
    "Datacenter",
    "Disk",
    "Download",
    "Fault",
    "Inventory",
    "Lease",
    "LeaseEnd",
    "Log",
    "Machine",
    "MortalVCenter",
    "Network",
    "Nic",
    "PowerChange",
    "Session",
    "Shutdown",
    "VCenter",
    "Vm",
    "build",
    "vcenter",
]
