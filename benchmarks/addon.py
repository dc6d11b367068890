"""What Harvester's vm-import-controller does with a VM of a vCenter before it serves the disks.

It exports the VM (``ExportVm``), downloads each VMDK of the lease into its volume, and converts each with ``qemu-img
convert`` (harvester/vm-import-controller: pkg/source/vmware, pkg/qemu). curl stands for its downloads: nothing that
writes a stream to a file is quicker.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from rig.vcenter import VCenter
from rig.vcenter.client import connected, disks, find, ready


def download(vc: VCenter, vm: str, folder: Path) -> None:
    """Export a VM, and download its disks one after the other."""
    with connected(vc) as si:
        lease = ready(find(si, f"/DC0/vm/{vm}").ExportVm())
        for number, item in enumerate(disks(lease)):
            command = ["curl", "-sSfk", "-o", str(folder / f"{number}.vmdk"), item.url]
            subprocess.run(command, check=True)
        lease.HttpNfcLeaseComplete()


def convert(folder: Path) -> Sequence[Path]:
    """Convert what was downloaded, one after the other; the raw images."""
    images = []
    for vmdk in sorted(folder.glob("*.vmdk")):
        images.append(vmdk.with_suffix(".img"))
        subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", str(vmdk), str(images[-1])], check=True)
    return images
