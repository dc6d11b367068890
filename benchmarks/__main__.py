"""``make bench``: everything that is measured, in tables and as JSON.

python -m benchmarks [--rounds 3] [--only convert,serve] [--json FILE] [--size full] [--save]
"""

import argparse
import compileall
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import thresher
from benchmarks import convert, fourdisks, imports, inventory, page, serve, whole
from benchmarks.bench import SIZES, Bench
from benchmarks.figures import Section, Taken
from benchmarks.machine import facts
from benchmarks.tables import as_text, cells, verdicts
from rig.golang import cache_dir

SECTIONS: Mapping[str, Callable[[Bench], Section]] = {
    "convert": convert.measure,
    "disks": fourdisks.measure,
    "whole": whole.measure,
    "serve": serve.measure,
    "inventory": inventory.measure,
    "imports": imports.measure,
}


def chosen(words: str) -> list[str]:
    """The sections of a list with commas; all of them for an empty one. Raises ArgumentTypeError."""
    keys = [word.strip() for word in words.split(",") if word.strip()] or list(SECTIONS)
    unknown = [key for key in keys if key not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return keys


def options(words: Sequence[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often every way runs")
    parser.add_argument("--only", type=chosen, default=list(SECTIONS), metavar="SECTION,...")
    parser.add_argument("--size", choices=tuple(SIZES), default="full")
    parser.add_argument("--save", action="store_true", help="make them the figures of docs/performance.md, too")
    parser.add_argument("--json", type=Path, default=None, help="where the figures go; else into the cache")
    return parser.parse_args(words)


def compile_everything() -> None:
    """Make the bytecode that an installation has: where none may be written, each process would compile its own."""
    for folder in (sysconfig.get_path("purelib"), Path(thresher.__file__).parent):
        compileall.compile_dir(folder, quiet=2, workers=0)


def show(section: Section) -> None:
    """Print the section's tables."""
    print(f"\n{section.title}\n{section.about}\n\n{as_text(cells(section))}", flush=True)
    if section.targets:
        print(as_text(verdicts(section)), flush=True)


def main() -> None:
    """Measure, print, and write the JSON after every section: a run that is stopped has lost nothing."""
    given = options(sys.argv[1:])
    compile_everything()
    bench = Bench(SIZES[given.size], given.rounds)
    path: Path = given.json or cache_dir("bench") / "last.json"
    machine, day, began = facts(), datetime.now(UTC).date().isoformat(), time.monotonic()
    taken: list[Taken] = []
    for key in given.only:
        print(f"==> {key}", flush=True)
        taken.append(Taken(SECTIONS[key](bench), day, given.rounds, machine))
        path.write_text(page.dump(taken), encoding="utf-8")
        if given.save:
            page.save(page.merged(page.load(page.DOCS / page.FIGURES), taken, list(SECTIONS)))
    for one in taken:
        show(one.section)
    print(", ".join(machine.values()))
    print(f"the figures are in {path}; it took {(time.monotonic() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
