"""The manifest of an OVF package (``.mf``): a digest of each file.

DSP0243 (Open Virtualization Format), clause "OVF package", gives the line ``SHA256(disk.vmdk)= 0123...``.
ovftool writes it so, with SHA1, SHA256 or SHA512 and with LF or CRLF; VirtualBox writes
``SHA1 (disk.vmdk) = 0123...``.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping

from thresher.formats.names import fault_of_name, normal_name
from thresher.model.errors import ManifestError
from thresher.model.units import MIB
from thresher.ports import Checksum

MAX_MANIFEST_BYTES = MIB
"""A line has about 200 bytes; the longest OVA that is read at all has 10,000 members."""

_HEX_DIGITS = {
    algorithm: 2 * hashlib.new(algorithm, usedforsecurity=False).digest_size
    for algorithm in ("sha1", "sha224", "sha256", "sha384", "sha512")
}
_LINE = re.compile(r"([A-Za-z0-9-]+)\s*\((.*)\)\s*=\s*([0-9A-Fa-f]*)")
_BOM = b"\xef\xbb\xbf"


def parse_manifest(data: bytes) -> Mapping[str, Checksum]:
    """Read a whole manifest.

    Blank lines and lines that begin with ``#`` are passed over. A file may be listed with several algorithms;
    the longest digest is the one returned.

    Returns:
        The checksum of each file, by its name relative to the package.

    Raises:
        ManifestError: it is too large, or a line is not what a manifest holds.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"the manifest has {len(data)} bytes; at most {MAX_MANIFEST_BYTES} are read")
    found: dict[tuple[str, str], str] = {}
    for offset, line in _lines(data):
        name, checksum = _parse_line(line, offset)
        known = found.setdefault((name, checksum.algorithm), checksum.hexdigest)
        if known != checksum.hexdigest:
            raise ManifestError(
                f"the manifest states two different {checksum.algorithm} digests of {name!r}", offset=offset
            )
    ordered = sorted(found.items(), key=lambda item: len(item[1]))
    return {name: Checksum(algorithm, digest) for (name, algorithm), digest in ordered}


def _lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Each line that says something, and where it begins."""
    offset = len(_BOM) if data.startswith(_BOM) else 0
    for raw in data[offset:].split(b"\n"):
        try:
            line = raw.decode().strip()
        except UnicodeDecodeError as error:
            raise ManifestError("the manifest is not UTF-8 text", offset=offset + error.start) from None
        if line and not line.startswith("#"):
            yield offset, line
        offset += len(raw) + 1


def _parse_line(line: str, offset: int) -> tuple[str, Checksum]:
    parts = _LINE.fullmatch(line)
    if parts is None:
        raise ManifestError(f"the manifest has a line that is no 'SHA256(file)= digest': {line[:80]!r}", offset=offset)
    algorithm = parts[1].lower().replace("-", "")
    if algorithm not in _HEX_DIGITS:
        raise ManifestError(f"the manifest uses {parts[1][:20]!r}; known are {', '.join(_HEX_DIGITS)}", offset=offset)
    fault = fault_of_name(parts[2])
    if fault is not None:
        raise ManifestError(f"the name {parts[2][:80]!r} in the manifest {fault}", offset=offset)
    if len(parts[3]) != _HEX_DIGITS[algorithm]:
        raise ManifestError(
            f"the {algorithm} digest of {parts[2][:80]!r} has {len(parts[3])} hex digits, not {_HEX_DIGITS[algorithm]}",
            offset=offset,
        )
    return normal_name(parts[2]), Checksum(algorithm, parts[3].lower())
