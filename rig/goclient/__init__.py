"""A client that reads disks as Longhorn does: Go's default one, a HEAD and one GET, 4 KiB at a time."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rig import golang


@dataclass(frozen=True, slots=True)
class Download:
    """What the client saw.

    Attributes:
        stated: the Content-Length of HEAD.
        length: bytes after unpacking.
        sha512: of them; "" where it was not asked for.
        wire: bytes that came over its connections, heads included.
        uncompressed: whether it unpacked gzip by itself.
    """

    stated: int
    length: int
    sha512: str
    wire: int
    uncompressed: bool


class DownloadFailedError(Exception):
    """The client gave up; the text is Go's."""


def build() -> Path:
    """Build the client and return its path."""
    return golang.build("goclient", Path(__file__).parent)


def download(url: str, path: Path, *, limit: int | None = None, timeout: float = 120) -> Download:
    """Download ``url`` to ``path``, or only its first ``limit`` bytes.

    Raises:
        DownloadFailedError: the client gave up.
    """
    words = [str(build()), url, str(path), *([] if limit is None else [str(limit)])]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise DownloadFailedError(done.stderr.strip())
    return outcome(done.stdout)


def command(url: str, path: Path) -> list[str]:
    """The command line of a download without a SHA-512: Longhorn makes its own afterwards, of the file."""
    return [str(build()), "-unhashed", url, str(path)]


def outcome(said: str) -> Download:
    """What the client's standard output tells."""
    return Download(**json.loads(said))
