"""Tells glibc to keep the memory of inflated grains instead of giving it back to the kernel after each.

Every grain is inflated into 64 KiB of fresh memory and freed once it is written. By default glibc trims the top of a
heap that has 128 KiB free, so that nearly every grain faults its pages in anew: a third of a conversion's system time.
"""

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_TOP_PAD = -1, -2
"""malloc.h of glibc; man mallopt(3)."""
_KEEP = 128 << 20
"""More than a transfer's workers ever hold, so that it is never trimmed; memory is only taken as it is touched."""
_GROW = 16 << 20


@cache
def keep_freed_memory() -> bool:
    """Do so once for this process; False where the C library has no such switch, and then nothing is different."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEEP)) and bool(mallopt(_M_TOP_PAD, _GROW))
