"""The CRC-32 of gzip (RFC 1952, section 8), over data and over runs of zeros that nobody reads.

A run of zeros moves the CRC's register by a linear map over GF(2). The maps for 1, 2, 4, ... zero bytes are squares
of each other, so a run of any length takes about as many steps as its length has bits. zlib's ``crc32_combine`` rests
on the same fact.
"""

from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Final

from deflate import crc32

from thresher.model.units import MIB

_POLYNOMIAL: Final = 0xEDB88320
"""RFC 1952, section 8: the polynomial of CRC-32, lowest power first."""
_MASK: Final = 0xFFFFFFFF
_WIDTH: Final = 32
_ZEROS: Final = memoryview(bytes(MIB))

_Map = Sequence[int]
"""A linear map of the register: where it takes each of the 32 bits."""


def crc_of(data: memoryview, crc: int) -> int:
    """Go on from ``crc`` (0 at the beginning) over ``data``."""
    return int(crc32(data, crc))


def crc_of_zeros(length: int, crc: int) -> int:
    """Go on from ``crc`` over ``length`` zero bytes, without reading the long ones."""
    whole, rest = divmod(length, MIB)
    register = crc ^ _MASK
    for power in count():
        if not whole:
            break
        if whole & 1:
            register = _apply(_mebibytes(power), register)
        whole >>= 1
    return crc_of(_ZEROS[:rest], register ^ _MASK)


@cache
def _mebibytes(power: int) -> _Map:
    """The map for ``2 ** power`` MiB of zeros."""
    if power == 0:
        squarings = (8 * MIB).bit_length() - 1
        result = _one_bit()
        for _ in range(squarings):
            result = _squared(result)
        return result
    return _squared(_mebibytes(power - 1))


def _one_bit() -> _Map:
    """The map for one zero bit: a shift, and the polynomial where a one falls out."""
    return [_POLYNOMIAL, *(1 << bit for bit in range(_WIDTH - 1))]


def _squared(once: _Map) -> _Map:
    return [_apply(once, column) for column in once]


def _apply(linear: _Map, register: int) -> int:
    result = 0
    for column in linear:
        if register & 1:
            result ^= column
        register >>= 1
    return result
