"""Where the rooms meet: Protocols only, at most six methods each.

A source, the transfer and a target know only these. Adapters return facts, never phases. The control plane is
asynchronous; the data plane (:class:`ByteSource`, :class:`ByteStream`) blocks and runs in threads.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from thresher.model.spec import ImportSpec
from thresher.model.units import Bytes
from thresher.model.vm import Disk, DiskFormat, Loss, PowerState, SourceVM


class ByteStream(Protocol):
    """An open, sequential stream of bytes. Used by one thread."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill ``buffer`` from its start and return how many bytes were placed; 0 only at the end.

        Raises:
            SourceError: the bytes stopped early, or the source failed.
        """
        ...

    def close(self) -> None:
        """Give the connection or file back. May be called twice."""
        ...


class ByteSource(Protocol):
    """The bytes of one file at the source, which can be opened, more than once."""

    @property
    def name(self) -> str:
        """What to call it in messages: a path, or a URL without credentials."""
        ...

    @property
    def size(self) -> Bytes | None:
        """Its length in bytes, or None where the source does not say."""
        ...

    @property
    def seekable(self) -> bool:
        """Whether ``open(n)`` costs no more than ``open(0)``; else it reads and drops ``n`` bytes."""
        ...

    @property
    def version(self) -> str:
        """What changes when the content does (an ETag, a time of modification); "" where nothing tells."""
        ...

    def open(self, offset: int = 0) -> ByteStream:
        """Open the bytes from ``offset`` on. Raises SourceError."""
        ...


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum that the source states of a file as it is transferred.

    Attributes:
        algorithm: a name that hashlib knows, such as ``sha256``.
        hexdigest: lower case.
    """

    algorithm: str
    hexdigest: str


@dataclass(frozen=True, slots=True)
class DiskStream:
    """One disk ready to be read.

    Attributes:
        disk: the disk as the VM's description has it.
        format: how the bytes come.
        bytes: where they come from; None for a blank disk.
        checksum: what the source states of these bytes.
        siblings: further files that a random-access image needs, by the name it uses for them (split
            extents).
        content: what changes with the disk's data, whatever way its bytes come; "" where nothing tells.
    """

    disk: Disk
    format: DiskFormat
    bytes: ByteSource | None
    checksum: Checksum | None = None
    siblings: tuple[tuple[str, ByteSource], ...] = ()
    content: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """All disks of a VM, open for reading.

    Attributes:
        disks: in the order in which they should be read where ``parallel`` is false, else the VM's order.
        parallel: whether several may be read at once; false for a single stream that passes only once.
    """

    disks: tuple[DiskStream, ...]
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a look at the source found.

    Attributes:
        detail: what was seen, for the status: a version, an address, a pinned fingerprint.
        fingerprint: SHA-256 of a certificate that no authority vouched for and that was trusted because it was
            the first one seen; to be kept and given to the next look. "" where an authority vouched.
    """

    detail: str = ""
    fingerprint: str = ""


class Source(Protocol):
    """A place VMs come from. Entering it opens its session, leaving it closes it."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...

    async def check(self) -> SourceFacts:
        """Reach the source and prove the credentials. Raises SourceError with what is wrong."""
        ...

    async def inventory(self) -> Sequence[SourceVM]:
        """Every VM that the source holds."""
        ...

    async def find(self, name: str, folder: str = "") -> SourceVM:
        """The one VM of that name. Raises SourceNotFound, listing the candidates of an ambiguous name."""
        ...

    def export(self, vm: SourceVM, owner: str) -> AbstractAsyncContextManager[Export]:
        """Open the disks of a VM that is off; on an exception what it took at the source is given back.

        Args:
            vm: as :meth:`find` described it.
            owner: who it is for, such as an import's UID. What has to be made at the source for a while is named
                after it, so that a later export for the same one goes on with it, unless the VM has run since, and
                :meth:`Leftovers.sweep` finds it.
        """
        ...


class Power(Protocol):
    """The optional ability of a source whose VMs may run."""

    async def power_state(self, vm: SourceVM) -> PowerState:
        """Whether it runs now."""
        ...

    async def shut_down_guest(self, vm: SourceVM) -> None:
        """Ask the guest to shut down, and return at once."""
        ...

    async def power_off(self, vm: SourceVM) -> None:
        """Switch it off."""
        ...

    async def power_on(self, vm: SourceVM) -> None:
        """Switch it on again."""
        ...


class Leftovers(Protocol):
    """The optional ability of a source where exports leave copies for the next one to go on with."""

    async def sweep(self, owner: str) -> None:
        """Remove what exports for ``owner`` left at the source; doing it twice is doing it once.

        Args:
            owner: as it was given to :meth:`Source.export`.

        Raises:
            SourceError: something is left, which the message names.
        """
        ...


@dataclass(frozen=True, slots=True)
class DiskResult:
    """A finished disk, proved.

    Attributes:
        capacity: its size in bytes.
        data: bytes written; the rest are holes.
        read: bytes that crossed the wire in this run.
        seconds: how long this run of it took.
        verified: what was proved, in words: ``adler32``, ``sha256 manifest``.
        checksum: the SHA-512 of the raw image where it was asked for.
    """

    capacity: Bytes
    data: Bytes
    read: Bytes
    seconds: float
    verified: tuple[str, ...] = ()
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one disk is.

    Attributes:
        disk: the disk's key.
        position: bytes of the disk (or of the stream, where the disk's size is unknown) that are behind us.
        total: out of how many; None where unknown.
        read: bytes that crossed the wire so far in this run.
    """

    disk: str
    position: Bytes
    total: Bytes | None
    read: Bytes


ProgressSink = Callable[[Progress], None]
"""Called from transfer threads, at most a few times a second for each disk."""


@dataclass(frozen=True, slots=True)
class VmState:
    """What a target knows of the new VM: whether it is there, whether it runs, and why not.

    Attributes:
        exists: whether the VM of this import is there.
        running: whether it runs.
        message: why not, in the target's words.
        foreign: whether a VM of that name is there that this import did not make; it is never touched.
        alive: whether its guest gave a sign of life; None where the target cannot tell.
    """

    exists: bool
    running: bool
    message: str = ""
    foreign: bool = False
    alive: bool | None = None


class Target(Protocol):
    """A place VMs go to."""

    def disk_path(self, spec: ImportSpec, vm: SourceVM, index: int) -> Path:
        """Where the raw bytes of disk ``index`` of the VM are written."""
        ...

    async def create_vm(self, spec: ImportSpec, vm: SourceVM) -> None:
        """Make the VM from its finished disks; doing it twice is doing it once. Raises TargetError."""
        ...

    async def start_vm(self, spec: ImportSpec, vm: SourceVM) -> None:
        """Start it, where it is not running yet. Raises BootError."""
        ...

    async def vm_state(self, spec: ImportSpec, vm: SourceVM) -> VmState:
        """What is there now."""
        ...


class Preflight(Protocol):
    """The optional ability of a target to say beforehand what would be lost or cannot work."""

    async def findings(self, spec: ImportSpec, vm: SourceVM) -> Sequence[Loss]:
        """Every finding at once, blockers and warnings; nothing is touched. Raises TargetError."""
        ...


class Discard(Protocol):
    """The ability to take back what an import made; needed wherever the source VM may run again."""

    async def discard(self, spec: ImportSpec, vm: SourceVM) -> None:
        """Remove the disks, images and the new VM of this import; doing it twice is doing it once.

        Raises:
            TargetError: it cannot be removed, or the new VM runs, in which case nothing is removed.
        """
        ...


class Transfer(Protocol):
    """Whatever moves the disks: threads in this process, or a worker elsewhere."""

    async def run(self, export: Export, paths: Mapping[str, Path], progress: ProgressSink) -> Mapping[str, DiskResult]:
        """Write each disk of ``export`` to the path its key maps to; finished ones are not done again.

        Raises:
            ThresherError: the first disk that failed; the others were stopped where they can be resumed.
        """
        ...
