"""The header block of a tar member.

Layout: POSIX.1-2017, pax, "ustar Interchange Format". The magic with two spaces, the types L, K and S and
numbers in base 256: GNU tar manual, "Basic Tar Format".
"""

import re
from dataclasses import dataclass

from thresher.model.errors import OvaError

BLOCK = 512
"""Headers are one block, and data is padded to whole blocks."""
MAX_SIZE = (1 << 63) - 1
"""The largest file offset of the systems that write archives (off_t)."""

REGULAR = frozenset(b"\x0007")
"""NUL is version 7's regular file; POSIX lets a reader treat a contiguous file (7) as a regular one."""
DIRECTORY = ord("5")
PAX = frozenset(b"xX")
"""X is what Solaris wrote before POSIX settled on x."""
PAX_GLOBAL = ord("g")
LONG_NAME = ord("L")
LONG_LINK = ord("K")
SPARSE = ord("S")

_REFUSED = {
    ord("1"): "a hard link",
    ord("2"): "a symbolic link",
    ord("3"): "a character device",
    ord("4"): "a block device",
    ord("6"): "a FIFO",
    SPARSE: "a sparse file",
}
_CHECKSUM = slice(148, 156)
_OCTAL = re.compile(rb" *([0-7]*)(?:[ \0].*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Header:
    """One header block, read.

    Attributes:
        name: as the block states it, prefix included; not yet checked.
        size: the stated size of the data, in bytes.
        type: the type flag.
    """

    name: bytes
    size: int
    type: int

    @property
    def is_directory(self) -> bool:
        """Version 7 had no type for a directory: its name ended in a slash."""
        return self.type == DIRECTORY or (self.type == 0 and self.name.endswith(b"/"))

    @property
    def kind(self) -> str:
        """What it is, in words, where it is neither a file nor a directory."""
        return _REFUSED.get(self.type, f"of the unknown tar type {chr(self.type)!r}")


def parse_header(block: bytes, offset: int) -> Header | None:
    """Read one block of 512 bytes, or return None for the block of zeros that ends an archive.

    Args:
        block: the block.
        offset: where it lies in the archive, for messages.

    Raises:
        OvaError: its checksum or a number in it is wrong.
    """
    if not any(block):
        return None
    _verify_checksum(block, offset)
    name = _text(block[:100])
    # In GNU's own headers (magic "ustar", two spaces) these bytes hold times, not a prefix.
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else b""
    size = _number(block[124:136], "size", offset)
    if size > MAX_SIZE:
        raise OvaError(f"a member of the archive claims {size} bytes; the archive is damaged", offset=offset)
    return Header(prefix + b"/" + name if prefix else name, size, block[156])


def _verify_checksum(block: bytes, offset: int) -> None:
    """Compare the sum of the block's bytes, its own checksum taken as spaces.

    POSIX sums unsigned bytes; some old tars summed signed ones, and GNU tar accepts either.
    """
    summed = block[: _CHECKSUM.start] + b" " * 8 + block[_CHECKSUM.stop :]
    unsigned = sum(summed)
    signed = unsigned - 256 * sum(byte > 127 for byte in summed)  # noqa: PLR2004 (the largest signed byte)
    if _number(block[_CHECKSUM], "checksum", offset) not in (unsigned, signed):
        raise OvaError(
            "a header of the archive has a wrong checksum; this is no tar archive, or it was damaged on its "
            "way: fetch the OVA again",
            offset=offset,
        )


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes, what: str, offset: int) -> int:
    """Read octal digits, or base 256 where the first bit is set. An empty field is 0, as tars take it."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        if not field[0] & 0x40:
            return value
    elif octal := _OCTAL.fullmatch(field):
        return int(octal[1] or b"0", 8)
    raise OvaError(
        f"a header of the archive has no usable {what}; this is no tar archive, or it was damaged on its way: "
        "fetch the OVA again",
        offset=offset,
    )
