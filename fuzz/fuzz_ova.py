#!/usr/bin/env python3
"""Any bytes end in events or in OvaError, and byte by byte they tell the same as whole."""

import sys

import atheris

with atheris.instrument_imports():
    from rig.tars import Told, tell
    from thresher.model.errors import OvaError


def outcome(*pieces: bytes) -> Told | str:
    """What the reader tells of the pieces, or the words of its refusal."""
    try:
        return tell(*pieces)
    except OvaError as error:
        return str(error)


def test_one_input(data: bytes) -> None:
    """Hold the reader to its promise."""
    assert outcome(data) == outcome(*(data[at : at + 1] for at in range(len(data))))


def main() -> None:
    """Fuzz until stopped; libFuzzer's options are taken from the command line."""
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
