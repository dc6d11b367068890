"""Whatever a disk holds and however its stream is cut up, the parser gives the disk back; damage ends in an error."""

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from rig import vmdk
from rig.disks import noise
from rig.streams import feed, split, whole
from thresher.formats.vmdk import Checkpoint, StreamVmdkParser, write_stream
from thresher.model.errors import StreamCut, VmdkError
from thresher.model.extent import Extent
from thresher.model.units import KIB, SECTOR, Bytes

GRAIN = 64 * KIB
MOST = 40 * GRAIN
SMALL = 8  # sectors to a grain: small streams with many grains
QUICK = settings(deadline=None, max_examples=40)
CUTS = st.lists(st.integers(0, 200_000), max_size=20)
SHUFFLED = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), max_size=8, unique_by=lambda pair: pair[0])


@st.composite
def disks(draw: st.DrawFn) -> tuple[list[Extent], int]:
    """Extents of data and of zeros in ascending order, and a capacity that holds them."""
    extents, at = [], 0
    for gap, length, fill in draw(
        st.lists(
            st.tuples(st.integers(0, 3 * GRAIN), st.integers(1, 2 * GRAIN), st.sampled_from([None, 0, 1, 2])),
            max_size=6,
        )
    ):
        data = None if fill is None else bytes(length) if fill == 0 else noise(length, fill)
        extents.append(Extent(Bytes(at + gap), Bytes(length), data))
        at += gap + length
    slack = draw(st.integers(0, 3 * 128))
    return extents, (-(-at // SECTOR) + slack) * SECTOR


def raw_of(extents: list[Extent], capacity: int) -> bytes:
    raw = bytearray(capacity)
    for extent in extents:
        if extent.data is not None:
            raw[extent.offset : extent.end] = extent.data
    return bytes(raw)


@given(disks(), CUTS)
@QUICK
def test_any_disk_in_any_split(disk: tuple[list[Extent], int], cuts: list[int]) -> None:
    extents, capacity = disk
    data = b"".join(write_stream(extents, Bytes(capacity), level=1))
    read = whole(split(data, cuts))
    assert read.ended
    assert read.disk(capacity) == raw_of(extents, capacity)


def small_stream(grains: list[tuple[int, int]]) -> bytes:
    """Grains of 4 KiB in the order given, each of one byte's repetition."""
    header = vmdk.Header(100 * SMALL, grain_size=SMALL)
    return vmdk.stream(header, [(index * SMALL, bytes([value]) * SMALL * SECTOR) for index, value in grains])


@given(SHUFFLED)
@settings(deadline=None, max_examples=10)
def test_byte_by_byte_in_any_order(grains: list[tuple[int, int]]) -> None:
    data = small_stream(grains)
    read = whole(data[at : at + 1] for at in range(len(data)))
    assert read.grains == {i * SMALL * SECTOR: bytes([value]) * SMALL * SECTOR for i, value in grains}
    assert read.ended


@given(SHUFFLED, CUTS)
@QUICK
def test_resumed_at_every_checkpoint_it_gives_the_rest(grains: list[tuple[int, int]], cuts: list[int]) -> None:
    data = small_stream(sorted(grains))
    parser, before = StreamVmdkParser(), feed(StreamVmdkParser(), [])
    for chunk in split(data, [*cuts, *range(128 * SECTOR, len(data), 700)]):
        feed(parser, [chunk], before)
        at = parser.checkpoint()
        if at is not None:
            assert before.grains | rest(at, data, cuts) == whole([data]).grains


def rest(at: Checkpoint, data: bytes, cuts: list[int]) -> dict[int, bytes]:
    """What a parser resumed at ``at`` gives out, to a proper end."""
    parser = StreamVmdkParser.resumed(at)
    read = feed(parser, split(data[at.offset :], cuts))
    parser.receive_eof()
    return read.grains


def events_or_error(data: bytes, cuts: list[int]) -> tuple[str, ...]:
    """The events as facts, or the refusal; nothing else may happen."""
    parser = StreamVmdkParser()
    told: list[str] = []
    try:
        for chunk in split(data, cuts):
            told.extend(repr(event).replace(repr(getattr(event, "payload", "")), "") for event in parser.receive(chunk))
        parser.receive_eof()
    except (VmdkError, StreamCut) as error:
        told.append(f"{type(error).__name__}: {error}")
    return tuple(told)


HEADER_AND_ELEMENTS = st.one_of(st.integers(0, SECTOR), st.integers(128 * SECTOR, 128 * SECTOR + 8000))


@given(SHUFFLED, st.lists(st.tuples(HEADER_AND_ELEMENTS, st.integers(0, 255)), min_size=1, max_size=6), CUTS)
@settings(deadline=None, max_examples=200)
def test_damage_ends_in_events_or_an_error_the_same_in_every_split(
    grains: list[tuple[int, int]], damage: list[tuple[int, int]], cuts: list[int]
) -> None:
    data = bytearray(small_stream(grains))
    for at, value in damage:
        data[at % len(data)] = value
    assert events_or_error(bytes(data), cuts) == events_or_error(bytes(data), [])


@given(SHUFFLED, st.floats(0, 1, exclude_max=True))
@settings(deadline=None, max_examples=100)
def test_a_truncated_stream_is_cut(grains: list[tuple[int, int]], part: float) -> None:
    data = small_stream(grains)
    (*_, last) = events_or_error(data[: int(len(data) * part)], [])
    assert str(last).startswith("StreamCut")


@given(st.binary(max_size=1500), CUTS)
@settings(deadline=None, max_examples=100)
def test_noise_is_refused(noise: bytes, cuts: list[int]) -> None:
    (*_, last) = events_or_error(noise, cuts)
    assert str(last).startswith(("VmdkError", "StreamCut"))


@given(st.integers(1, 2**34), st.sampled_from([8, 128, 4096]), st.integers(0, 2**31))
@settings(deadline=None, max_examples=30)
def test_a_headers_claims_take_no_memory(tables: int, grain: int, metadata: int) -> None:
    """Metadata is read past, not kept, whatever lengths are stated."""
    header = vmdk.Header(min(tables, 2**30 // 512) * 512 * grain, grain_size=grain)
    claims = header.pack() + bytes(127 * SECTOR) + vmdk.padded(metadata.to_bytes(8, "little") + b"\0\0\0\0\1")
    parser = StreamVmdkParser()
    tracemalloc.start()
    try:
        feed_quietly(parser, claims + b"\xff" * SECTOR * 200)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 << 20


def feed_quietly(parser: StreamVmdkParser, data: bytes) -> None:
    """Feed and drop the events; a refusal is fine here."""
    try:
        for _ in parser.receive(data):
            pass
    except VmdkError:
        return
