import base64
import hashlib
from dataclasses import replace

import pytest

from rig.disks import noise
from thresher.transfer.digest import new_digest

RESUMABLE = ["md5", "sha1", "sha256", "sha512"]
DATA = noise(1000, 1)
PLACES = [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 999, 1000]


@pytest.mark.parametrize("algorithm", [*RESUMABLE, "sha384", "blake2b"])
def test_it_hashes_as_hashlib_does(algorithm: str) -> None:
    digest = new_digest(algorithm)
    for at in range(0, len(DATA), 77):
        digest.update(memoryview(bytearray(DATA))[at : at + 77])
    assert digest.hexdigest() == hashlib.new(algorithm, DATA).hexdigest()
    assert digest.offset == len(DATA)


@pytest.mark.parametrize("algorithm", RESUMABLE)
@pytest.mark.parametrize("place", PLACES)
def test_taken_up_at_any_place_it_is_the_same(algorithm: str, place: int) -> None:
    digest = new_digest(algorithm)
    digest.update(memoryview(DATA)[:place])
    state = digest.state()
    assert state is not None
    again = new_digest(algorithm, state)
    assert again.offset == place
    again.update(memoryview(DATA)[place:])
    assert again.hexdigest() == hashlib.new(algorithm, DATA).hexdigest()


@pytest.mark.parametrize("algorithm", RESUMABLE)
def test_reading_the_hash_does_not_end_it(algorithm: str) -> None:
    digest = new_digest(algorithm)
    digest.update(memoryview(DATA)[:100])
    assert digest.hexdigest() == hashlib.new(algorithm, DATA[:100]).hexdigest()
    digest.update(memoryview(DATA)[100:])
    assert digest.hexdigest() == hashlib.new(algorithm, DATA).hexdigest()


def test_what_is_not_ours_is_refused() -> None:
    digest = new_digest("sha256")
    digest.update(memoryview(DATA)[:100])
    state = digest.state()
    assert state is not None
    raw = bytearray(base64.b64decode(state.state))
    raw[104] = (
        200  # SHA256_CTX.num, the bytes of the block begun: beyond the block, OpenSSL would write past its struct
    )
    others = [
        replace(state, libcrypto="OpenSSL 0.9.8"),
        replace(state, algorithm="sha512"),
        replace(state, state=""),
        replace(state, state=state.state[:-8]),
        replace(state, state="no base64!"),
        replace(state, offset=101),
        replace(state, state=base64.b64encode(raw).decode()),
    ]
    for other in others:
        assert new_digest("sha256", other).offset == 0, other


def test_sha384_cannot_be_taken_up() -> None:
    digest = new_digest("sha384")
    digest.update(memoryview(DATA))
    assert digest.state() is None
