"""What a guest system's word means for translation."""

from thresher.model.vm import OsFamily

_LINUX = (
    "almalinux", "amazonlinux", "asianux", "centos", "coreos", "crxpod", "crxsys", "debian", "fedora", "flatcar",
    "kylin", "mandrake", "mandriva", "miraclelinux", "nld", "oes", "opensuse", "oraclelinux", "pardus", "redhat",
    "rhel", "rockylinux", "sjds", "sles", "suse", "turbolinux", "ubuntu", "vmwarephoton",
)  # fmt: skip
"""How the Linux systems of VirtualMachineGuestOsIdentifier begin (vSphere Web Services API); the others, such as
``other5xLinux64Guest``, hold the word Linux."""
_FAMILIES = {"linuxguest": OsFamily.LINUX, "windowsguest": OsFamily.WINDOWS}
"""VirtualMachineGuestOsFamily, which VMware Tools report as ``guest.guestFamily``."""


def os_family(configured: str, reported: str = "") -> OsFamily:
    """The family of the system that the VM is set up for, else of the one that its VMware Tools report.

    Args:
        configured: ``config.guestId``.
        reported: ``guest.guestFamily``.
    """
    word = configured.lower()
    if word.startswith("win"):
        return OsFamily.WINDOWS
    if word.startswith(_LINUX) or "linux" in word:
        return OsFamily.LINUX
    return _FAMILIES.get(reported.lower(), OsFamily.OTHER)
