#!/usr/bin/env python3
"""Any bytes end in checksums or in ManifestError, and a manifest written anew reads the same."""

import sys

import atheris

with atheris.instrument_imports():
    from thresher.formats.manifest import parse_manifest
    from thresher.model.errors import ManifestError


def test_one_input(data: bytes) -> None:
    """Hold the parser to its promise."""
    try:
        found = parse_manifest(data)
    except ManifestError:
        return
    anew = "".join(f"{checksum.algorithm.upper()}({name})= {checksum.hexdigest}\n" for name, checksum in found.items())
    assert parse_manifest(anew.encode()) == found


def main() -> None:
    """Fuzz until stopped; libFuzzer's options are taken from the command line."""
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
