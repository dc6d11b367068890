"""The guest system: its word and its family."""

from thresher.formats.ovf.xml import Element
from thresher.model.vm import OsFamily

_WINDOWS_IDS = frozenset({15, 16, 17, 18, 19, 58, 63, 67, 103, 105, *range(69, 78), *range(111, 123)})
"""CIM_OperatingSystem.OSType, which OperatingSystemSection's id is, from Windows 3.x on."""
_LINUX_IDS = frozenset({36, 79, 80, *range(82, 102), *range(106, 110), 123, 124, 125})
_LINUX_WORDS = (
    "linux", "ubuntu", "debian", "rhel", "redhat", "red hat", "rhcos", "centos", "fedora", "suse", "sles",
    "photon", "coreos", "flatcar", "rocky", "alma", "amazon", "mandriva", "mandrake", "gentoo", "turbolinux",
    "asianux", "crxpod", "crxsys", "oracle_",
)  # fmt: skip


def read_guest(system: Element) -> tuple[str, OsFamily]:
    """The platform's word for the guest system, and what it means.

    VMware's ``vmw:osType`` says most, then VirtualBox's OSType, then the description beside the CIM id.
    """
    section = next(system.sections("OperatingSystemSection"), None)
    if section is None:
        return "", OsFamily.OTHER
    description = section.value("Description")
    word = section.get("osType") or section.value("OSType") or description
    identity = section.get("id")
    number = int(identity) if identity.isascii() and identity.isdigit() and len(identity) < 6 else 0  # noqa: PLR2004
    return word, _family(section.get("osType"), number, f"{word} {description}")


def _family(vmware: str, cim: int, words: str) -> OsFamily:
    lower = words.lower()
    if vmware.lower().startswith("win") or "windows" in lower or cim in _WINDOWS_IDS:
        return OsFamily.WINDOWS
    if any(word in lower for word in _LINUX_WORDS) or cim in _LINUX_IDS:
        return OsFamily.LINUX
    return OsFamily.OTHER
