"""``python -m rig.chaos``: one run; the exit code is 0 only where nothing is wrong in the end."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rig.chaos.run import run


def main() -> int:
    """Read the options, run, print."""
    options = argparse.ArgumentParser(prog="python -m rig.chaos", description=__doc__)
    options.add_argument("--seed", type=int, default=int(time.time()), help="of the plan; another one each time")
    options.add_argument("--faults", type=int, default=200, help="that have to hit something")
    options.add_argument("--json", action="store_true", help="print JSON in place of a table")
    options.add_argument("--keep", action="store_true", help="keep the folder with the log")
    asked = options.parse_args()
    home = Path(tempfile.mkdtemp(prefix="thresher-chaos-"))
    report = run(asked.seed, asked.faults, home, lambda text: print(f"==> {text}", file=sys.stderr, flush=True))
    print(report.json() if asked.json else report.table())
    if asked.keep or report.findings:
        print(f"the operator's log is in {home}", file=sys.stderr)
    else:
        shutil.rmtree(home)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
