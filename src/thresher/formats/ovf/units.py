"""Quantities of an OVF descriptor: numbers, allocation units, MAC addresses, UUIDs."""

import re

from thresher.formats.ovf.xml import Element, shown
from thresher.model.units import Bytes

MAX_QUANTITY = (1 << 63) - 1
"""A file offset is a signed 64-bit number; no disk or memory is larger."""

_WORDS = {"": 0, "b": 0, "byte": 0, "bytes": 0}
for _power, _names in enumerate(("k kilo kibi", "m mega mebi", "g giga gibi", "t tera tebi", "p peta pebi"), 1):
    _letter, _decimal, _binary = _names.split()
    for _stem in (_decimal, _binary):
        _WORDS |= {f"{_stem}byte": _power, f"{_stem}bytes": _power}
    _WORDS |= {f"{_letter}b": _power, f"{_letter}ib": _power}

_FACTOR = re.compile(r"([0-9]{1,19})(?:\s*\^\s*([0-9]{1,2}))?")
_NUMBER = re.compile(r"[0-9]{1,20}")
_MAC = re.compile(r"[0-9a-f]{12}")
_UUID = re.compile(r"[0-9a-f]{32}")
_VMWARE_ESCAPES = {"%2f": "/", "%5c": "\\", "%25": "%"}


def number(text: str, what: str, at: Element) -> int:
    """A whole number of at most 63 bits.

    Raises:
        OvfError: it is none.
    """
    if not _NUMBER.fullmatch(text) or int(text) > MAX_QUANTITY:
        raise at.error(f"{what} should be a whole number below 2^63, not {shown(text)}; correct the descriptor")
    return int(text)


def optional_number(text: str) -> int | None:
    """A whole number, or None where the text is none: for addresses, which platforms also write as words."""
    return int(text) if _NUMBER.fullmatch(text) and int(text) <= MAX_QUANTITY else None


def unit_factor(unit: str, at: Element) -> int:
    """How many bytes one unit is.

    DSP0004 (annex C) has programmatic units such as ``byte * 2^20``. The words of CIM's older Units qualifier
    (``MegaBytes``, ``MB``) are binary in OVF, as VMware, VirtualBox and oVirt write and read them.

    Raises:
        OvfError: the unit is not known.
    """
    word, *factors = unit.lower().split("*")
    power = _WORDS.get(word.strip())
    if power is None or len(unit) > 100:  # noqa: PLR2004 (no unit is so long, and the product stays small)
        raise _unknown(unit, at)
    result = 1 << (10 * power)
    for text in factors:
        match = _FACTOR.fullmatch(text.strip())
        if not match:
            raise _unknown(unit, at)
        result *= int(match[1]) ** int(match[2] or 1)
    return result


def _unknown(unit: str, at: Element) -> Exception:
    return at.error(f"the allocation unit {shown(unit)} is not known; write it as 'byte * 2^20' or the like")


def size(text: str, unit: str, what: str, at: Element) -> Bytes:
    """A size in bytes.

    Raises:
        OvfError: the number or the unit is not understood, or the product has more than 63 bits.
    """
    result = number(text, what, at) * unit_factor(unit, at)
    if result > MAX_QUANTITY:
        raise at.error(f"{what} of {shown(text)} x {shown(unit)} is absurd; correct the descriptor")
    return Bytes(result)


def truth(text: str) -> bool:
    """Whether a platform's word means yes (VMware writes TRUE and true, oVirt True, others 1)."""
    return text.strip().lower() in ("true", "1", "yes")


def mac_address(text: str) -> str | None:
    """``aa:bb:cc:dd:ee:ff`` of any spelling, or None where it is no MAC address."""
    digits = re.sub(r"[:.\-\s]", "", text.lower())
    if not _MAC.fullmatch(digits):
        return None
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def canonical_uuid(text: str) -> str | None:
    """A UUID in canonical lower case of any spelling (``{...}``, VMware's ``56 4d ..-..``), or None."""
    digits = re.sub(r"[{}\-\s]", "", text.lower())
    if not _UUID.fullmatch(digits) or not digits.strip("0"):
        return None
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def display_name(text: str) -> str:
    """A name as people see it: VMware escapes slash, backslash and percent sign in inventory names."""
    return re.sub(r"(?i)%(?:2f|5c|25)", lambda match: _VMWARE_ESCAPES[match[0].lower()], text)
