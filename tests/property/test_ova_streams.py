import contextlib
import io
import tarfile
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rig.tars import content_of, tar_of, tell
from thresher.formats.ova import Member
from thresher.model.errors import OvaError

FORMATS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
NAMES = st.from_regex(r"[a-z0-9 _-]{1,40}(\.[a-z]{1,4})?", fullmatch=True)
FILES = st.dictionaries(NAMES, st.binary(max_size=1600), min_size=1, max_size=5)


@given(FILES, FORMATS, st.lists(st.integers(0, 20_000), max_size=30))
@settings(deadline=None, max_examples=150)
def test_any_split_tells_the_same(files: dict[str, bytes], format_: int, cuts: list[int]) -> None:
    archive = tar_of(files, format_)
    edges = sorted({0, len(archive), *(cut for cut in cuts if cut < len(archive))})
    told = tell(*(archive[start:end] for start, end in pairwise(edges)))
    assert told == tell(archive)
    assert content_of(told) == files


@given(FILES, FORMATS)
@settings(deadline=None, max_examples=20)
def test_byte_by_byte_tells_the_same(files: dict[str, bytes], format_: int) -> None:
    archive = tar_of(files, format_)
    assert tell(*(archive[at : at + 1] for at in range(len(archive)))) == tell(archive)


@given(
    FILES,
    FORMATS,
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=4),
)
@settings(deadline=None, max_examples=300)
def test_damage_ends_in_events_or_the_formats_error(
    files: dict[str, bytes], format_: int, damage: list[tuple[int, int]]
) -> None:
    archive = bytearray(tar_of(files, format_))
    for at, value in damage:
        archive[at % len(archive)] = value
    with contextlib.suppress(OvaError):
        tell(bytes(archive))


@given(st.binary(max_size=2048))
@settings(deadline=None, max_examples=200)
def test_noise_ends_in_the_formats_error_or_nothing(noise: bytes) -> None:
    with contextlib.suppress(OvaError):
        assert not content_of(tell(noise))


@given(FILES, FORMATS)
@settings(deadline=None, max_examples=50)
def test_offsets_agree_with_tarfile(files: dict[str, bytes], format_: int) -> None:
    archive = tar_of(files, format_)
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        expected = {info.name: (info.offset_data, info.size) for info in packed}
    members = {e.name: (e.offset, e.size) for e in tell(archive) if isinstance(e, Member)}
    assert members == expected
