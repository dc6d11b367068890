"""An OVA as a package: read in place where its source is seekable, else as one stream that passes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from thresher.formats.ova import Member
from thresher.formats.ovf import OvfPackage
from thresher.formats.probe import HEAD_BYTES
from thresher.model.errors import OvaError, SourceError
from thresher.model.vm import DiskFormat
from thresher.ports import ByteSource
from thresher.sources.bytes import Regional, read_up_to
from thresher.sources.ova.package import (
    MANIFEST,
    OVF,
    Described,
    describe,
    limit_of,
    manifest_name,
    suffix,
)
from thresher.sources.ova.tape import Tape, TapeFile
from thresher.sources.ova.walk import Cursor, HoppingCursor, StreamCursor, Walk

_MAX_HEADS = 256
"""Heads are kept in memory; no VM has so many disks, but a chunked disk has thousands of files."""


@dataclass
class _Index:
    """What was seen of an archive."""

    members: dict[str, Member] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    heads: dict[str, bytes] = field(default_factory=dict)
    complete: bool = False

    @property
    def descriptor(self) -> str | None:
        """The descriptor's name: a package has one (DSP0243); where there are more, the first counts."""
        return next((name for name in self.texts if suffix(name) == OVF), None)

    @property
    def manifest(self) -> bytes | None:
        """The manifest that bears the descriptor's name, else the first there is."""
        texts = {name: text for name, text in self.texts.items() if suffix(name) == MANIFEST}
        own = manifest_name(self.descriptor or "")
        return texts.get(own, next(iter(texts.values()), None))

    def described(self, archive: str) -> Described:
        """Parse what was seen."""
        name = self.descriptor
        if name is None:
            raise OvaError(f"{archive} holds no .ovf descriptor; it is no OVA, or it was packed wrongly")
        return describe(name, self.texts[name], self.manifest)


def _scan(cursor: Cursor, *, heads: bool, enough: Callable[[_Index], bool]) -> _Index:
    """Walk over an archive until ``enough`` was seen, or to its end."""
    index, walk = _Index(), Walk(cursor)
    while not enough(index):
        member = walk.advance()
        if member is None:
            index.complete = True
            break
        index.members[member.name] = member
        if suffix(member.name) in {OVF, MANIFEST}:
            index.texts[member.name] = cursor.read(min(member.size, limit_of(member.name)))
        elif heads and len(index.heads) < _MAX_HEADS:
            index.heads[member.name] = cursor.read(min(member.size, HEAD_BYTES))
    return index


class SeekableArchive:
    """An OVA whose members are read where they lie, all at once."""

    parallel = True

    def __init__(self, archive: Regional) -> None:
        self._archive = archive
        self._known: tuple[_Index, Described] | None = None

    def begins(self) -> None:
        """Prove that it is an archive, by its first header. Raises OvaError."""
        Walk(_hopping(self._archive)).advance()

    def describe(self, *, whole: bool) -> Described:  # noqa: ARG002 - the headers are hopped over, all of them
        """Read the headers, the descriptor and the manifest."""
        return self._look()[1]

    def file(self, name: str) -> ByteSource | None:
        """The member of that name."""
        member = self._look()[0].members.get(name)
        return None if member is None else self._archive.region(member.offset, member.size, self._named(name))

    def head(self, name: str, limit: int) -> bytes | None:
        """The first bytes of a member."""
        found = self.file(name)
        return None if found is None else read_up_to(found, limit)

    def place(self, name: str) -> int:
        """Its offset."""
        member = self._look()[0].members.get(name)
        return 0 if member is None else member.offset

    def close(self) -> None:
        """Nothing is held between two calls."""

    def _look(self) -> tuple[_Index, Described]:
        if self._known is None:
            index = _scan(_hopping(self._archive), heads=False, enough=lambda _: False)
            self._known = index, index.described(self._archive.name)
        return self._known

    def _named(self, name: str) -> str:
        return f"{name} in {self._archive.name}"


def _hopping(archive: Regional) -> HoppingCursor:
    size = archive.size
    if size is None:
        raise SourceError(f"{archive.name} does not say its size, and cannot be read in place")
    return HoppingCursor(archive, size)


class StreamArchive:
    """An OVA that can only be read from its start, as from a server without Range requests.

    The descriptor comes first in a well-formed OVA; where it comes last, the archive is read once to find it.
    For an export the manifest has to be known before the first disk is read, so that no checksum it states is
    passed over. Where none stands before the disks, or where the descriptor leaves open what a disk's format is,
    the archive is read through once before the disks are. That costs a second pass, and never a false success.
    """

    parallel = False

    def __init__(self, archive: ByteSource) -> None:
        self._archive = archive
        self._tape = Tape(archive)
        self._index: _Index | None = None
        self._described: Described | None = None
        self._whole = False

    def begins(self) -> None:
        """Prove that it is an archive, by its first header. Raises OvaError."""
        cursor = StreamCursor(self._archive.open())
        try:
            Walk(cursor).advance()
        finally:
            cursor.close()

    def describe(self, *, whole: bool) -> Described:
        """Read as far as is needed."""
        if self._described is None or (whole and not self._whole):
            index = self._read(_ready if whole else _found)
            self._described = index.described(self._archive.name)
            self._index, self._whole = index, whole or index.complete
        return self._described

    def file(self, name: str) -> ByteSource | None:
        """The member of that name; whether it is there shows only when it is opened, unless all were seen."""
        index = self._seen()
        member = index.members.get(name)
        if member is None and index.complete:
            return None
        return TapeFile(self._tape, name, f"{name} in {self._archive.name}", member and member.size)

    def head(self, name: str, limit: int) -> bytes | None:
        """The first bytes of a member that has passed."""
        head = self._seen().heads.get(name)
        return None if head is None else head[:limit]

    def place(self, name: str) -> int:
        """Its offset; in an archive that was not read through, its place in the descriptor.

        The members come in the order of the descriptor's references (DSP0243, clause "OVF package").
        """
        index = self._seen()
        if index.complete:
            return index.members[name].offset if name in index.members else 0
        stated = list(self.describe(whole=False).ovf.files)
        return stated.index(name) if name in stated else len(stated)

    def close(self) -> None:
        """Close the stream that the disks share."""
        self._tape.close()

    def _seen(self) -> _Index:
        self.describe(whole=False)
        if self._index is None:
            raise AssertionError("unreachable: describing sets it")
        return self._index

    def _read(self, enough: Callable[[_Index], bool]) -> _Index:
        cursor = StreamCursor(self._archive.open())
        try:
            return _scan(cursor, heads=True, enough=enough)
        finally:
            cursor.close()


def _found(index: _Index) -> bool:
    return index.descriptor is not None


def _ready(index: _Index) -> bool:
    """Whether an export can begin without reading on."""
    name = index.descriptor
    if name is None or index.manifest is None:
        return False
    return _streamed(describe(name, index.texts[name], index.manifest).ovf)


def _streamed(ovf: OvfPackage) -> bool:
    """Whether every disk is one that is inflated while it arrives, by what the descriptor says."""
    disks = (disk for vm in ovf.vms for disk in vm.disks if disk.file is not None)
    return all(disk.format is DiskFormat.VMDK_STREAM for disk in disks)


def archive_package(archive: Regional) -> SeekableArchive | StreamArchive:
    """The package in an archive: in place where that is possible. Asks the server. Raises SourceError."""
    return SeekableArchive(archive) if archive.seekable else StreamArchive(archive)
