"""Names for what an import makes: valid, stable, and never shared by two different things.

Kubernetes' rules: a label value and an RFC 1123 label have at most 63 characters ("Object Names and IDs",
"Labels and Selectors" in the Kubernetes documentation). A VM's name becomes the label
``harvesterhci.io/vmName``, so it obeys both.
"""

import base64
import hashlib
import re
import unicodedata

from thresher.model.errors import UsageError
from thresher.model.spec import ImportSpec
from thresher.model.vm import SourceVM

MAX_LENGTH = 63
"""Of an RFC 1123 label and of a label value."""
_HASH_LENGTH = 8
_ID_LENGTH = 16
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""The pattern of one in lower case."""
COPIES = "thresher-"
"""How the name of every copy at a source begins, whoever it is for."""
_TAG_LENGTH = 40
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
"""Owners that fit as they are: names have at most 255 characters (Glance, Cinder and Nova's ``createImage``)."""
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def copies_prefix(owner: str) -> str:
    """How the name of every copy begins that an import makes at its source for a while.

    Args:
        owner: who they are for; nothing at the source whose name begins otherwise is ever touched.
    """
    plain = _PLAIN.fullmatch(owner)
    tag = owner if plain else hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:_TAG_LENGTH]
    return f"{COPIES}{tag}-"


def is_uuid(name: str) -> bool:
    """Whether ``name`` is a UUID as sources write them (RFC 4122, section 3), in any case."""
    return re.fullmatch(UUID, name, re.IGNORECASE) is not None


def is_label(name: str) -> bool:
    """Whether ``name`` is an RFC 1123 label."""
    return len(name) <= MAX_LENGTH and _LABEL.fullmatch(name) is not None


def target_vm_name(vm_name: str, uid: str) -> str:
    """The new VM's name where the user gave none: the source's own, as far as Kubernetes can hold it.

    A name that is an RFC 1123 label stays as it is. Any other keeps what is readable in ASCII and gets a
    short hash of the original, so that ``web.1`` and ``web 1`` do not meet.

    Args:
        vm_name: the source VM's name.
        uid: of the import: two imports of like-named VMs from different folders do not meet either.
    """
    return vm_name if is_label(vm_name) else _fit(_slug(vm_name) or "vm", _digest(_HASH_LENGTH, uid, vm_name))


def target_name(spec: ImportSpec, vm: SourceVM) -> str:
    """The new VM's name: what the user asked for, else what follows from the source's name.

    Raises:
        UsageError: the name asked for is no RFC 1123 label.
    """
    if spec.target_name is None:
        return target_vm_name(vm.name, spec.uid)
    if not is_label(spec.target_name):
        raise UsageError(
            f"{spec.target_name!r} cannot be the name of a VM: use at most {MAX_LENGTH} of the characters "
            f"a-z, 0-9 "
            "and -, beginning and ending with a letter or digit."
        )
    return spec.target_name


def image_name(uid: str, disk_key: str) -> str:
    """The VirtualMachineImage of one disk of one import."""
    return f"image-{_digest(_ID_LENGTH, uid, disk_key)}"


def volume_name(uid: str, disk_key: str) -> str:
    """The persistent volume claim of one disk of one import."""
    return f"volume-{_digest(_ID_LENGTH, uid, disk_key)}"


def display_name(vm_name: str, uid: str, disk_key: str) -> str:
    """What Harvester's lists call a disk's image: a valid label value, unique in its namespace."""
    return _fit(_slug(vm_name) or "vm", _digest(_HASH_LENGTH, uid, vm_name, disk_key))


def _fit(readable: str, digest: str) -> str:
    return f"{readable[: MAX_LENGTH - len(digest) - 1].rstrip('-')}-{digest}"


def _slug(text: str) -> str:
    """What is left of ``text`` in a-z, 0-9 and single dashes; accents go, so ``ä`` becomes ``a``."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _digest(length: int, *parts: str) -> str:
    """A hash of ``parts`` in a-z and 2-7, five bits a character. Lengths keep the parts apart."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    # a name that arrived in no proper encoding may hold lone surrogates
    raw = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(raw).decode().lower()[:length]
