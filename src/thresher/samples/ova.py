"""Packs the sample VM as an OVA: a tar of descriptor, manifest and stream-optimized VMDKs, in this order.

The order is that of DMTF DSP0243 1.1, section 5.3: whoever reads the archive as a stream knows what to
expect of a disk before it comes.
"""

import hashlib
import io
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from thresher.formats.vmdk import write_stream
from thresher.model.extent import Extent
from thresher.model.units import GIB, MIB, Bytes
from thresher.samples.disk import DEFAULT_DATA, sample_disk
from thresher.samples.ovf import SampleFile, sample_ovf

DEFAULT_NAME = "thresher-sample"
DEFAULT_CAPACITY = Bytes(GIB)
_DATA_DISK_CAPACITY = Bytes(256 * MIB)
_DATA_DISK_DATA = Bytes(8 * MIB)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def write_sample_ova(
    path: Path,
    marker: str,
    *,
    name: str = DEFAULT_NAME,
    capacity: Bytes = DEFAULT_CAPACITY,
    data: Bytes = DEFAULT_DATA,
) -> None:
    """Write the sample VM: a system disk that boots, and a data disk of 256 MiB.

    Args:
        path: the .ova to write; it appears only once it is whole.
        marker: what the guest prints on its serial console, see :func:`~thresher.samples.boot.boot_sector`.
        name: of the VM: lower-case letters, digits and '-'.
        capacity: size of the system disk.
        data: bytes of data on it.

    Raises:
        ValueError: the name, the marker or the sizes do not fit.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a sample VM's name needs lower-case letters, digits and '-', not {name!r}")
    disks = (
        (f"{name}-disk1.vmdk", capacity, sample_disk(capacity, 1, marker=marker, data=data)),
        (
            f"{name}-disk2.vmdk",
            _DATA_DISK_CAPACITY,
            sample_disk(_DATA_DISK_CAPACITY, 2, data=_DATA_DISK_DATA),
        ),
    )
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        spool = Path(scratch)
        digests, files = _write_disks(spool, disks)
        _pack(spool / "whole.ova", name, spool, files, digests)
        (spool / "whole.ova").replace(path)


def _write_disks(
    folder: Path, disks: Iterable[tuple[str, Bytes, Iterator[Extent]]]
) -> tuple[dict[str, str], tuple[SampleFile, ...]]:
    """Write the VMDKs: the manifest before them in the archive needs their checksums, the tar their sizes."""
    digests: dict[str, str] = {}
    files: list[SampleFile] = []
    for name, capacity, extents in disks:
        digest = hashlib.sha256()
        with (folder / name).open("wb") as out:
            for piece in write_stream(extents, capacity):
                digest.update(piece)
                out.write(piece)
            files.append(SampleFile(name, Bytes(out.tell()), capacity))
        digests[name] = digest.hexdigest()
    return digests, tuple(files)


def _pack(path: Path, name: str, folder: Path, files: tuple[SampleFile, ...], digests: dict[str, str]) -> None:
    descriptor = sample_ovf(name, files).encode()
    listed = {f"{name}.ovf": hashlib.sha256(descriptor).hexdigest(), **digests}
    manifest = "".join(f"SHA256({file})= {digest}\n" for file, digest in listed.items()).encode()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(_member(f"{name}.ovf", len(descriptor)), io.BytesIO(descriptor))
        tar.addfile(_member(f"{name}.mf", len(manifest)), io.BytesIO(manifest))
        for file in files:
            with (folder / file.name).open("rb") as disk:
                tar.addfile(_member(file.name, file.size), disk)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A header without owner and date: the same VM gives the same archive."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info
