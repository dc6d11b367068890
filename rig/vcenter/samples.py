"""An inventory with one of everything, which the simulator's own tests share."""

import random
from pathlib import Path
from typing import Any

from pyVmomi import vim

from rig.vcenter.client import find
from rig.vcenter.inventory import (
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

MIB = 1 << 20
STREAM = random.Random(3).randbytes(300_001)  # noqa: S311 - the same bytes each time
SECOND = random.Random(4).randbytes(70_000)  # noqa: S311 - likewise
UUID = "42120d4e-3b0a-4d43-9a57-1f0b2c3d4e5f"
INSTANCE = "50120d4e-3b0a-4d43-9a57-1f0b2c3d4e5f"

EVERYTHING = Vm(
    "all",
    disks=(
        Disk(8 * MIB, controller="pvscsi", unit=1),
        Disk(8 * MIB + 512, controller="lsilogic", bus=1),
        Disk(8 * MIB, controller="lsilogicsas", bus=2, sharing="sharingMultiWriter"),
        Disk(8 * MIB, controller="buslogic", bus=3, mode="independent_persistent"),
        Disk(8 * MIB, controller="ahci", unit=2, rdm="physicalMode"),
        Disk(8 * MIB, controller="ide", unit=1, parent="[datastore1] golden/golden.vmdk"),
        Disk(8 * MIB, controller="nvme"),
    ),
    nics=(
        Nic("VM Network", "00:50:56:80:00:01", "vmxnet3", addresses=("10.0.3.7/22", "fe80::1/64", "2001:db8::5/64")),
        Nic("pg-a", "00:50:56:80:00:02", "e1000e", addresses=("192.0.2.9/24",)),
        Nic("segment", "00:50:56:80:00:03", "e1000", connected=False),
        Nic("VM Network", "00:50:56:80:00:04", "sriov"),
        Nic("", "00:50:56:80:00:05", "pcnet32"),
    ),
    folder="Prod/A%2fB",
    guest_id="windows2019srv_64Guest",
    cpus=8,
    cores_per_socket=4,
    memory_mb=3333,
    firmware="efi",
    secure_boot=True,
    tpm=True,
    hardware_version="vmx-21",
    uuid=UUID,
    instance_uuid=INSTANCE,
    annotation="first line\nsecond: äö 한글",
    cdrom="[datastore1] iso/setup.iso",
    usb=True,
    pci_passthrough=True,
    snapshots=("before", "after"),
    encryption_key="key-1",
    fault_tolerance="running",
    tools="toolsOld",
    power=POWERED_ON,
)


def write_files(folder: Path) -> None:
    """Write the files of the disks."""
    (folder / "one.vmdk").write_bytes(STREAM)
    (folder / "two.vmdk").write_bytes(SECOND)
    with (folder / "one.raw").open("wb") as raw:
        raw.truncate(8 * MIB)
        raw.seek(2 * MIB)
        raw.write(STREAM)


def sample(files: Path) -> Inventory:
    """The inventory; ``files`` holds what :func:`write_files` wrote."""
    disk = Disk(8 * MIB, files / "one.vmdk", files / "one.raw")
    second = Disk(4 * MIB, files / "two.vmdk", controller="ahci", unit=3)
    return Inventory(
        datacenters=(
            Datacenter(
                "EU/Berlin",
                hosts=("esx-1", "esx-2"),
                networks=(
                    Network("VM Network"),
                    Network("pg-a", "distributed", "DSwitch"),
                    Network("segment", "opaque", id="9d3f"),
                ),
            ),
            Datacenter("Lab", hosts=("esx-3",)),
        ),
        vms=(
            Vm("off", disks=(disk, second), host="esx-1", cdrom="[datastore1] iso/a.iso"),
            Vm("on", disks=(disk,), host="esx-2", power=POWERED_ON, shutdown=Shutdown(never=True)),
            Vm("tracked", disks=(disk,), change_tracking=True, power=POWERED_ON),
            Vm("toolless", power=POWERED_ON, tools="toolsNotInstalled"),
            Vm("paused", power=SUSPENDED),
            EVERYTHING,
            Vm("twin", folder="A"),
            Vm("twin", folder="B/C"),
            Vm("half/half", datacenter="Lab"),
            Vm("bulk", count=250, folder="Bulk"),
        ),
    )


def vm_named(si: vim.ServiceInstance, name: str) -> Any:
    """A VM of the sample by its path below the VM folder."""
    return find(si, f"EU/Berlin/vm/{name}")
