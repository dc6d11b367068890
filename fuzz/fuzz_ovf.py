#!/usr/bin/env python3
"""Fuzz the OVF parser: any bytes end in a package or in OvfError, in bounded memory.

Run it as ``python fuzz/fuzz_ovf.py -rss_limit_mb=1024 -max_len=65536 CORPUS tests/data/ovf``: libFuzzer
keeps what it finds in the first folder and only reads the others.
"""

import sys

import atheris

with atheris.instrument_imports(include=["thresher.formats.ovf"]):
    from thresher.formats.ovf import parse_ovf
    from thresher.model.errors import OvfError


def parse_one(data: bytes) -> None:
    """Anything but OvfError passes through, and libFuzzer reports it."""
    try:
        package = parse_ovf(data)
    except OvfError:
        return
    assert package.vms


def main() -> None:
    """Hand over to libFuzzer, with the options of the command line."""
    atheris.Setup(sys.argv, parse_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
