"""Copies a VMDK to a sparse raw file by a library; run by a Python that has it: reader.py LIBRARY VMDK RAW."""

import sys
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def opened(library: str, path: str) -> Any:
    """The disk's content, with read(), and its size."""
    if library == "pyvmdk":
        import pyvmdk

        disk = pyvmdk.handle()
        disk.open(path)
        disk.open_extent_data_files()
        return disk, disk.get_media_size()
    from dissect.hypervisor.disk.vmdk import VMDK

    disk = VMDK(Path(path).open("rb"))  # noqa: SIM115 - the process ends with it
    return disk, disk.size


def main() -> None:
    """Copy it; a chunk of zeros stays a hole."""
    library, vmdk, raw = sys.argv[1:]
    disk, size = opened(library, vmdk)
    zeros = bytes(CHUNK)
    with Path(raw).open("wb", buffering=0) as out:
        out.truncate(size)
        for at in range(0, size, CHUNK):
            chunk = disk.read(min(CHUNK, size - at))
            if chunk != zeros[: len(chunk)]:
                out.seek(at)
                out.write(chunk)


if __name__ == "__main__":
    main()
