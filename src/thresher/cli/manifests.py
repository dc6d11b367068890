"""Reads the manifests that a command was given."""

import sys
from collections.abc import Sequence
from pathlib import Path

from thresher.api.manifests import AnySource, Manifests, load_manifests
from thresher.model.errors import UsageError


def read_manifests(files: Sequence[str]) -> Manifests:
    """Read manifests of several files as if they were one; ``-`` is standard input. Raises UsageError."""
    texts = []
    for name in files:
        try:
            texts.append(sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise UsageError(f"{name} is no text in UTF-8: name a file of manifests") from error
        except OSError as error:
            raise UsageError(f"the manifests in {name} cannot be read: {error.strerror}; check the path") from error
    return load_manifests("\n---\n".join(texts))


def endpoint_of(manifest: AnySource) -> str:
    """The address of a source: what a certificate is pinned for."""
    spec = manifest.spec
    return spec.url if hasattr(spec, "url") else spec.endpoint
