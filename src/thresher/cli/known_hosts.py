"""Certificates that were trusted because they were the first ones seen, as ssh keeps its known hosts."""

import json
import os
from pathlib import Path

from thresher.model.errors import TargetError


def default_path() -> Path:
    """``$XDG_STATE_HOME/thresher/known-hosts.json``, by default under ``~/.local/state`` (XDG Base Directory 0.8)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "thresher" / "known-hosts.json"


class KnownHosts:
    """SHA-256 fingerprints by endpoint.

    Args:
        path: the file; made when the first one is kept.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or default_path()

    def get(self, endpoint: str) -> str:
        """The fingerprint that is pinned for ``endpoint``, or "".

        Raises:
            TargetError: the file cannot be read. Going on would trust whoever answers.
        """
        return self._read().get(endpoint, "")

    def keep(self, endpoint: str, fingerprint: str) -> None:
        """Pin ``fingerprint`` for ``endpoint``. Raises TargetError."""
        known = self._read()
        if known.get(endpoint) == fingerprint:
            return
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(known | {endpoint: fingerprint}, indent=2) + "\n")
            part.replace(self.path)
        except OSError as error:
            raise TargetError(f"{self.path} cannot be written: {error.strerror}; check the folder") from error

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise TargetError(
                f"the pinned certificates in {self.path} cannot be read; mend the file, or remove it to trust anew"
            ) from error
        if not isinstance(known, dict) or not all(isinstance(value, str) for value in known.values()):
            raise TargetError(f"{self.path} is no list of pinned certificates; remove it to trust anew")
        return known
