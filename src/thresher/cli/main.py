"""The command line's entry: hands over to a command, and turns an error into one sentence and an exit code."""

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from thresher.cli.commands import root
from thresher.cli.daemons import operator, worker
from thresher.cli.printing import as_long_as_read
from thresher.model.errors import Stopped, ThresherError, UsageError

for _daemon in (operator, worker):
    root.add_command(_daemon)


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup wants it to go on
        signal.signal(signal.SIGHUP, _terminate)
    sys.exit(execute(sys.argv[1:] or ["--help"]))


def execute(words: list[str]) -> int:
    """Run one command and return the exit code."""
    return _guarded(lambda: root.main(words, standalone_mode=False, prog_name="thresher"))


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _guarded(command: Callable[[], object]) -> int:
    """The exit code of a command; what went wrong is said in one sentence on standard error."""
    result: object = None
    try:
        with as_long_as_read():
            result = command()
    except ThresherError as error:
        return _say(str(error), error.exit_code)
    except click.ClickException as error:
        said = " ".join(error.format_message().split()).rstrip(".")
        return _say(f"{said}; see --help", UsageError.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped; run the same command again to go on", Stopped.exit_code)
    except Exception as error:
        if os.environ.get("THRESHER_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        return _say(f"a defect of Thresher's: {what}; set THRESHER_DEBUG=1 to see where, and report it", 1)
    return result if isinstance(result, int) else 0


def _say(text: str, code: int) -> int:
    click.echo(f"thresher: {text}", err=True)
    return code
