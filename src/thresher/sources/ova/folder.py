"""An OVF descriptor with its files beside it: in a folder, or below a URL."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from thresher.model.errors import SourceNotFound
from thresher.ports import ByteSource
from thresher.sources.bytes import HttpAccess, HttpFile, LocalFile, Regional, read_up_to
from thresher.sources.ova.package import Described, describe, manifest_name, small


class FolderPackage:
    """The files beside a descriptor.

    Args:
        descriptor: the descriptor's file name.
        beside: opens the file of a name; names have been checked.
    """

    parallel = True

    def __init__(self, descriptor: str, beside: Callable[[str], Regional]) -> None:
        self._descriptor = descriptor
        self._beside = beside
        self._described: Described | None = None
        self._files: dict[str, Regional | None] = {}

    def describe(self, *, whole: bool) -> Described:  # noqa: ARG002 - everything is at hand here
        """Read the descriptor and the manifest that bears its name."""
        if self._described is None:
            descriptor = small(self._beside(self._descriptor), self._descriptor)
            stated = self.file(manifest_name(self._descriptor))
            manifest = None if stated is None else small(stated, stated.name)
            self._described = describe(self._descriptor, descriptor, manifest)
        return self._described

    def file(self, name: str) -> ByteSource | None:
        """The file of that name, or None where there is none. Raises SourceError where that cannot be told."""
        if name not in self._files:
            found: Regional | None = self._beside(name)
            try:
                _ = found.size if found is not None else None
            except SourceNotFound:
                found = None
            self._files[name] = found
        return self._files[name]

    def head(self, name: str, limit: int) -> bytes | None:
        """The first bytes of a file."""
        found = self.file(name)
        return None if found is None else read_up_to(found, limit)

    def place(self, name: str) -> int:  # noqa: ARG002 - all are read at once
        """All the same."""
        return 0


def local_folder(path: Path) -> FolderPackage:
    """The package of a descriptor on this machine."""
    return FolderPackage(path.name, lambda name: LocalFile(path.parent / name))


def web_folder(url: str, access: HttpAccess) -> FolderPackage:
    """The package of a descriptor on a web server; a query (a signature) goes with every request."""
    parts = urlsplit(url)
    folder, _, descriptor = parts.path.rpartition("/")

    def beside(name: str) -> HttpFile:
        written = descriptor if name == descriptor else quote(name)
        return HttpFile(urlunsplit(parts._replace(path=f"{folder}/{written}")), access)

    return FolderPackage(descriptor, beside)
