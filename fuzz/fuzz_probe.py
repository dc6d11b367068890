#!/usr/bin/env python3
"""Any head and tail end in a probe or in ImageError, and no extent leaves the image's directory."""

import sys

import atheris

with atheris.instrument_imports():
    from thresher.formats.probe import TAIL_BYTES, probe_image
    from thresher.model.errors import ImageError


def test_one_input(data: bytes) -> None:
    """Hold the probe to its promise."""
    try:
        found = probe_image(data, name="fuzz", tail=data[-TAIL_BYTES:])
    except ImageError:
        return
    for name in found.extents:
        assert name not in ("", ".", "..")
        assert not set("/\\:\0") & set(name)


def main() -> None:
    """Fuzz until stopped; libFuzzer's options are taken from the command line."""
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
