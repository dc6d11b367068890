"""What a conversion costs beside its work: memory that does not grow with the disk, and no needless library."""

import json
import subprocess
import sys
from pathlib import Path

from rig.disks import noise
from thresher.formats.vmdk import write_stream
from thresher.model.extent import Extent
from thresher.model.units import GIB, MIB, Bytes

# The kernel's own high-water mark of this program alone: what wait4() tells counts the program that started it, too.
_RUN = """
import atexit, json, sys
note = sys.argv.pop()
def report():
    with open("/proc/self/status") as status, open(note, "w") as out:
        peak = next(line for line in status if line.startswith("VmHWM:")).split()[1]
        json.dump({"peak": int(peak) * 1024, "modules": sorted(sys.modules)}, out)
atexit.register(report)
from thresher.cli.main import main
main()
"""


def converted(capacity: int, every: int, folder: Path) -> tuple[int, set[str]]:
    """Convert a disk with a mebibyte of data in each ``every`` bytes; the peak of its memory, and its modules."""
    data, image, target, note = noise(MIB, 1), folder / "d.vmdk", folder / "d.raw", folder / "note"
    extents = (Extent(Bytes(at), Bytes(MIB), data) for at in range(0, capacity, every))
    with image.open("wb") as file:
        file.writelines(write_stream(extents, Bytes(capacity), level=0))
    command = [sys.executable, "-c", _RUN, "convert", str(image), str(target), str(note)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  fixed arguments
    assert done.returncode == 0, done.stderr
    assert target.stat().st_size == capacity
    told = json.loads(note.read_text())
    image.unlink()
    target.unlink()
    return told["peak"], set(told["modules"])


def test_memory_is_bounded_and_no_matter_of_the_disks_size(tmp_path: Path) -> None:
    small, modules = converted(32 * MIB, 2 * MIB, tmp_path)
    large, _ = converted(4 * GIB, 16 * MIB, tmp_path)
    assert large < 128 * MIB
    assert abs(large - small) < 64 * MIB
    assert not modules & {"thresher.api", "thresher.imports", "yaml", "pyVmomi", "rich", "xml.etree.ElementTree"}
