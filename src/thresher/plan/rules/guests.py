"""Which guest systems have drivers for VirtIO, by vSphere's word for the system (VirtualMachineGuestOsIdentifier).

What this says is a guess from a name: it makes warnings, and never stops an import.

- Red Hat Enterprise Linux 3.9, 4.8, 5.3 and 6, each and newer, load virtio_net and virtio_blk by themselves (Red Hat,
  RHEL 5 Virtualization Guide, chapter "KVM Para-virtualized Drivers"); CentOS and Oracle Linux follow it, and Asianux 3
  is made of RHEL 5. RHEL 2.1 is not in that list.
- The same chapter: other Linux from kernel 2.6.27 on; the drivers stand in kernel.org's since 2.6.24, virtio_scsi since
  3.4 (include/linux/virtio_scsi.h). SLES 9 has 2.6.5, SLES 10 2.6.16, SLES 11 2.6.27 (3.0 since SP2); Debian 4 2.6.18,
  5 2.6.26, 6 2.6.32. SUSE supports SLES 10 SP4 as a guest of KVM (SLES 12 Virtualization Guide, "Supported Guests"),
  and says nothing of VirtIO in it.
- RHEL 3.9 has them in a package of its own, kmod-virtio (RHEL 6 Virtualization Host Configuration and Guest
  Installation Guide, chapter 10.4). Red Hat Linux, before RHEL, and SUSE Linux, before SLES, are older than all of it.
- No Windows brings any: they are in virtio-win. Its ISO has NetKVM and viostor from Windows XP and Server 2003 on, and
  vioscsi from Server 2008 on (virtio-win/virtio-win-pkg-scripts, util/filemap.py, DRIVER_OS_MAP). Those for Windows
  before 10 and Server 2016 are not built any more: since January 2020 those up to Windows 7, later Windows 8 and 8.1,
  lie on it as they last were (data/README-old-drivers.md and data/old-drivers there). Its installer passes over systems
  that are not supported any more, which have to be given each driver by hand (issue 40 there).
"""

from enum import Enum


class Support(Enum):
    """How well a guest system knows VirtIO."""

    FULL = "every device"
    NO_SCSI = "network cards and disks, but no VirtIO SCSI"
    UPDATES = "network cards and disks in late updates only, and no VirtIO SCSI"
    OLD_DRIVERS = "every device, by drivers that virtio-win builds no more"
    OLD_NO_SCSI = "network cards and disks by drivers that virtio-win builds no more, but no VirtIO SCSI"
    NONE = "nothing"


_BEGINNINGS = (
    (Support.NONE, ("rhel2", "sles10", "debian4")),
    (Support.UPDATES, ("rhel3", "rhel4", "rhel5", "asianux3")),
    (Support.NO_SCSI, ("debian5", "debian6", "sles11")),
    (Support.NONE, ("win2000", "win31", "win95", "win98", "winme", "winnt")),
    (Support.OLD_NO_SCSI, ("winxp", "winnet")),
    (Support.OLD_DRIVERS, ("winvista", "winlonghorn", "windows7", "windows8")),
    (
        Support.NONE,
        ("netware", "os2", "darwin", "solaris6", "solaris7", "solaris8", "solaris9", "unixware", "openserver"),
    ),
)
"""Words that begin so: those that name the version, which no later system has."""
_EXACT = {
    "redhatguest": Support.NONE,  # Red Hat Linux, before RHEL
    "suseguest": Support.NONE,  # SUSE Linux, before SLES 9
    "suse64guest": Support.NONE,
    "sjdsguest": Support.NONE,  # Sun Java Desktop System, made of SUSE Linux
    "nld9guest": Support.NONE,  # Novell Linux Desktop 9, made of SLES 9
    "slesguest": Support.NONE,  # SLES 9
    "sles64guest": Support.NONE,
    "centosguest": Support.UPDATES,  # CentOS 4 and 5
    "centos64guest": Support.UPDATES,
    "oraclelinuxguest": Support.UPDATES,  # Oracle Linux 4 and 5
    "oraclelinux64guest": Support.UPDATES,
    "other24xlinuxguest": Support.NONE,
    "other24xlinux64guest": Support.NONE,
    "dosguest": Support.NONE,
}
"""Whole words of vSphere. They name no version: ``redhat`` and ``suse`` alone are what others call today's systems, as
os_distro of OpenStack's images, or VirtualBox's ``RedHat_64`` in an OVF."""
UNTESTED = ("darwin", "netware", "os2", "vmkernel", "crxpod", "crxsys", "unixware", "openserver", "ecomstation")
"""Systems that nobody promises to run on KVM: macOS, NetWare, OS/2, ESXi itself, and VMware's own container guests."""


def support(guest_os: str) -> Support:
    """What a guest system knows of VirtIO; a system that is not in the table knows all of it."""
    word = guest_os.lower()
    if word in _EXACT:
        return _EXACT[word]
    return next((found for found, beginnings in _BEGINNINGS if word.startswith(beginnings)), Support.FULL)
