"""Tar archives for tests: by Python's tarfile where it can, block by block where it would not."""

import io
import tarfile
from collections.abc import Mapping

from thresher.formats.ova import EndOfArchive, Member, MemberData, MemberEnd, OvaReader

BLOCK = 512
END = bytes(2 * BLOCK)

Told = list[Member | bytes | MemberEnd | EndOfArchive]
"""The events of an archive, the data of each member joined."""


def tar_of(files: Mapping[str, bytes], format_: int = tarfile.USTAR_FORMAT) -> bytes:
    """Pack ``files`` with tarfile, in one of its three formats."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def header(
    name: bytes,
    size: bytes = b"00000000000\0",
    kind: bytes = b"0",
    *,
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    signed: bool = False,
) -> bytes:
    """One header block, its fields as given and its checksum right."""
    block = bytearray(BLOCK)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = size
    block[148:156] = b" " * 8
    block[156:157] = kind
    block[257 : 257 + len(magic)] = magic
    block[345 : 345 + len(prefix)] = prefix
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in block)  # noqa: PLR2004
    block[148:156] = b"%06o\0 " % total
    return bytes(block)


def octal(size: int) -> bytes:
    """A size as ustar writes it."""
    return b"%011o\0" % size


def padded(data: bytes) -> bytes:
    """Data as it lies in an archive."""
    return data + bytes(-len(data) % BLOCK)


def member(name: bytes, data: bytes = b"", kind: bytes = b"0") -> bytes:
    """A header and its data."""
    return header(name, octal(len(data)), kind) + padded(data)


def record(keyword: bytes, value: bytes) -> bytes:
    """A pax record; its length counts itself."""
    length = len(keyword) + len(value) + 3
    while len(str(length)) + len(keyword) + len(value) + 3 != length:
        length = len(str(length)) + len(keyword) + len(value) + 3
    return b"%d %s=%s\n" % (length, keyword, value)


def tell(*pieces: bytes) -> Told:
    """Read an archive that comes in ``pieces`` to its end."""
    reader, told = OvaReader(), Told()
    for piece in pieces:
        for event in reader.receive(piece):
            if not isinstance(event, MemberData):
                told.append(event)
            elif told and isinstance(told[-1], bytes):
                told[-1] += bytes(event.data)
            else:
                told.append(bytes(event.data))
    reader.receive_eof()
    return told


def content_of(told: Told) -> dict[str, bytes]:
    """The files that events tell of."""
    files: dict[str, bytes] = {}
    name = ""
    for event in told:
        if isinstance(event, Member):
            name = event.name
            files[name] = b""
        elif isinstance(event, bytes):
            files[name] = event
    return files
