"""Kubernetes quantities, as far as volumes and memory need them."""

import re
from fractions import Fraction

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {f"{letter}i": 1024**power for power, letter in enumerate("KMGT", start=1)}
_FORM = re.compile(r"(\d+(?:\.\d+)?)(m|[kMGT]|[KMGT]i)?")


def parse(text: str | int) -> int:
    """A quantity such as ``10Gi`` as a number, rounded up.

    Raises:
        ValueError: it is none.
    """
    found = _FORM.fullmatch(str(text))
    if not found:
        raise ValueError(f"{text!r} is no quantity")
    factor = Fraction(1, 1000) if found[2] == "m" else Fraction(_UNITS[found[2] or ""])
    return -int(-Fraction(found[1]) * factor // 1)
