"""``python -m thresher``."""

from thresher.cli.main import main

main()
