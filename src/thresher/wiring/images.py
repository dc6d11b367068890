"""Single images and packages, named on the command line, and the transfer in this process."""

from pathlib import Path

from thresher.model.errors import UsageError
from thresher.ports import DiskStream, Source, Transfer
from thresher.sources.bytes import HttpAccess, HttpFile
from thresher.sources.single import open_image
from thresher.transfer.disk import Options
from thresher.transfer.disks import ThreadTransfer
from thresher.transfer.throttle import Throttle


def http_access(ca: Path | None = None) -> HttpAccess:
    """How a web server named on the command line is reached. Raises UsageError if ``ca`` cannot be read."""
    if ca is None:
        return HttpAccess()
    try:
        return HttpAccess(ca_pem=ca.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the certificates in {ca} cannot be read: {error}") from error


def image_at(location: str, access: HttpAccess) -> DiskStream:
    """One disk image at a path, a URL, or ``-``. Raises SourceError or FormatError."""
    return open_image(location, access)


def ova_at(location: str, access: HttpAccess) -> Source:
    """The OVA source over a path or URL."""
    from thresher.sources.ova import OvaSource

    return OvaSource(location, access)


def shown(location: str) -> str:
    """What to call a path or URL in messages: without credentials. Raises UsageError for an unusable URL."""
    return HttpFile(location, HttpAccess()).name if "://" in location else location


def local_transfer(
    *,
    durable: bool = True,
    image_checksum: str | None = None,
    throttles: tuple[Throttle, ...] = (),
    ledgers: Path | None = None,
) -> Transfer:
    """The transfer in threads of this process, through what limits its bandwidth; to volumes with ``ledgers``."""
    return ThreadTransfer(Options(durable, image_checksum, throttles, ledgers))
