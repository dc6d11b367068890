"""What one disk image is read and written with."""

from pathlib import Path

from thresher.model.errors import UsageError
from thresher.ports import DiskStream, Transfer
from thresher.sources.bytes import HttpAccess
from thresher.sources.single import open_image
from thresher.transfer.disk import Options
from thresher.transfer.disks import ThreadTransfer


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


def local_transfer(*, durable: bool = True, image_checksum: str | None = None) -> Transfer:
    """The transfer in threads of this process."""
    return ThreadTransfer(Options(durable=durable, image_checksum=image_checksum))
