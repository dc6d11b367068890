"""Serves one disk as a worker does, as a process of its own: prints the URL, and ends with its standard input.

python -m benchmarks.diskserver FILE
"""

import sys
from pathlib import Path

from thresher.transfer.serving import DiskServer


def main() -> None:
    """Serve until nobody wants it any more."""
    with DiskServer("127.0.0.1", 0, "benchmark") as server:
        path = server.publish("disk-0.raw", Path(sys.argv[1]))
        print(f"http://127.0.0.1:{server.port}{path}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
