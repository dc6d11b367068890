"""All disks of a VM that is off, as one export lease gives them."""

import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim

from thresher.model.errors import SourceError
from thresher.model.vm import Disk, DiskFormat, SourceVM
from thresher.ports import DiskStream, Export
from thresher.sources.vcenter.access import address
from thresher.sources.vcenter.connection import VCenterConnection
from thresher.sources.vcenter.lease import NfcLease
from thresher.sources.vcenter.limits import ExportLimits, Places
from thresher.sources.vcenter.nfc import Meter, NfcDisk
from thresher.sources.vcenter.properties import machine, read
from thresher.sources.vcenter.rows import moref
from thresher.sources.vcenter.served import Called, LeaseItem, served

_log = logging.getLogger(__name__)

_DEVICE = re.compile(r"/(?P<controller>[A-Za-z]+)(?P<bus>\d+):(?P<unit>\d+)", re.ASCII)
"""The end of a lease's device key, such as ``/vm-13010/ParaVirtualSCSIController0:0``,
``/vm-13012/VirtualLsiLogicController0:0``, ``/vm-13767/VirtualAHCIController0:1``, ``/vm-5678/VirtualIDEController1:0``
or ``/vm-2468/VirtualNVMEController0:0`` (as Harvester's vm-import-controller has met them, detectDiskBusType in
pkg/source/vmware/client.go)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device hangs. The controller's type belongs to it: SCSI 0:0 and NVMe 0:0 are two disks.

    Attributes:
        controller: the controller's type in the API, lower case, such as ``paravirtualscsicontroller``.
        bus: the controller's number.
        unit: the device's number on it.
    """

    controller: str
    bus: int
    unit: int


def place_of(key: str) -> Place | None:
    """What the device key of a lease's item says; None where it names no place, as that of an NVRAM."""
    found = _DEVICE.search(key)
    if found is None or found.end() != len(key):
        return None
    return Place(found["controller"].lower(), int(found["bus"]), int(found["unit"]))


@dataclass(frozen=True, slots=True)
class _Device:
    """A disk of the VM as vCenter has it now.

    Attributes:
        key: the device's.
        content: the content id of the file that backs it; "" where vCenter states none.
    """

    key: str
    content: str


@dataclass(frozen=True, slots=True)
class _Host:
    """The ESXi host that the VM is registered at, which is the one that serves its disks.

    Attributes:
        id: its moref.
        build: of its ESXi; "" where the user may not see it.
    """

    id: str
    build: str

    def version(self, device: _Device) -> str:
        """What changes when the bytes of a disk's stream could; "" where nothing tells, so that it is never resumed.

        "If two disk backings have the same content ID and are not currently being written to, then reads issued
        from the guest operating system to those disk backings will return the same data" (vSphere Web Services
        API, VirtualDiskFlatVer2BackingInfo.contentId): it changes when the VM runs and writes. Another ESXi may
        compress the same content in another way.
        """
        return f"{device.content} {self.id} {self.build}" if device.content and self.build else ""


@asynccontextmanager
async def export_vm(connection: VCenterConnection, vm: SourceVM, *, limits: ExportLimits) -> AsyncIterator[Export]:
    """Open the disks of a VM that is off.

    Args:
        connection: entered by whoever owns it.
        vm: the VM, by its id; its disks by their device keys.
        limits: the source's; the export waits for its turn before anything is touched.

    Raises:
        SourceError: vCenter refuses, or its lease and the VM's description do not have the same disks.
    """
    meter = Meter()
    host = await connection.call(lambda instance: _host(instance, vm))
    async with limits.admitted(host.id) as places, NfcLease(connection, vm, meter.percent) as lease:
        # read while the lease keeps the VM from being altered
        devices, session = await connection.call(lambda instance: (_devices(instance, vm), _session(instance)))
        access = connection.access
        called = Called(address(access.endpoint), connection.fingerprint, access.ca_pem, session)
        opener = _Opener(called, host, lease, places, meter)
        items = _matched(vm, lease.items, devices)
        yield Export(tuple(opener.stream(vm, disk, *items[disk.key]) for disk in vm.disks))


def _host(instance: Any, vm: SourceVM) -> _Host:
    host = read(instance, machine(instance, vm), "runtime.host").get("runtime.host")
    if host is None:
        return _Host("", "")
    try:
        build = read(instance, host, "config.product.build").get("config.product.build", "")
    except vim.fault.NoPermission:
        build = ""
    return _Host(moref(host), build)


def _session(instance: Any) -> str:
    return str(instance._stub.GetSessionId())  # noqa: SLF001 - pyvmomi has no public way to its session


def _devices(instance: Any, vm: SourceVM) -> Mapping[Place, _Device]:
    """The VM's disks by where they hang."""
    hardware = read(instance, machine(instance, vm), "config.hardware.device")["config.hardware.device"]
    controllers = {device.key: device for device in hardware if isinstance(device, vim.vm.device.VirtualController)}
    found = {}
    for device in hardware:
        controller = controllers.get(device.controllerKey)
        if isinstance(device, vim.vm.device.VirtualDisk) and controller is not None:
            kind = type(controller).__name__.rpartition(".")[2].lower()
            content = getattr(device.backing, "contentId", None) or ""
            found[Place(kind, controller.busNumber, device.unitNumber)] = _Device(str(device.key), content)
    return found


def _matched(
    vm: SourceVM, items: Sequence[LeaseItem], devices: Mapping[Place, _Device]
) -> Mapping[str, tuple[LeaseItem, _Device]]:
    """The lease's disks by the keys of the VM's. Raises SourceError where the two are not the same."""
    wanted = {disk.key for disk in vm.disks}
    found: dict[str, tuple[LeaseItem, _Device]] = {}
    for item in items:
        if not item.disk:
            _log.debug("the export of %s also offers %s, which is no disk and is left out", vm.name, item.key)
            continue
        place = place_of(item.key)
        device = devices.get(place) if place is not None else None
        if device is None or device.key not in wanted or device.key in found:
            raise SourceError(
                f"the export of {vm.name} offers a disk {item.key} that is none of the VM's as it was found; look "
                "whether its disks were changed meanwhile, and start the import again"
            )
        found[device.key] = (item, device)
    missing = ", ".join(f"{disk.key} ({_where(disk)})" for disk in vm.disks if disk.key not in found)
    if missing:
        raise SourceError(
            f"the export of {vm.name} lacks its disk {missing}; vCenter does not export raw device mappings, nor "
            "disks that were removed: detach it, or look whether the VM was changed meanwhile"
        )
    return found


def _where(disk: Disk) -> str:
    return f"{disk.controller or disk.bus} {disk.bus_number}:{disk.unit}"


@dataclass(frozen=True, slots=True)
class _Opener:
    """Makes disk streams of a lease's items."""

    called: Called
    host: _Host
    lease: NfcLease
    places: Places
    meter: Meter

    def stream(self, vm: SourceVM, disk: Disk, item: LeaseItem, device: _Device) -> DiskStream:
        self.meter.expect(disk.key, disk.capacity or 1)
        source = NfcDisk(
            name=f"disk {disk.key} ({_where(disk)}) of {vm.name}",
            at=served(item, self.called),
            version=self.host.version(device),
            key=disk.key,
            lease=self.lease,
            places=self.places,
            meter=self.meter,
        )
        return DiskStream(disk, DiskFormat.VMDK_STREAM, source, content=device.content)
