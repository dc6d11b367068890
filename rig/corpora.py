"""The first inputs of the fuzz targets, generated or taken from tests/data: ``python -m rig.corpora FOLDER``."""

import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from rig import tars, vmdk
from rig.disks import noise
from thresher.formats.vmdk import write_stream
from thresher.model.extent import Extent
from thresher.model.units import KIB, SECTOR, Bytes

_OVF = Path(__file__).parents[1] / "tests" / "data" / "ovf"
_DESCRIPTOR = b'# Disk DescriptorFile\nversion=1\ncreateType="twoGbMaxExtentSparse"\nRW 4192256 SPARSE "d-s001.vmdk"\n'
_MANIFEST = b"SHA256(disk.vmdk)= " + b"ab" * 32 + b"\nSHA1(d.ovf)= " + b"cd" * 20 + b"\n"

_OVERHEAD = 64
"""Where a VMDK's header says, in sectors, where its data begin."""


def _without_overhead(stream: bytes) -> bytes:
    """The same stream with its data right behind the header: short inputs are many inputs a second."""
    (overhead,) = struct.unpack_from("<Q", stream, _OVERHEAD)
    return stream[:_OVERHEAD] + struct.pack("<Q", 1) + stream[_OVERHEAD + 8 : SECTOR] + stream[overhead * SECTOR :]


def _vmdk() -> dict[str, bytes]:
    small = vmdk.Header(100 * 8, grain_size=8)
    in_order = {index * 8: bytes([index]) * 4 * KIB for index in (0, 1, 7, 99)}
    streams = {
        "empty": vmdk.stream(small, {}),
        "in-order": vmdk.stream(small, in_order),
        "shuffled": vmdk.stream(small, reversed(in_order.items())),
        "ours": b"".join(write_stream([Extent(Bytes(0), Bytes(KIB), noise(KIB, 1))], Bytes(64 * KIB))),
    }
    return {name: _without_overhead(stream) for name, stream in streams.items()}


def _ova() -> dict[str, bytes]:
    files = {"vm.ovf": b"<Envelope/>", "disk.vmdk": noise(700, 2)}
    return {f"format-{number}": tars.tar_of(files, number) for number in range(3)}


CORPORA: Mapping[str, Callable[[], dict[str, bytes]]] = {
    "manifest": lambda: {"two": _MANIFEST},
    "ova": _ova,
    "ovf": lambda: {path.name: path.read_bytes() for path in _OVF.glob("*.ovf")},
    "probe": lambda: {"descriptor": _DESCRIPTOR, "stream": vmdk.Header(2048).pack(), "qcow2": b"QFI\xfb\0\0\0\3"},
    "vmdk": _vmdk,
}
"""By the name of the target, without its ``fuzz_``."""


def write(folder: Path) -> None:
    """Lay every seed into the corpus of its target; what is there stays."""
    for target, make in CORPORA.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in make().items():
            (folder / target / f"seed-{name}").write_bytes(data)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
