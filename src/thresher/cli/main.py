"""The command line's entry: hands over to a command, and turns an error into one sentence and an exit code."""

import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from thresher.cli.commands import root
from thresher.model.errors import Stopped, ThresherError, UsageError


@app.command("operator", epilog=EPILOG, hidden=True)
def operate(
    worker_image: Annotated[
        str, typer.Option("--worker-image", envvar="THRESHER_WORKER_IMAGE", help="The image that workers run.")
    ],
    namespaces: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", envvar="THRESHER_NAMESPACES", help="Watch this one; all if left out."),
    ] = None,
    transfers: Annotated[
        int, typer.Option("--max-transfers", min=1, envvar="THRESHER_MAX_TRANSFERS", help="Transfers at a time.")
    ] = 4,
    disk_port: Annotated[
        int, typer.Option("--disk-port", envvar="THRESHER_DISK_PORT", help="Where workers serve disks.")
    ] = 8080,
    scratch_class: Annotated[
        str,
        typer.Option(
            "--scratch-storage-class", envvar="THRESHER_SCRATCH_STORAGE_CLASS", help="Of workers' volumes; '' default."
        ),
    ] = "",
    scratch_factor: Annotated[
        float,
        typer.Option("--scratch-factor", min=1.0, envvar="THRESHER_SCRATCH_FACTOR", help="Room per byte of disk."),
    ] = 1.1,
    lease_namespace: Annotated[
        str,
        typer.Option("--lease-namespace", envvar="THRESHER_LEASE_NAMESPACE", help="Elect a leader there; '' is none."),
    ] = "",
    port: Annotated[
        int, typer.Option("--port", envvar="THRESHER_PORT", help="Of /healthz, /readyz and /metrics.")
    ] = 8081,
    log_level: Annotated[str, typer.Option("--log-level", envvar="THRESHER_LOG_LEVEL", help="The least.")] = "info",
) -> None:
    """Import what VirtualMachineImports ask for: what runs in the cluster."""
    from thresher.operator.main import Process, run
    from thresher.operator.settings import Scratch, Settings, Worker

    scratch = Scratch(scratch_class, scratch_factor)
    settings = Settings(Worker(worker_image, disk_port, scratch), tuple(namespaces or ()), transfers)
    run(settings, Process(lease_namespace, port=port, log_level=log_level))


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(execute(sys.argv[1:] or ["--help"]))


def execute(words: list[str]) -> int:
    """Run one command and return the exit code."""
    return _guarded(lambda: root.main(words, standalone_mode=False, prog_name="thresher"))


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _guarded(command: Callable[[], object]) -> int:
    """The exit code of a command; what went wrong is said in one sentence on standard error."""
    try:
        result = command()
        sys.stdout.flush()  # so that whoever stopped reading is met here, not when Python ends
    except ThresherError as error:
        return _say(str(error), error.exit_code)
    except click.ClickException as error:
        said = " ".join(error.format_message().split()).rstrip(".")
        return _say(f"{said}; see --help", UsageError.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped; run the same command again to go on", Stopped.exit_code)
    except (BrokenPipeError, SystemExit):  # whoever read our output has enough; rich makes the one the other
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("THRESHER_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        return _say(f"a defect of Thresher's: {what}; set THRESHER_DEBUG=1 to see where, and report it", 1)
    return result if isinstance(result, int) else 0


def _say(text: str, code: int) -> int:
    click.echo(f"thresher: {text}", err=True)
    return code
