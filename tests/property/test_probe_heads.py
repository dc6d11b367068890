import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from thresher.formats.probe import probe_image
from thresher.model.errors import ImageError

MAGICS = st.sampled_from(
    [
        b"KDMV\1\0\0\0",
        b"COWD",
        b"QFI\xfb\0\0\0\3",
        b"vhdxfile",
        b"conectix",
        b"# Disk DescriptorFile\n",
        b"version=1\n",
    ]
)
DESCRIPTORS = st.lists(
    st.sampled_from(["RW", "ZERO", "FLAT", " ", "\n", "1", '"', "..", "a", "/", ":", "\0", "#", "parentCID=", "f"])
).map("".join)


@given(MAGICS, st.binary(max_size=2048))
@settings(deadline=None, max_examples=300)
def test_any_head_is_an_image_or_the_formats_error(magic: bytes, rest: bytes) -> None:
    with contextlib.suppress(ImageError):
        probe_image(magic + rest, name="x")
    with contextlib.suppress(ImageError):
        probe_image(b"", name="x", tail=(magic + rest).ljust(512))


@given(DESCRIPTORS)
@settings(deadline=None, max_examples=300)
def test_no_extent_leaves_the_directory(text: str) -> None:
    with contextlib.suppress(ImageError):
        for name in probe_image(b"# Disk DescriptorFile\n" + text.encode(), name="x").extents:
            assert not {"/", ":", "\\"} & set(name)
            assert name not in ("", ".", "..")
