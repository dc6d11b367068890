#!/usr/bin/env python3
"""Any bytes end in events, VmdkError or StreamCut, the same in every split; resumed at a checkpoint, the rest comes."""

import sys

import atheris

with atheris.instrument_imports():
    from thresher.formats.vmdk import Checkpoint, Grain, ResumeImpossible, StreamVmdkParser
    from thresher.model.errors import StreamCut, VmdkError

Told = list[str | tuple[int, int, bytes]]
_SPLITS = (1 << 20, 700, 17)


def told_by(parser: StreamVmdkParser, data: bytes, step: int, places: list[tuple[int, Checkpoint]]) -> Told:
    """The grains and the end, or the words of the refusal; with every checkpoint and how much came before it."""
    told: Told = []
    try:
        for at in range(0, len(data), step):
            for event in parser.receive(data[at : at + step]):
                if isinstance(event, Grain):
                    told.append((event.offset, event.length, bytes(event.payload)))
                else:
                    told.append("end")
            place = parser.checkpoint()
            if place is not None:
                places.append((len(told), place))
        parser.receive_eof()
    except ResumeImpossible:
        return ["start over"]
    except (VmdkError, StreamCut) as error:
        told.append(f"{type(error).__name__}: {error}")
    return told


def test_one_input(data: bytes) -> None:
    """Hold the parser to its promise."""
    places: list[tuple[int, Checkpoint]] = []
    first, *others = (told_by(StreamVmdkParser(), data, step, places) for step in _SPLITS)
    assert all(other == first for other in others)
    for before, place in places[:: max(1, len(places) // 8)]:
        rest = told_by(StreamVmdkParser.resumed(place), data[place.offset :], 700, [])
        expected = first[before:]
        assert rest in (expected, ["end", *expected], ["start over"]), (
            place,
            expected,
            rest,
        )  # at the end, it comes again


def main() -> None:
    """Fuzz until stopped; libFuzzer's options are taken from the command line."""
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
