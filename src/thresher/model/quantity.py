"""Kubernetes quantities of memory, as ``k8s.io/apimachinery/pkg/api/resource`` defines them."""

import re
from decimal import ROUND_CEILING, Decimal

from thresher.model.units import Bytes, MiB, mib_of_bytes

_FACTORS = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
    "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50,
}  # fmt: skip
_QUANTITY = re.compile(r"(?P<number>\d{1,18}(?:\.\d{0,9})?)(?P<suffix>[kMGTP]|[KMGTP]i)?")


def bytes_of_quantity(text: str) -> Bytes:
    """Convert a quantity such as ``4Gi``, ``1k`` or ``0`` to a whole number of bytes (or things), rounding up.

    Raises:
        ValueError: it is no quantity. ``m`` (thousandths) and exponents, which Kubernetes would allow, are
            taken for slips.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError("must be a quantity such as 4Gi or 512Mi")
    exact = Decimal(match["number"]) * _FACTORS[match["suffix"] or ""]
    return Bytes(int(exact.to_integral_value(ROUND_CEILING)))


def memory_of_quantity(text: str) -> MiB:
    """Convert a quantity of memory such as ``4Gi``, ``4096Mi`` or ``4294967296`` to MiB, rounding up.

    Raises:
        ValueError: it is no quantity as :func:`bytes_of_quantity` reads them, or not positive.
    """
    size = bytes_of_quantity(text)
    if size <= 0:
        raise ValueError("must be more than 0")
    return mib_of_bytes(size)
