"""A server of OpenStack as the model has it. Pure: what was read in, :class:`SourceVM` out."""

from thresher.model.units import MiB
from thresher.model.vm import CpuTopology, SourceVM
from thresher.sources.openstack import devices
from thresher.sources.openstack.guest import guest_os, os_family
from thresher.sources.openstack.hardware import firmware, topology
from thresher.sources.openstack.losses import flavor_gone, losses, unreadable
from thresher.sources.openstack.rows import Row, Surroundings, flavor, properties
from thresher.sources.openstack.states import VM_STATE, power_of


def source_vm(server: Row, around: Surroundings) -> SourceVM:
    """Translate what was read of a server.

    A server that Nova cannot read, or whose flavor nobody knows, comes out with a blocker among its losses, and with
    nothing in it. The guest sees the server's id as its SMBIOS UUID (Nova's libvirt driver).
    """
    key, name, power = server["id"], server.get("name") or server["id"], power_of(server)
    size = flavor(server, around)
    if VM_STATE not in server or size is None:
        why = flavor_gone() if VM_STATE in server else unreadable(server)
        return SourceVM(name, CpuTopology(1, 1), MiB(0), power=power, id=key, losses=(why,))
    stated = properties(server, around)
    cpu, threads = topology(size, stated)
    return SourceVM(
        name=name,
        cpu=cpu,
        memory=MiB(int(size.get("ram") or 0)),
        guest_os=guest_os(stated),
        os_family=os_family(stated),
        firmware=firmware(size, stated),
        smbios_uuid=key.lower(),
        disks=devices.disks(server, around, size, stated),
        nics=devices.nics(server, around, stated),
        power=power,
        hardware_version=str(stated.get("hw_machine_type") or ""),
        notes=server.get("description") or "",
        id=key,
        losses=losses(server, around, size, stated, threads),
    )
