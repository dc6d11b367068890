import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.formats.manifest import parse_manifest
from thresher.model.errors import ManifestError
from thresher.ports import Checksum

DIGITS = {"sha1": 40, "sha256": 64, "sha512": 128}
NAMES = st.from_regex(r"[\w() =.-]*\w", fullmatch=True)
CHECKSUMS = st.sampled_from(sorted(DIGITS)).flatmap(
    lambda algorithm: st.from_regex(rf"[0-9a-f]{{{DIGITS[algorithm]}}}", fullmatch=True).map(
        lambda digest: Checksum(algorithm, digest)
    )
)


@given(st.dictionaries(NAMES, CHECKSUMS, max_size=8), st.sampled_from(["\n", "\r\n"]))
@settings(deadline=None, max_examples=100)
def test_what_was_written_is_read(entries: dict[str, Checksum], newline: str) -> None:
    text = "".join(
        f"{checksum.algorithm.upper()}({name})= {checksum.hexdigest}{newline}" for name, checksum in entries.items()
    )
    assert parse_manifest(text.encode()) == entries


@given(st.binary(max_size=300) | st.text("SHA1256()= \r\n#./\\0aZ", max_size=200).map(str.encode))
@settings(deadline=None, max_examples=300)
def test_noise_ends_in_the_formats_error(noise: bytes) -> None:
    with contextlib.suppress(ManifestError):
        for name, checksum in parse_manifest(noise).items():
            assert name
            assert len(checksum.hexdigest) >= 40
