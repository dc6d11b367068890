"""The commands and their options. Each loads what it needs when it is run, and no more: a conversion starts at once."""

from pathlib import Path
from typing import Any

import click

from thresher import __version__
from thresher.cli.choices import Algorithm, Listing, OneOf, Output
from thresher.cli.plan_options import plan_options
from thresher.model.units import Bytes

EPILOG = (
    "Exit codes: 0 done; 1 a defect of Thresher's; 2 wrong arguments or manifests; 3 malformed input; "
    "4 the source failed or refused; 5 the target failed, or is full; 6 a checksum or size does not agree; "
    "7 nothing was touched, because something would be lost; 8 the new VM did not come up; 130 stopped."
)
FILE = click.Path(path_type=Path)
AT_LEAST_ONE = click.IntRange(min=1)


class Rate(click.ParamType[Bytes]):
    """Bytes a second, as a quantity."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Bytes:
        """The number. Raises BadParameter."""
        from thresher.model.bandwidth import rate_of

        try:
            return rate_of(str(value))
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


class _Pace(Rate):
    """More than 0: nobody could raise it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Bytes:
        """The number. Raises BadParameter."""
        rate = super().convert(value, param, ctx)
        return rate or self.fail("must be more than 0", param, ctx)


_bandwidth = click.option(
    "--bandwidth", type=_Pace(), metavar="RATE", help="At most so many bytes a second, such as 100Mi."
)
_ca = click.option("--ca", type=FILE, metavar="FILE", help="Trust these certificates (PEM) for HTTPS.")
_output = click.option(
    "--output", "-o", type=OneOf(Output), default=Output.TABLE.value, show_default=True, help="How to print it."
)
manifests_option = click.option(
    "--filename",
    "-f",
    "manifests",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Manifests of Secrets, sources and imports; '-' is standard input. May be given several times.",
)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="thresher", message="%(prog)s %(version)s")
def root() -> None:
    """Imports virtual machines from vCenter, OpenStack and OVA files into Harvester."""


@root.command(epilog=EPILOG)
@click.argument("source", metavar="FILE|URL")
@_output
@_ca
def inspect(source: str, output: Output, ca: Path | None) -> None:
    """Say what an .ova or .ovf holds, here or on a web server."""
    from thresher.cli import inspect as command

    command.run(source, output, ca)


@root.command(epilog=EPILOG)
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST", type=FILE)
@click.option("--checksum", type=OneOf(Algorithm), help="Hash the finished image too, holes included.")
@_bandwidth
@_output
@_ca
def convert(
    source: str, destination: Path, checksum: Algorithm | None, bandwidth: Bytes | None, output: Output, ca: Path | None
) -> None:
    """Turn one disk image into a sparse RAW file, in one pass and without scratch space.

    SRC is a VMDK (or qcow2, VHD, VHDX): a file, '-' or a URL. DST is the file to write.
    """
    from thresher.cli import convert as command

    command.run(source, destination, checksum, bandwidth, output, ca)


@root.command(epilog=EPILOG)
@manifests_option
@click.option("--watch", "-w", is_flag=True, help="Look again and again, and tell each change.")
@_output
def check(manifests: tuple[str, ...], output: Output, *, watch: bool) -> int:
    """Look at the sources of manifests: are they reachable, trusted, and are the credentials good?"""
    from thresher.cli import sources as command

    return command.check(manifests, output, watch=watch)


@root.command(epilog=EPILOG)
@manifests_option
@click.option(
    "--output", "-o", type=OneOf(Listing), default=Listing.TABLE.value, show_default=True, help="How to print it."
)
def inventory(manifests: tuple[str, ...], output: Listing) -> None:
    """List the VMs of a source, with what an import needs to know."""
    from thresher.cli import inventory as command

    command.run(manifests, output)


@root.command(epilog=EPILOG)
@manifests_option
@click.option("--to", type=FILE, required=True, metavar="DIR", help="The folder that VMs are imported into.")
@click.option("--boot", is_flag=True, help="Start each VM with QEMU and wait for its first words.")
@click.option(
    "--boot-timeout", type=AT_LEAST_ONE, default=120, show_default=True, metavar="SECONDS", help="For how long."
)
@click.option("--imports", type=AT_LEAST_ONE, default=4, show_default=True, metavar="N", help="Imports at once.")
@click.option(
    "--disks-per-source", type=AT_LEAST_ONE, default=8, show_default=True, metavar="N",
    help="Disks read at once from one vCenter or OpenStack.",
)  # fmt: skip
@click.option(
    "--disks-per-host", type=AT_LEAST_ONE, default=4, show_default=True, metavar="N",
    help="Disks read at once from one ESXi host.",
)  # fmt: skip
@_bandwidth
@_output
def run(
    manifests: tuple[str, ...],
    to: Path,
    boot_timeout: int,
    imports: int,
    disks_per_source: int,
    disks_per_host: int,
    bandwidth: Bytes | None,
    output: Output,
    *,
    boot: bool,
) -> int:
    """Import VMs on this machine, from the same manifests that go to a cluster.

    The same command again goes on where the last one ended.
    """
    from thresher.cli import run as command

    limits = command.Limits.of(imports, disks_per_source, disks_per_host, bandwidth)
    return command.run(manifests, to, command.Boot(boot, boot_timeout), limits, output)


@root.command(epilog=EPILOG)
@manifests_option
@plan_options
def plan(manifests: tuple[str, ...], **options: Any) -> None:
    """Look at a whole inventory before touching it: which VMs will make it, what it takes, and in which order.

    SIZE is a quantity such as 10Ti; RATE is one for a second, such as 100Mi, or in bits, such as 1Gbit; TIME is
    such as 2027-01-31T22:00.
    """
    from thresher.cli import plan as command

    command.run(manifests, command.Options(**options))


@root.command(epilog=EPILOG)
@click.option("--to", type=FILE, metavar="DIR", help="Keep the VM in this folder; else it is removed.")
def demo(to: Path | None) -> int:
    """Make a sample VM, serve it, import it, boot it, and show what it says."""
    from thresher.cli import demo as command

    return command.run(to)
