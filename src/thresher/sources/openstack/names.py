"""What the copies of an import's disks are called in the cloud: how a later worker, and a sweep, know them again."""

import hashlib
import re

ROOT = "root"
"""The key of the root disk of a server that boots from an image; every other disk's is its volume's UUID."""
_PREFIX = "thresher"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_STOP_DIGITS = 8
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
"""Owners that fit as they are: names have at most 255 characters (Glance, Cinder and Nova's ``createImage``)."""


def copy_name(owner: str, key: str, stop: str) -> str:
    """The name of the snapshot, of the temporary volume and of the image of one disk.

    Args:
        owner: the import's UID.
        key: the disk's.
        stop: which time of being off the server is in. Copies of an earlier one have other names, because the server
            has run since and written to its disks: they must never be taken for these.
    """
    return f"{_PREFIX}-{_tag(owner)}-{key}-{hashlib.sha256(stop.encode()).hexdigest()[:_STOP_DIGITS]}"


def is_copy(owner: str, name: str | None) -> bool:
    """Whether ``name`` is one that :func:`copy_name` gives a disk of ``owner``, and of no other owner."""
    return (
        re.fullmatch(f"{_PREFIX}-{re.escape(_tag(owner))}-(?:{ROOT}|{_UUID})-[0-9a-f]{{{_STOP_DIGITS}}}", name or "")
        is not None
    )


def _tag(owner: str) -> str:
    return owner if _PLAIN.fullmatch(owner) else hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:40]
