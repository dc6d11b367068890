"""The parser of stream-optimized VMDKs against streams made by hand from the specification."""

import struct
import zlib
from collections.abc import Callable

import pytest

from rig import vmdk
from rig.disks import noise, text
from rig.streams import feed, split, whole
from thresher.formats.vmdk import Checkpoint, Grain, ResumeImpossible, StreamEnd, StreamVmdkParser
from thresher.model.errors import StreamCut, VmdkError
from thresher.model.units import KIB, SECTOR

GRAIN = 64 * KIB
CAPACITY = 10 * 128 + 7  # the last grain is 7 sectors long
DATA = {0: noise(GRAIN, 1), 128: text(GRAIN, 2), 640: noise(GRAIN, 3), 1280: text(7 * SECTOR, 4)}
WHOLE = vmdk.stream(vmdk.Header(CAPACITY), DATA)
DATA_AT = 128 * SECTOR


def disk_of(grains: dict[int, bytes], capacity: int = CAPACITY) -> bytes:
    raw = bytearray(capacity * SECTOR)
    for lba, data in grains.items():
        raw[lba * SECTOR : lba * SECTOR + len(data)] = data
    return bytes(raw)


def refused(data: bytes, words: str) -> VmdkError:
    with pytest.raises(VmdkError, match=words) as caught:
        whole([data])
    return caught.value


def with_body(*elements: bytes) -> bytes:
    """A stream whose elements are what a test says, and then its end."""
    made = vmdk.Stream(vmdk.Header(CAPACITY))
    for element in elements:
        made.body += element
    return made.finish()


def element(lba: int, packed: bytes) -> bytes:
    return vmdk.padded(struct.pack("<QI", lba, len(packed)) + packed)


@pytest.mark.parametrize("step", [1, 2, 15, 16, 17, 511, 512, 513, 4096, 1 << 20])
def test_every_split_gives_the_same_disk(step: int) -> None:
    read = whole(split(WHOLE, range(0, len(WHOLE), step)))
    assert read.ended
    assert read.disk(CAPACITY * SECTOR) == disk_of(DATA)


def test_a_grain_says_where_it_goes_and_the_last_one_is_short() -> None:
    parser = StreamVmdkParser()
    events = list(parser.receive(WHOLE))
    grains = [(event.offset, event.length) for event in events if isinstance(event, Grain)]
    assert grains == [(0, GRAIN), (GRAIN, GRAIN), (5 * GRAIN, GRAIN), (10 * GRAIN, 7 * SECTOR)]
    assert events[-1] == StreamEnd()
    assert parser.ended


def test_a_last_grain_padded_to_full_length_is_of_the_disks_length_all_the_same() -> None:
    data = vmdk.stream(vmdk.Header(CAPACITY), {1280: text(GRAIN, 5)})
    assert whole([data]).disk(CAPACITY * SECTOR) == disk_of({1280: text(GRAIN, 5)[: 7 * SECTOR]})


def test_grains_in_any_order() -> None:
    data = vmdk.stream(vmdk.Header(CAPACITY), reversed(DATA.items()))
    assert whole([data]).disk(CAPACITY * SECTOR) == disk_of(DATA)


def test_padding_behind_the_end_is_not_looked_at() -> None:
    assert whole([WHOLE + b"\xff" * 5000]).disk(CAPACITY * SECTOR) == disk_of(DATA)


def test_empty_pieces_change_nothing() -> None:
    assert whole([b"", WHOLE[:100], b"", WHOLE[100:], b""]).ended


def test_a_disk_without_grains() -> None:
    assert whole([vmdk.stream(vmdk.Header(CAPACITY), {})]).grains == {}


def test_a_disk_of_no_sectors() -> None:
    assert whole([vmdk.stream(vmdk.Header(0), {})]).ended


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_any_kind_of_bytes(form: Callable[[bytes], bytes]) -> None:
    assert whole([form(WHOLE)]).disk(CAPACITY * SECTOR) == disk_of(DATA)


@pytest.mark.parametrize("length", [0, 1, 511, 512, 5000, DATA_AT, DATA_AT + 7, DATA_AT + 30000, len(WHOLE) - SECTOR])
def test_a_cut_stream_says_after_how_many_bytes(length: int) -> None:
    with pytest.raises(StreamCut, match=f"after {length} bytes"):
        whole([WHOLE[:length]])


def test_a_marker_cut_short_is_no_end() -> None:
    with pytest.raises(StreamCut):
        whole([WHOLE[:-1]])


def test_zeros_in_place_of_grains_are_no_end() -> None:
    """A copy whose rest was never filled in: its zeros have the bytes of an end marker, but no footer came."""
    end = vmdk.grain_ends(WHOLE)[1]
    assert refused(WHOLE[:end].ljust(len(WHOLE), b"\0"), "footer").offset == end


def test_where_the_header_tells_all_no_footer_is_needed() -> None:
    header = vmdk.Header(CAPACITY, gd_offset=0)
    data = vmdk.Stream(header)
    data.add(0, DATA[0])
    assert whole([bytes(data.body) + vmdk.marker(vmdk.END_OF_STREAM)]).ended


def test_a_grain_outside_the_disk() -> None:
    assert refused(with_body(element(1408, b"x")), "sector 1408, outside").offset == DATA_AT


def test_a_grain_between_two_places() -> None:
    assert refused(with_body(element(64, b"x")), "no multiple of 128").offset == DATA_AT


def test_two_grains_for_one_place() -> None:
    first = vmdk.grain(128, DATA[128])
    assert refused(with_body(first, vmdk.grain(0, DATA[0]), first), "two grains for one place").offset


@pytest.mark.parametrize("size", [2 * GRAIN + 64 * KIB + 1, 2**32 - 1])
def test_a_grain_of_impossible_size_is_refused_before_it_comes(size: int) -> None:
    parser = StreamVmdkParser()
    with pytest.raises(VmdkError, match=f"{size} bytes"):
        feed(parser, [WHOLE[:DATA_AT] + struct.pack("<QI", 0, size) + b"\0\0\0\0"])


def test_an_incompressible_grain_is_longer_than_its_place() -> None:
    packed = zlib.compress(noise(GRAIN, 6), 0)
    assert len(packed) > GRAIN
    assert whole([with_body(element(0, packed))]).disk(CAPACITY * SECTOR)[:GRAIN] == noise(GRAIN, 6)


@pytest.mark.parametrize("kind", [4, 77, 2**32 - 1])
def test_an_unknown_marker(kind: int) -> None:
    assert refused(with_body(vmdk.marker(kind)), f"unknown type {kind}").offset == DATA_AT


def test_an_end_marker_with_a_length() -> None:
    refused(with_body(vmdk.marker(vmdk.END_OF_STREAM, b"x")), "unknown type 0")


@pytest.mark.parametrize("kind", [vmdk.GRAIN_TABLE, vmdk.GRAIN_DIRECTORY])
def test_metadata_longer_than_the_disk_can_need(kind: int) -> None:
    refused(with_body(vmdk.padded(struct.pack("<QII", 2**62, 0, kind))), "sectors of metadata")


def test_a_footer_for_another_disk() -> None:
    footer = vmdk.Header(CAPACITY + 1).pack()
    refused(with_body(vmdk.marker(vmdk.FOOTER, footer)), "contradicts")


def test_a_footer_that_is_none() -> None:
    assert refused(with_body(vmdk.marker(vmdk.FOOTER, b"x" * SECTOR)), "KDMV").offset == DATA_AT + SECTOR


def checkpoints(data: bytes, step: int) -> list[tuple[Checkpoint, dict[int, bytes]]]:
    """Every place that the parser would resume at, with what came before it."""
    parser, found, before = StreamVmdkParser(), [], feed(StreamVmdkParser(), [])
    for chunk in split(data, range(0, len(data), step)):
        feed(parser, [chunk], before)
        at = parser.checkpoint()
        if at is not None:
            found.append((at, dict(before.grains)))
    return found


@pytest.mark.parametrize("step", [512, 700, 20000])
def test_resumed_from_every_checkpoint_the_rest_comes(step: int) -> None:
    places = checkpoints(WHOLE, step)
    assert len({at.offset for at, _ in places}) >= 3
    for at, before in places:
        parser = StreamVmdkParser.resumed(at)
        rest = feed(parser, [WHOLE[at.offset :]])
        parser.receive_eof()
        assert not before.keys() & rest.grains.keys()
        assert {**before, **rest.grains} == whole([WHOLE]).grains


def test_no_checkpoint_lies_behind_what_came() -> None:
    """Within a grain table the next element is yet to come, and the file may be cut before it."""
    end = vmdk.grain_ends(WHOLE)[-1] + SECTOR
    parser = StreamVmdkParser()
    feed(parser, [WHOLE[: end + 100]])
    assert parser.checkpoint() is None
    feed(parser, [WHOLE[end + 100 : end + 4 * SECTOR]])
    at = parser.checkpoint()
    assert at is not None
    assert at.offset == end + 4 * SECTOR


def test_a_checkpoint_at_the_end_finds_the_end_again() -> None:
    """An end that needs no footer: whoever resumes there must not wait for a marker that has passed."""
    made = vmdk.Stream(vmdk.Header(CAPACITY, gd_offset=0))
    made.add(0, DATA[0])
    data = bytes(made.body) + vmdk.marker(vmdk.END_OF_STREAM)
    parser = StreamVmdkParser()
    feed(parser, [data])
    at = parser.checkpoint()
    assert at is not None
    resumed = StreamVmdkParser.resumed(at)
    assert feed(resumed, [data[at.offset :]]).ended
    resumed.receive_eof()


def test_no_checkpoint_before_the_data_nor_among_shuffled_grains() -> None:
    parser = StreamVmdkParser()
    feed(parser, [WHOLE[:5000]])
    assert parser.checkpoint() is None
    shuffled = StreamVmdkParser()
    feed(shuffled, [vmdk.stream(vmdk.Header(CAPACITY), reversed(DATA.items()))])
    assert shuffled.checkpoint() is None


def test_a_grain_behind_the_place_of_resumption_needs_the_whole_stream() -> None:
    data = vmdk.stream(vmdk.Header(CAPACITY), {640: DATA[640], 128: DATA[128]})
    parser = StreamVmdkParser()
    first = vmdk.grain_ends(data)[0]
    feed(parser, [data[:first]])
    at = parser.checkpoint()
    assert at is not None
    with pytest.raises(ResumeImpossible):
        feed(StreamVmdkParser.resumed(at), [data[first:]])
