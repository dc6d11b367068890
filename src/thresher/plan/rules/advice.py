"""What is good to know of a VM and changes no verdict."""

from collections.abc import Iterator

from thresher.model.spec import ImportSpec
from thresher.model.vm import GuestTools, Loss, OsFamily, SourceVM
from thresher.targets.manifests import plan


def nic_names(spec: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """A Linux guest may call its cards otherwise when their model changes (systemd.net-naming-scheme)."""
    changed = [
        planned.nic.key
        for planned in plan.nics(spec, vm)
        if planned.nic.model and planned.model.value != planned.nic.model
    ]
    if vm.os_family is OsFamily.LINUX and changed:
        message = (
            f"NIC {', '.join(changed)}: the guest may call it otherwise (enp1s0 for ens192): have its network settings "
            "name cards by their MAC address, which is kept."
        )
        yield Loss("NicNames", "guest", message)


def tools_stay(_: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """VMware Tools do nothing in the new VM."""
    if vm.usage.tools in (GuestTools.STOPPED, GuestTools.RUNNING):
        message = "VMware Tools come along and do nothing: remove them after the import, and install qemu-guest-agent."
        yield Loss("ToolsStay", "guest", message)


def change_tracking(_: ImportSpec, vm: SourceVM) -> Iterator[Loss]:
    """The source does not know which blocks changed."""
    if vm.usage.change_tracking is False and vm.disks:
        message = (
            "Changed block tracking is off, so nothing but the whole disk can be copied: turn it on (ctkEnabled) where "
            "copies of changes alone are wanted."
        )
        yield Loss("ChangeTrackingOff", "disks", message)


RULES = {"NicNames": nic_names, "ToolsStay": tools_stay, "ChangeTrackingOff": change_tracking}
"""By the rule that each finds."""
ADVICE = tuple(RULES.values())
