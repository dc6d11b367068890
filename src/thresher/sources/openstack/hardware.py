"""CPUs, memory and firmware of a server, from its flavor and its image.

Source: Nova's documentation, "Extra Specs" and "CPU topologies"; Glance's "Useful image properties".
"""

from collections.abc import Iterator
from dataclasses import dataclass

from thresher.model.vm import CpuTopology, Firmware, FirmwareType
from thresher.sources.openstack.rows import Row

_ANY = 65536
"""Nova's limit where neither flavor nor image states one (``nova.virt.hardware``)."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What flavor and image say of sockets, cores and threads; None where they do not.

    Attributes:
        wanted: the numbers preferred.
        most: the numbers that must not be exceeded.
    """

    wanted: tuple[int | None, int | None, int | None]
    most: tuple[int, int, int]


def extra_specs(flavor: Row) -> Row:
    """A flavor's extra specs; empty where the user may not see them."""
    specs: Row = flavor.get("extra_specs") or {}
    return specs


def topology(flavor: Row, properties: Row) -> tuple[CpuTopology, int]:
    """The vCPUs as the guest sees them, and how many threads a core has; threads are counted as cores.

    Nova's own choice: what matches most of the preferred numbers, then few threads, then many sockets.
    """
    vcpus = max(int(flavor.get("vcpus") or 1), 1)
    stated = _stated(flavor, properties)
    sockets, _, threads = max(
        _possible(vcpus, stated.most),
        key=lambda one: (_matches(one, stated), one[0] * one[1], one[0], one[2]),
        default=(vcpus, 1, 1),
    )
    return CpuTopology.of(vcpus, vcpus // sockets), threads


def firmware(flavor: Row, properties: Row) -> Firmware:
    """What the guest boots with.

    ``os_secure_boot`` may say ``optional``, which leaves it to the host: only ``required`` is certain.
    """
    specs = extra_specs(flavor)
    secure = (specs.get("os:secure_boot"), properties.get("os_secure_boot"))
    tpm = [specs.get("hw:tpm_version"), specs.get("hw:tpm_model")]
    tpm += [properties.get("hw_tpm_version"), properties.get("hw_tpm_model")]
    return Firmware(
        type=FirmwareType.EFI if properties.get("hw_firmware_type") == "uefi" else FirmwareType.BIOS,
        secure_boot="required" in secure,
        tpm=any(tpm),
    )


def _stated(flavor: Row, properties: Row) -> Stated:
    """An image's preferred numbers go before a flavor's, and the smaller of both limits counts."""
    specs = extra_specs(flavor)
    wanted, most = [], []
    for unit in ("sockets", "cores", "threads"):
        wanted.append(_number(properties.get(f"hw_cpu_{unit}")) or _number(specs.get(f"hw:cpu_{unit}")))
        limits = (_number(properties.get(f"hw_cpu_max_{unit}")), _number(specs.get(f"hw:cpu_max_{unit}")))
        most.append(min((limit for limit in limits if limit), default=_ANY))
    return Stated((wanted[0], wanted[1], wanted[2]), (most[0], most[1], most[2]))


def _possible(vcpus: int, most: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    for sockets in _divisors(vcpus, most[0]):
        for cores in _divisors(vcpus // sockets, most[1]):
            threads = vcpus // sockets // cores
            if threads <= most[2]:
                yield sockets, cores, threads


def _divisors(number: int, most: int) -> Iterator[int]:
    return (one for one in range(1, min(number, most) + 1) if number % one == 0)


def _matches(found: tuple[int, int, int], stated: Stated) -> int:
    return sum(number == wanted for number, wanted in zip(found, stated.wanted, strict=True))


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isdecimal() and int(text) > 0 else None
