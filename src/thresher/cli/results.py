"""What is printed when a run is over."""

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from thresher.cli.choices import Output
from thresher.cli.printing import JsonValue, print_data, rate
from thresher.imports.seams import Outcome
from thresher.model.errors import ThresherError
from thresher.model.spec import ImportSpec
from thresher.model.units import human
from thresher.ports import DiskResult, VmState

_WORDS = 10
"""How many lines of a guest's first words are shown; all of them are in its console.log."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How one import ended.

    Attributes:
        spec: what was asked for.
        outcome: what the state machine says.
        paths: where each disk lies, by its key.
        state: of the new VM; None where there is none.
        console: the guest's first words.
        failure: what went wrong after the import itself: the proof of the boot.
    """

    spec: ImportSpec
    outcome: Outcome
    paths: Mapping[str, Path]
    state: VmState | None
    console: str = ""
    failure: ThresherError | None = None

    @classmethod
    def failed(cls, spec: ImportSpec, outcome: Outcome) -> Self:
        """An import that made no VM."""
        return cls(spec, outcome, {}, None)

    @property
    def exit_code(self) -> int:
        """What the process should end with for this import."""
        if self.outcome.failure is not None:
            return self.outcome.failure.exit_code
        return self.failure.exit_code if self.failure is not None else 0

    @property
    def message(self) -> str:
        """What went wrong; "" where nothing did."""
        if self.outcome.failure is not None:
            return self.outcome.failure.message
        return str(self.failure) if self.failure is not None else ""


def print_results(finished: Sequence[Finished], output: Output) -> None:
    """Print how each import ended; failures also on standard error, a sentence each."""
    if output is Output.TABLE:
        for one in finished:
            _print_table(one)
    else:
        print_data([_describe(one) for one in finished], output)
    for one in finished:
        if one.message:
            sys.stderr.write(f"thresher: {one.spec.namespace}/{one.spec.name}: {one.message}\n")


def _describe(one: Finished) -> dict[str, JsonValue]:
    results = one.outcome.results
    return {
        "namespace": one.spec.namespace,
        "name": one.spec.name,
        "status": one.outcome.status.import_status.value,
        "message": one.message or one.outcome.status.message,
        "vm": one.outcome.vm.name if one.outcome.vm else None,
        "disks": [_disk(key, path, results.get(key)) for key, path in one.paths.items()],
        "source_not_restored": one.outcome.not_restored.message if one.outcome.not_restored else None,
        "left_at_source": one.outcome.left.message if one.outcome.left else None,
        "findings": [f"{loss.subject}: {loss.message}" for loss in one.outcome.status.findings],
        "running": one.state.running if one.state else False,
        "vm_state": one.state.message if one.state else "",
        "console": one.console,
    }


def _disk(key: str, path: Path, result: DiskResult | None) -> dict[str, JsonValue]:
    described: dict[str, JsonValue] = {"key": key, "path": str(path)}
    if result is not None:
        checksum = result.checksum
        described |= {
            "capacity_bytes": result.capacity,
            "bytes_data": result.data,
            "bytes_read": result.read,
            "seconds": round(result.seconds, 3),
            "verified": list(result.verified),
            "checksum": checksum.hexdigest if checksum else None,
            "checksum_algorithm": checksum.algorithm if checksum else None,
        }
    return described


def _print_table(one: Finished) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    word = one.outcome.status.import_status.value or "not begun"
    console.print(f"\n[bold]{escape(one.spec.namespace)}/{escape(one.spec.name)}[/bold]: {word}")
    if one.paths:
        table = Table("disk", "size", "data", "rate", "checksum", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for key, path in one.paths.items():
            result = one.outcome.results.get(key)
            table.add_row(escape(path.name), *(_cells(result) if result else ("as it was", "", "", "")))
        console.print(table)
    for line in _lines(one):
        console.print(line, markup=False, soft_wrap=True)


def _lines(one: Finished) -> Iterator[str]:
    """What stands under the table. Long lines are left to the terminal: paths and digests are to be copied."""
    for key, path in one.paths.items():
        result = one.outcome.results.get(key)
        if result is not None and result.checksum is not None:
            yield f"{result.checksum.algorithm} of {path.name}: {result.checksum.hexdigest}"
    if one.paths:
        yield f"folder: {next(iter(one.paths.values())).parent}"
    for loss in one.outcome.status.findings:
        yield f"{loss.severity.value}: {loss.subject}: {loss.message}"
    if one.outcome.not_restored is not None:
        yield f"warning: the source VM was switched off and not on again: {one.outcome.not_restored.message}"
    if one.outcome.left is not None:
        yield f"warning: copies may be left at the source: {one.outcome.left.message}"
    if one.state is not None:
        yield f"VM: {one.state.message}"
    if one.console:
        yield "its first words:"
        yield from (f"    {line}" for line in one.console.splitlines()[:_WORDS])


def print_running(finished: Sequence[Finished]) -> None:
    """Tell how to stop the VMs that go on running."""
    for one in finished:
        if one.state is not None and one.state.running and one.paths:
            pid = next(iter(one.paths.values())).parent / "qemu.pid"
            stop = f"kill $(cat {shlex.quote(str(pid))})"
            sys.stdout.write(f"{one.spec.namespace}/{one.spec.name} goes on running; to stop it: {stop}\n")


def _cells(result: DiskResult) -> tuple[str, str, str, str]:
    proofs = [*result.verified, *([result.checksum.algorithm] if result.checksum else [])]
    return human(result.capacity), human(result.data), rate(result.read, result.seconds), ", ".join(proofs)
