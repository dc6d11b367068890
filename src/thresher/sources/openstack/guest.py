"""What an image says of the guest system in it (Glance, "Useful image properties": os_type, os_distro, os_version)."""

from thresher.model.vm import OsFamily
from thresher.sources.openstack.rows import Row

_LINUX = (
    "almalinux", "alpine", "altlinux", "amazonlinux", "amzn", "arch", "centos", "cirros", "coreos", "debian",
    "eurolinux", "fedora", "flatcar", "gentoo", "kylin", "linux", "mageia", "mandrake", "mandriva", "manjaro", "mes",
    "nixos", "ol", "openeuler", "opensuse", "oraclelinux", "rhel", "rocky", "scientificlinux", "slackware", "sled",
    "sles", "suse", "ubuntu", "virtuozzo", "voidlinux",
)  # fmt: skip
"""How Linux systems begin in os_distro: Glance's documentation and libosinfo's short ids, which it refers to."""


def guest_os(properties: Row) -> str:
    """The image's own words for the system, such as ``ubuntu 24.04``; "" where it has none."""
    words = (_word(properties, "os_distro") or _word(properties, "os_type"), _word(properties, "os_version"))
    return " ".join(word for word in words if word) if words[0] else ""


def os_family(properties: Row) -> OsFamily:
    """The family of the system: what the image calls it, else what its distribution belongs to."""
    stated, distro = _word(properties, "os_type").lower(), _word(properties, "os_distro").lower()
    if stated == "windows" or distro.startswith(("win", "mswin")):
        return OsFamily.WINDOWS
    if stated == "linux" or distro.startswith(_LINUX):
        return OsFamily.LINUX
    return OsFamily.OTHER


def _word(properties: Row, name: str) -> str:
    return str(properties.get(name) or "").strip()
