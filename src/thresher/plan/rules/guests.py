"""Which guest systems have drivers for VirtIO, by vSphere's word for the system (VirtualMachineGuestOsIdentifier).

Linux has virtio_net and virtio_blk since 2.6.24 and virtio_scsi since 3.4 (kernel.org, Documentation and changelogs of
those releases). The kernels: RHEL 3 has 2.4.21, RHEL 4 2.6.9, RHEL 5 2.6.18 (to which 4.8 and 5.3 brought virtio_net
and virtio_blk, and no update virtio_scsi), RHEL 6 2.6.32 (virtio_scsi since 6.3); SLES 9 2.6.5, SLES 10 2.6.16,
SLES 11 2.6.27 (3.0 since SP2); Debian 4 2.6.18, 5 2.6.26, 6 2.6.32. CentOS and Oracle Linux follow RHEL, Asianux 3 is
made of RHEL 5. Windows gets them from the virtio-win project, whose releases of today begin with Windows 10 and
Server 2016; nothing before Windows XP ever had any.
"""

from enum import Enum


class Support(Enum):
    """How well a guest system knows VirtIO."""

    FULL = "every device"
    NO_SCSI = "network cards and disks, but no VirtIO SCSI"
    UPDATES = "network cards and disks in late updates only, and no VirtIO SCSI"
    OLD_DRIVERS = "drivers in old releases of virtio-win only"
    NONE = "nothing"


_TABLE = (
    (Support.NONE, ("redhat", "rhel2", "rhel3", "sles10", "debian4", "suse", "sjds", "nld9")),
    (Support.UPDATES, ("rhel4", "rhel5", "asianux3")),
    (Support.NO_SCSI, ("debian5", "debian6", "sles11")),
    (Support.NONE, ("win2000", "win31", "win95", "win98", "winme", "winnt")),
    (
        Support.OLD_DRIVERS,
        ("winxp", "winnet", "winvista", "winlonghorn", "windows7", "windows8"),
    ),
    (
        Support.NONE,
        ("netware", "os2", "darwin", "solaris6", "solaris7", "solaris8", "solaris9", "unixware", "openserver"),
    ),
)
_EXACT = {
    "slesguest": Support.NONE,  # SLES 9
    "sles64guest": Support.NONE,
    "centosguest": Support.UPDATES,  # CentOS 4 and 5
    "centos64guest": Support.UPDATES,
    "oraclelinuxguest": Support.UPDATES,  # Oracle Linux 4 and 5
    "oraclelinux64guest": Support.UPDATES,
    "other24xlinuxguest": Support.NONE,
    "other24xlinux64guest": Support.NONE,
    "solarisguest": Support.NONE,
    "dosguest": Support.NONE,
}
UNTESTED = ("darwin", "netware", "os2", "vmkernel", "crxpod", "crxsys", "unixware", "openserver", "eComStation".lower())
"""Systems that nobody promises to run on KVM: macOS, NetWare, OS/2, ESXi itself, and VMware's own container guests."""


def support(guest_os: str) -> Support:
    """What a guest system knows of VirtIO; a system that is not in the table knows all of it."""
    word = guest_os.lower()
    if word in _EXACT:
        return _EXACT[word]
    return next((found for found, beginnings in _TABLE if word.startswith(beginnings)), Support.FULL)
