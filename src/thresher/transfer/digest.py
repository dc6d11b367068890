"""Hashes that can be written down in the middle and taken up again after a crash.

hashlib cannot export a hash's inner state; OpenSSL's ``MD5_CTX``, ``SHA256_CTX`` and their sisters are plain C
structs, whose bytes are that state. They are used only to *resume*: where libcrypto is missing or another version,
hashing starts at the first byte again, which costs reading and nothing else.
"""

import base64
import ctypes
import ctypes.util
import hashlib
import sys
from dataclasses import dataclass
from functools import cache
from typing import Protocol


@dataclass(frozen=True, slots=True)
class _Context:
    """OpenSSL's md5.h and sha.h: MD5_CTX, SHA_CTX, SHA256_CTX, SHA512_CTX.

    Attributes:
        prefix: of the functions.
        size: of the struct.
        digest: size of the digest.
        block: size of the algorithm's block.
        fill: where the struct counts the bytes of the block begun, as an unsigned int.
    """

    prefix: str
    size: int
    digest: int
    block: int
    fill: int


_CONTEXTS = {
    "md5": _Context("MD5", 92, 16, 64, 88),
    "sha1": _Context("SHA1", 96, 20, 64, 92),
    "sha256": _Context("SHA256", 112, 32, 64, 104),
    "sha512": _Context("SHA512", 216, 64, 128, 208),
}


@dataclass(frozen=True, slots=True)
class DigestState:
    """A hash in the middle of its input.

    Attributes:
        algorithm: as hashlib names it.
        offset: how many bytes went in.
        libcrypto: the version whose state it is; another library's cannot be taken up.
        state: the inner state, base64; "" where nothing can be taken up.
    """

    algorithm: str
    offset: int
    libcrypto: str
    state: str


class Digest(Protocol):
    """A running hash over a stream."""

    offset: int

    def update(self, data: memoryview, /) -> None:
        """Hash the next bytes. Releases the GIL."""
        ...

    def state(self) -> DigestState | None:
        """What to write down to go on later; None where the hash cannot be taken up in the middle."""
        ...

    def hexdigest(self) -> str:
        """The hash of everything so far, lower case."""
        ...


def new_digest(algorithm: str, resume: DigestState | None = None) -> Digest:
    """A digest from the start, or from ``resume`` where that can be taken up; look at its ``offset``."""
    library = _libcrypto()
    if library is None or algorithm not in _CONTEXTS:
        return _PlainDigest(algorithm)
    digest = _ResumableDigest(library, algorithm)
    if resume is not None and (resume.algorithm, resume.libcrypto) == (algorithm, library.version):
        digest.restore(resume)
    return digest


class _PlainDigest:
    def __init__(self, algorithm: str) -> None:
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self.offset = 0

    def update(self, data: memoryview) -> None:
        self._hash.update(data)
        self.offset += len(data)

    def state(self) -> None:
        return None

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class _Library:
    handle: ctypes.CDLL
    version: str


@cache
def _libcrypto() -> _Library | None:
    name = ctypes.util.find_library("crypto") or "libcrypto.so.3"
    try:
        handle = ctypes.CDLL(name)
        handle.OpenSSL_version.restype = ctypes.c_char_p
        version = handle.OpenSSL_version(0).decode()
        for context in _CONTEXTS.values():
            getattr(handle, f"{context.prefix}_Update").argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    except (OSError, AttributeError):
        return None
    return _Library(handle, version)


class _ResumableDigest:
    def __init__(self, library: _Library, algorithm: str) -> None:
        self._layout = _CONTEXTS[algorithm]
        prefix = self._layout.prefix
        self._algorithm, self._library = algorithm, library.version
        self._context = ctypes.create_string_buffer(self._layout.size)
        self._update = getattr(library.handle, f"{prefix}_Update")
        self._final = getattr(library.handle, f"{prefix}_Final")
        getattr(library.handle, f"{prefix}_Init")(self._context)
        self.offset = 0

    def update(self, data: memoryview) -> None:
        if data.readonly:
            self._update(self._context, bytes(data), len(data))
        elif len(data):
            self._update(self._context, ctypes.addressof(ctypes.c_char.from_buffer(data)), len(data))
        self.offset += len(data)

    def state(self) -> DigestState:
        text = base64.b64encode(self._context.raw).decode()
        return DigestState(self._algorithm, self.offset, self._library, text)

    def restore(self, state: DigestState) -> None:
        """Take up ``state``, unless it is none: a wrong count in it would lead OpenSSL out of its struct."""
        try:
            raw = base64.b64decode(state.state, validate=True)
        except ValueError:
            return
        layout = self._layout
        filled = int.from_bytes(raw[layout.fill : layout.fill + 4], sys.byteorder)
        if len(raw) == layout.size and filled == state.offset % layout.block:
            self._context.raw = raw
            self.offset = state.offset

    def hexdigest(self) -> str:
        context = ctypes.create_string_buffer(self._context.raw, len(self._context))
        out = ctypes.create_string_buffer(self._layout.digest)
        self._final(out, context)
        return out.raw.hex()
