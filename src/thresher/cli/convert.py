"""``thresher convert``."""

import asyncio
import gc
import sys
import time
from pathlib import Path

from thresher.cli.choices import Algorithm, Output
from thresher.cli.printing import print_data, rate
from thresher.cli.progress import reporter
from thresher.model.errors import ImageError, UsageError
from thresher.model.units import Bytes, human
from thresher.model.vm import DiskFormat
from thresher.ports import DiskResult, DiskStream, Export
from thresher.transfer.throttle import Throttle
from thresher.wiring.images import http_access, image_at, local_transfer


def run(
    source: str, destination: Path, checksum: Algorithm | None, bandwidth: Bytes | None, output: Output, ca: Path | None
) -> None:
    """Convert one image. Raises ThresherError; then there is no file under the final name."""
    if destination.exists() and not destination.is_file():
        raise UsageError(f"{destination} is not a regular file: name the RAW file to write")
    gc.disable()  # one conversion leaves no cycles worth a look, and looking takes a sixteenth of its time
    began = time.monotonic()
    stream = image_at(source, http_access(ca))
    if stream.format is DiskFormat.RAW:
        raise ImageError(
            f"{stream.bytes.name if stream.bytes else source} is not a VMDK, nor another disk image that Thresher"
            " knows (qcow2, VHD, VHDX): check the name; a raw image needs no conversion"
        )
    result = asyncio.run(_convert(stream, destination, checksum, bandwidth))
    _print(result, destination, time.monotonic() - began, output)


async def _convert(
    stream: DiskStream, destination: Path, checksum: Algorithm | None, bandwidth: Bytes | None
) -> DiskResult:
    key = stream.disk.key
    throttles = (Throttle(bandwidth),) if bandwidth is not None else ()
    algorithm = checksum.value if checksum else None
    transfer = local_transfer(durable=False, image_checksum=algorithm, throttles=throttles)
    with reporter(sys.stderr) as report:
        results = await transfer.run(
            Export((stream,)), {key: destination}, lambda progress: report.progress(key, progress)
        )
    return results[key]


def _print(result: DiskResult, destination: Path, seconds: float, output: Output) -> None:
    checksum = result.checksum
    if output is not Output.TABLE:
        print_data(
            {
                "bytes_read": result.read,
                "bytes_data": result.data,
                "capacity_bytes": result.capacity,
                "seconds": round(seconds, 3),
                "checksum": checksum.hexdigest if checksum else None,
                "checksum_algorithm": checksum.algorithm if checksum else None,
                "verified": list(result.verified),
            },
            output,
        )
        return
    sys.stdout.write(
        f"{destination}: {human(result.capacity)}, of which {human(result.data)} data;"
        f" read {human(result.read)} in {seconds:.1f} s ({rate(result.read, seconds)});"
        f" verified: {', '.join(result.verified)}\n"
    )
    if checksum:
        sys.stdout.write(f"{checksum.algorithm} {checksum.hexdigest}\n")
