"""What an OVF package is to the rest of the source: named files, however they are kept."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import splitext
from typing import Protocol
from urllib.parse import unquote

from thresher.formats.manifest import MAX_MANIFEST_BYTES, parse_manifest
from thresher.formats.names import fault_of_name
from thresher.formats.ovf import MAX_OVF_BYTES, OvfPackage, parse_ovf
from thresher.model.errors import OvfError
from thresher.ports import ByteSource, Checksum
from thresher.sources.bytes import read_up_to
from thresher.sources.bytes.wrap import verify

OVF, MANIFEST = ".ovf", ".mf"


@dataclass(frozen=True, slots=True)
class Described:
    """A package's descriptor and manifest, read and compared.

    Attributes:
        ovf: what the descriptor says.
        checksums: what the manifest states, by file name; None where no manifest was seen.
    """

    ovf: OvfPackage
    checksums: Mapping[str, Checksum] | None

    def checksum(self, name: str) -> Checksum | None:
        """What is stated of the file of that name."""
        return None if self.checksums is None else self.checksums.get(name)


class Package(Protocol):
    """The files of one OVF package. Blocking: for threads."""

    @property
    def parallel(self) -> bool:
        """Whether several files can be read at once."""
        ...

    def describe(self, *, whole: bool) -> Described:
        """Read the descriptor; and with ``whole`` all that is needed for an export, the manifest included."""
        ...

    def file(self, name: str) -> ByteSource | None:
        """The file of that name, or None where the package is known not to hold it."""
        ...

    def head(self, name: str, limit: int) -> bytes | None:
        """The first ``limit`` bytes of a file; None where they are not at hand without reading the whole package."""
        ...

    def place(self, name: str) -> int:
        """A number that is lower for what comes earlier; for the order of reading where it matters."""
        ...


def describe(name: str, descriptor: bytes, manifest: bytes | None) -> Described:
    """Parse a descriptor and compare it with its manifest.

    Raises:
        OvfError, ManifestError: one of them is malformed.
        VerificationError: the manifest states another checksum of the descriptor.
    """
    if len(descriptor) > MAX_OVF_BYTES:
        raise OvfError(f"{name} is larger than {MAX_OVF_BYTES} bytes; it is no OVF descriptor")
    checksums = None if manifest is None else parse_manifest(manifest)
    stated = (checksums or {}).get(name)
    if stated is not None:
        found = hashlib.new(stated.algorithm, descriptor, usedforsecurity=False).hexdigest()
        verify(name, stated, found)
    return Described(parse_ovf(descriptor), checksums)


def limit_of(name: str) -> int:
    """How much of a file is read into memory to be parsed; one byte more than may be, so that too much shows."""
    return 1 + (MAX_OVF_BYTES if suffix(name) == OVF else MAX_MANIFEST_BYTES)


def suffix(name: str) -> str:
    """The file's suffix in lower case."""
    return splitext(name)[1].lower()


def manifest_name(descriptor: str) -> str:
    """The manifest's name: the descriptor's with another suffix (DSP0243, clause "OVF package")."""
    return splitext(descriptor)[0] + MANIFEST


def spellings(href: str) -> tuple[str, ...]:
    """The file names that an href may mean: as written, and with its percent escapes decoded (RFC 3986).

    Raises:
        OvfError: it names something outside the package.
    """
    names = tuple(dict.fromkeys((href, unquote(href))))
    for name in names:
        fault = fault_of_name(name)
        if fault is None and "://" in name:
            fault = "is a URL"
        if fault is not None:
            raise OvfError(f"the OVF names the file {href!r}, which {fault}; a package's files lie beside its OVF")
    return names


def small(source: ByteSource, name: str) -> bytes:
    """A descriptor or manifest, as much of it as may be parsed and one byte more."""
    return read_up_to(source, limit_of(name))
