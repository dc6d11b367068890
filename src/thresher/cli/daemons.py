"""What runs in a cluster: the operator, and the worker that it starts for each import. Hidden from people's help."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from thresher.cli.choices import Rate
from thresher.cli.commands import AT_LEAST_ONE, EPILOG, FILE, manifests_option
from thresher.model.errors import UsageError
from thresher.model.units import Bytes


@click.command(epilog=EPILOG, hidden=True)
@manifests_option
@click.option("--scratch", type=FILE, required=True, metavar="DIR", help="Where the disks are written.")
@click.option(
    "--volume", "volumes", multiple=True, metavar="KEY=PATH",
    help="Write this disk there (diskMode: volume); DIR has the ledgers.",
)  # fmt: skip
@click.option("--token-file", type=FILE, required=True, metavar="FILE", help="The secret part of the disks' URLs.")
@click.option("--listen", metavar="ADDRESS[:PORT]", help="Where to serve them; else POD_IP and THRESHER_DISK_PORT.")
@click.option("--report-configmap", metavar="NAMESPACE/NAME", help="Report to this ConfigMap.")
@click.option("--report-file", type=FILE, metavar="FILE", help="Report to this file; 'stop' in FILE.command ends.")
@click.option("--bandwidth", type=Rate(), metavar="RATE", help="Bytes a second, until another rate is told.")
def worker(
    manifests: tuple[str, ...],
    scratch: Path,
    volumes: tuple[str, ...],
    token_file: Path,
    listen: str | None,
    report_configmap: str | None,
    report_file: Path | None,
    bandwidth: Bytes | None,
) -> int:
    """Carry out the transfer of one import and serve its disks: what the operator starts in a Pod.

    Ends with 0 when the command says stop; 'bandwidth RATE' there sets another rate. The same command on the same
    scratch goes on where the last one ended.
    """
    from thresher.cli import worker as command

    return command.run_and_report(
        list(manifests),
        command.Places(scratch, volumes),
        token_file,
        listen,
        bandwidth,
        (report_configmap, report_file),
    )


@click.command(epilog=EPILOG, hidden=True)
@click.option("--worker-image", required=True, envvar="THRESHER_WORKER_IMAGE", help="The image that workers run.")
@click.option(
    "--namespace", "-n", "namespaces", multiple=True, envvar="THRESHER_NAMESPACES", help="Watch this one; else all."
)
@click.option(
    "--max-transfers", type=AT_LEAST_ONE, default=4, show_default=True, envvar="THRESHER_MAX_TRANSFERS",
    help="Transfers at a time.",
)  # fmt: skip
@click.option(
    "--disk-port", type=int, default=8080, show_default=True, envvar="THRESHER_DISK_PORT",
    help="Where workers serve disks.",
)  # fmt: skip
@click.option(
    "--scratch-storage-class", default="", envvar="THRESHER_SCRATCH_STORAGE_CLASS",
    help="Of workers' volumes; the cluster's default if left out.",
)  # fmt: skip
@click.option(
    "--scratch-factor", type=click.FloatRange(min=1.0), default=1.1, show_default=True,
    envvar="THRESHER_SCRATCH_FACTOR", help="Room on a worker's volume for each byte of disk.",
)  # fmt: skip
@click.option(
    "--bandwidth", default="", envvar="THRESHER_BANDWIDTH", metavar="RATE",
    help="Bytes a second of all transfers together, such as 500Mi; 0 pauses them.",
)  # fmt: skip
@click.option(
    "--blackout", multiple=True, metavar="WINDOW",
    help="No transfer in this time of the day, such as '08:00-18:00 Europe/Berlin'.",
)  # fmt: skip
@click.option(
    "--cross-namespace-sources/--no-cross-namespace-sources", default=True, show_default=True,
    envvar="THRESHER_CROSS_NAMESPACE_SOURCES", help="Imports may use other namespaces' sources that do not say.",
)  # fmt: skip
@click.option(
    "--boot-wait-seconds", type=AT_LEAST_ONE, default=900, show_default=True, envvar="THRESHER_BOOT_WAIT_SECONDS",
    help="How long a new VM may take to run, or with verify: boot to give a sign of life.",
)  # fmt: skip
@click.option(
    "--lease-namespace", default="", envvar="THRESHER_LEASE_NAMESPACE",
    help="Elect a leader by a Lease in this namespace; none if left out.",
)  # fmt: skip
@click.option(
    "--port", type=int, default=8081, show_default=True, envvar="THRESHER_PORT", help="Of /healthz, /readyz, /metrics."
)
@click.option("--log-level", default="info", show_default=True, envvar="THRESHER_LOG_LEVEL", help="The least to log.")
def operator(
    worker_image: str,
    namespaces: tuple[str, ...],
    max_transfers: int,
    disk_port: int,
    scratch_storage_class: str,
    scratch_factor: float,
    bandwidth: str,
    blackout: tuple[str, ...],
    cross_namespace_sources: bool,  # noqa: FBT001 -- click passes it by name
    boot_wait_seconds: int,
    lease_namespace: str,
    port: int,
    log_level: str,
) -> None:
    """Import what VirtualMachineImports ask for: what runs in the cluster."""
    from thresher.model.bandwidth import Limit
    from thresher.operator.main import Process, run
    from thresher.operator.settings import POLICY, Scratch, Settings, Worker

    scratch = Scratch(scratch_storage_class, scratch_factor)
    try:
        limit = Limit.of(bandwidth, blackout)
    except ValueError as error:
        raise UsageError(f"--bandwidth or --blackout {error}") from error
    policy = replace(POLICY, boot_wait=timedelta(seconds=boot_wait_seconds))
    settings = Settings(
        Worker(worker_image, disk_port, scratch),
        namespaces,
        max_transfers,
        bandwidth=limit,
        cross_namespace_sources=cross_namespace_sources,
        policy=policy,
    )
    run(settings, Process(lease_namespace, port=port, log_level=log_level))
