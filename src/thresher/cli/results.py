"""What is printed when a run is over."""

import sys
from collections.abc import Mapping, Sequence
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
        }
    return described


def _print_table(one: Finished) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    word = one.outcome.status.import_status.value or "not begun"
    console.print(f"\n[bold]{escape(one.spec.namespace)}/{escape(one.spec.name)}[/bold]: {word}", highlight=False)
    if one.paths:
        table = Table("disk", "size", "data", "rate", "checksum")
        for key, path in one.paths.items():
            result = one.outcome.results.get(key)
            table.add_row(escape(path.name), *(_cells(result) if result else ("as it was", "", "", "")))
        console.print(table)
        folder = next(iter(one.paths.values())).parent
        console.print(f"folder: {folder}", markup=False, highlight=False, soft_wrap=True)
    for loss in one.outcome.status.findings:
        console.print(f"{loss.severity.value}: {loss.subject}: {loss.message}", markup=False, soft_wrap=True)
    if one.state is not None:
        console.print(f"VM: {one.state.message}", markup=False, highlight=False, soft_wrap=True)
    if one.console:
        console.print(
            "its first words:",
            *(f"    {line}" for line in one.console.splitlines()[:10]),
            sep="\n",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if one.state is not None and one.state.running and one.paths:
        pid = next(iter(one.paths.values())).parent / "qemu.pid"
        console.print(
            f"It goes on running; to stop it: kill $(cat {pid})", markup=False, highlight=False, soft_wrap=True
        )


def _cells(result: DiskResult) -> tuple[str, str, str, str]:
    proof = ", ".join(result.verified)
    if result.checksum is not None:
        proof += f", {result.checksum.algorithm} {result.checksum.hexdigest[:16]}…"
    return human(result.capacity), human(result.data), rate(result.read, result.seconds), proof
