"""What the copies of an import's disks are called in the cloud: how a later worker, and a sweep, know them again."""

import hashlib
import re

from thresher.model.naming import UUID, copies_prefix

ROOT = "root"
"""The key of the root disk of a server that boots from an image; every other disk's is its volume's UUID."""
_STOP_DIGITS = 8


def copy_name(owner: str, key: str, stop: str) -> str:
    """The name of the snapshot, of the temporary volume and of the image of one disk.

    Args:
        owner: the import's UID.
        key: the disk's.
        stop: which time of being off the server is in. Copies of an earlier one have other names, because the server
            has run since and written to its disks: they must never be taken for these.
    """
    return f"{copies_prefix(owner)}{key}-{hashlib.sha256(stop.encode()).hexdigest()[:_STOP_DIGITS]}"


def is_copy(owner: str, name: str | None) -> bool:
    """Whether ``name`` is one that :func:`copy_name` gives a disk of ``owner``, and of no other owner."""
    pattern = f"{re.escape(copies_prefix(owner))}(?:{ROOT}|{UUID})-[0-9a-f]{{{_STOP_DIGITS}}}"
    return re.fullmatch(pattern, name or "") is not None
