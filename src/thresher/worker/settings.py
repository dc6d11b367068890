"""What a worker is told: by its arguments, its files and its environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from thresher.model.errors import UsageError

POD_IP = "POD_IP"
DISK_PORT = "THRESHER_DISK_PORT"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
"""What needs no escaping in a path, and cannot be guessed."""
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Serving:
    """Where disks are served.

    Attributes:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        advertised: the address that Harvester is told.
        token: the unguessable part of the path.
    """

    host: str
    port: int
    advertised: str
    token: str

    @classmethod
    def of(cls, listen: str | None, token_file: Path, env: Mapping[str, str] = os.environ) -> Self:
        """Put it together: the Pod's own address and the port given to it, unless ``listen`` says otherwise.

        Args:
            listen: ``ADDRESS`` or ``ADDRESS:PORT``; an IPv6 address in brackets.
            token_file: holds the token.
            env: POD_IP and THRESHER_DISK_PORT.

        Raises:
            UsageError: something is missing, or not what it should be.
        """
        host, port = _address(listen) if listen else ("", "")
        host = host or env.get(POD_IP) or "127.0.0.1"
        port = port or env.get(DISK_PORT) or "0"
        if not port.isascii() or not port.isdigit() or int(port) > _MAX_PORT:
            raise UsageError(f"{port!r} is no port to serve disks at: set --listen or {DISK_PORT} to 0..{_MAX_PORT}")
        advertised = env.get(POD_IP) or host
        if advertised in ("0.0.0.0", "::"):  # noqa: S104 - it is refused here  # nosec B104
            raise UsageError(f"nobody can be sent to {advertised}: set {POD_IP} to the address that Harvester reaches")
        return cls(host, int(port), advertised, _token(token_file))

    def url(self, port: int) -> str:
        """The base of the URLs, for the port that is really listened on."""
        return f"http://[{self.advertised}]:{port}" if ":" in self.advertised else f"http://{self.advertised}:{port}"


def _address(listen: str) -> tuple[str, str]:
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]*))(?::(\d+))?", listen)
    if match is None:
        raise UsageError(f"{listen!r} is no address to listen on: write ADDRESS, ADDRESS:PORT or [IPv6]:PORT")
    return match[1] or match[2] or "", match[3] or ""


def _token(file: Path) -> str:
    try:
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the token in {file} cannot be read: {error}") from error
    if not _TOKEN.fullmatch(token):
        raise UsageError(f"the token in {file} must be 16 to 128 letters, digits, '-' or '_'")
    return token
