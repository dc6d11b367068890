"""The command line's entry: parses words, hands over to a command, and turns an error into one sentence."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from thresher import __version__
from thresher.cli.choices import Algorithm, Listing, Output
from thresher.model.errors import Stopped, ThresherError, UsageError

EPILOG = (
    "Exit codes: 0 done; 1 a defect of Thresher's; 2 wrong arguments or manifests; 3 malformed input; "
    "4 the source failed or refused; 5 the target failed, or is full; 6 a checksum or size does not agree; "
    "7 nothing was touched, because something would be lost; 8 the new VM did not come up; 130 stopped."
)

app = typer.Typer(
    name="thresher",
    help="Imports virtual machines from vCenter, OpenStack and OVA files into Harvester.",
    epilog=EPILOG,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Manifests = Annotated[
    list[str],
    typer.Option("--filename", "-f", metavar="FILE", help="Manifests of Secrets, sources and imports; '-' is stdin."),
]
Ca = Annotated[Path | None, typer.Option("--ca", metavar="FILE", help="Trust these certificates (PEM) for HTTPS.")]


def _version(asked: bool) -> None:  # noqa: FBT001  typer's callbacks take what was parsed
    if asked:
        typer.echo(f"thresher {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


@app.command(epilog=EPILOG)
def inspect(
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="An .ova or .ovf, here or on a web server.")],
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print it.")] = Output.TABLE,
    ca: Ca = None,
) -> None:
    """Say what an .ova or .ovf holds."""
    from thresher.cli import inspect as command

    command.run(source, output, ca)


@app.command(epilog=EPILOG)
def convert(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A VMDK (or qcow2, VHD, VHDX): a file, '-' or a URL.")],
    destination: Annotated[Path, typer.Argument(metavar="DST", help="The sparse RAW file to write.")],
    checksum: Annotated[
        Algorithm | None, typer.Option("--checksum", help="Hash the finished image too, holes included.")
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")] = Output.TABLE,
    ca: Ca = None,
) -> None:
    """Turn one disk image into a sparse RAW file, in one pass and without scratch space."""
    from thresher.cli import convert as command

    command.run(source, destination, checksum, output, ca)


@app.command(epilog=EPILOG)
def check(
    manifests: Manifests,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print it.")] = Output.TABLE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, and tell each change.")] = False,
) -> int:
    """Look at the sources of manifests: are they reachable, trusted, and are the credentials good?"""
    from thresher.cli import sources as command

    return command.check(manifests, output, watch=watch)


@app.command(epilog=EPILOG)
def inventory(
    manifests: Manifests,
    output: Annotated[Listing, typer.Option("--output", "-o", help="How to print it.")] = Listing.TABLE,
) -> None:
    """List the VMs of a source, with what an import needs to know."""
    from thresher.cli import inventory as command

    command.run(manifests, output)


@app.command(epilog=EPILOG)
def run(
    manifests: Manifests,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder that VMs are imported into.")],
    boot: Annotated[bool, typer.Option("--boot", help="Start each VM with QEMU and wait for its first words.")] = False,
    boot_timeout: Annotated[
        int, typer.Option("--boot-timeout", min=1, metavar="SECONDS", help="How long to wait for them.")
    ] = 120,
    imports: Annotated[int, typer.Option("--imports", min=1, metavar="N", help="How many imports at once.")] = 4,
    disks_per_source: Annotated[
        int, typer.Option("--disks-per-source", min=1, metavar="N", help="How many disks at once from one vCenter.")
    ] = 8,
    disks_per_host: Annotated[
        int, typer.Option("--disks-per-host", min=1, metavar="N", help="How many disks at once from one ESXi host.")
    ] = 4,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print the result.")] = Output.TABLE,
) -> int:
    """Import VMs on this machine, from the same manifests that go to a cluster.

    The same command again goes on where the last one ended.
    """
    from thresher.cli import run as command

    limits = command.Limits.of(imports, disks_per_source, disks_per_host)
    return command.run(manifests, to, command.Boot(boot, boot_timeout), limits, output)


@app.command(epilog=EPILOG)
def demo(
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Keep the VM in this folder; else it is removed.")
    ] = None,
) -> int:
    """Make a sample VM, serve it, import it, boot it, and show what it says."""
    from thresher.cli import demo as command

    return command.run(to)


@app.command(epilog=EPILOG, hidden=True)
def worker(
    manifests: Annotated[
        list[str], typer.Option("--filename", "-f", metavar="FILE", help="Manifests of one import; '-' is stdin.")
    ],
    scratch: Annotated[Path, typer.Option("--scratch", metavar="DIR", help="Where the disks are written.")],
    token_file: Annotated[
        Path, typer.Option("--token-file", metavar="FILE", help="Holds the secret part of the disks' URLs.")
    ],
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen", metavar="ADDRESS[:PORT]", help="Where to serve them; else at POD_IP and THRESHER_DISK_PORT."
        ),
    ] = None,
    report_configmap: Annotated[
        str | None, typer.Option("--report-configmap", metavar="NAMESPACE/NAME", help="Report to this ConfigMap.")
    ] = None,
    report_file: Annotated[
        Path | None,
        typer.Option("--report-file", metavar="FILE", help="Report to this file; FILE.command with 'stop' in it ends."),
    ] = None,
) -> int:
    """Carry out the transfer of one import and serve its disks: what the operator starts in a Pod.

    Ends with 0 when the command says stop. The same command on the same scratch goes on where the last one ended.
    """
    from thresher.cli import worker as command

    return command.run_and_report(manifests, scratch, token_file, listen, (report_configmap, report_file))


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
    return _guarded(lambda: app(words, standalone_mode=False, prog_name="thresher"))


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _guarded(command: Callable[[], object]) -> int:
    """The exit code of a command; what went wrong is said in one sentence on standard error."""
    try:
        result = command()
        sys.stdout.flush()  # so that whoever stopped reading is met here, not when Python ends
    except ThresherError as error:
        return _say(str(error), error.exit_code)
    except typer.TyperException as error:
        return _say(f"{error.format_message().rstrip('.')}; see --help", UsageError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
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
    typer.echo(f"thresher: {text}", err=True)
    return code
