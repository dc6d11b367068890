"""``thresher run``: the manifests' imports, driven on this machine."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self, TextIO

from thresher.api.convert import import_spec
from thresher.api.manifests import Manifests
from thresher.api.virtualmachineimport import VirtualMachineImport
from thresher.cli.attempts import Attempts
from thresher.cli.choices import Output
from thresher.cli.manifests import read_manifests
from thresher.cli.phrases import phrase
from thresher.cli.printing import as_long_as_read
from thresher.cli.progress import Report, reporter
from thresher.cli.records import RecordFile
from thresher.cli.results import Finished, print_results, print_running
from thresher.cli.sources import opened_sources
from thresher.imports.observed import Failure
from thresher.imports.seams import Hooks, Outcome
from thresher.imports.status import ImportStatus
from thresher.imports.steps import ImportRun
from thresher.model.errors import BootError, ThresherError, UsageError
from thresher.model.spec import ImportSpec, Verify
from thresher.model.units import Bytes
from thresher.model.vm import SourceVM
from thresher.transfer.throttle import Throttle
from thresher.wiring.local import LocalImport, local_import
from thresher.wiring.sources import DiskLimits, OpenSource
from thresher.wiring.throttles import Throttles


@dataclass(frozen=True, slots=True)
class Boot:
    """Whether new VMs are started, and how many seconds they get to say something."""

    asked: bool
    timeout_s: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How much goes on at once: imports, each of which moves its own disks side by side, disks, and bytes a second."""

    imports: int = 4
    disks: DiskLimits = DiskLimits()  # noqa: RUF009  frozen
    bandwidth: Bytes | None = None

    @classmethod
    def of(cls, imports: int, per_source: int, per_host: int, bandwidth: Bytes | None) -> Self:
        """The limits in the order of the options."""
        return cls(imports, DiskLimits(per_source, per_host), bandwidth)


def run(files: Sequence[str], folder: Path, boot: Boot, limits: Limits, output: Output) -> int:
    """Run every import of the manifests and return the exit code. Raises UsageError for the manifests."""
    manifests = read_manifests(files)
    if not manifests.imports:
        raise UsageError(f"there is no VirtualMachineImport in {', '.join(files)}: add one")
    finished = execute(manifests, folder, boot, limits, sys.stdout if output is Output.TABLE else sys.stderr)
    with as_long_as_read():
        print_results(finished, output)
        if output is Output.TABLE:
            print_running(finished)
    return max((one.exit_code for one in finished), default=0)


def execute(manifests: Manifests, folder: Path, boot: Boot, limits: Limits, out: TextIO) -> list[Finished]:
    """Run every import to its end, a few at a time. Raises UsageError for the manifests."""
    with reporter(out) as report:
        for note in manifests.notes:
            report.line(f"note: {note}")
        return asyncio.run(_all(manifests, folder, boot, limits, report))


def prepare(
    vmi: VirtualMachineImport, source: OpenSource, folder: Path, boot: Boot, throttles: tuple[Throttle, ...] = ()
) -> LocalImport:
    """Put one import together. Raises UsageError."""
    return local_import(replace(import_spec(vmi), start=boot.asked), source, folder, throttles)


async def _all(manifests: Manifests, folder: Path, boot: Boot, limits: Limits, report: Report) -> list[Finished]:
    used = {vmi.source_ref: manifests.source(vmi.source_ref) for vmi in manifests.imports}
    limit = asyncio.Semaphore(limits.imports)
    throttles = Throttles(limits.bandwidth, tuple(used.values()))
    async with (
        opened_sources(manifests, tuple(used.values()), limits.disks, report) as pool,
        throttles.kept(lambda text: report.line(f"{datetime.now().astimezone():%H:%M:%S} {text}")),
    ):

        async def one(vmi: VirtualMachineImport) -> Finished:
            source = used[vmi.source_ref]
            local = prepare(vmi, pool.get(source), folder, boot, throttles.of(source))
            async with limit:
                return await _Run(local, folder, boot, report).drive()

        return list(await asyncio.gather(*(one(vmi) for vmi in manifests.imports)))


class _Run:
    """One import on this machine."""

    def __init__(self, local: LocalImport, folder: Path, boot: Boot, report: Report) -> None:
        self._local = local
        self._label = f"{local.spec.namespace}/{local.spec.name}"
        self._record = RecordFile(folder, local.spec)
        self._boot = boot
        self._report = report
        self._said: tuple[str, str] | None = None
        self._left = ""

    async def drive(self) -> Finished:
        """Drive the import to its end. What stops this one does not stop the others of the same manifests."""
        try:
            return await self._drive()
        except ThresherError as error:
            return Finished.failed(self._local.spec, Outcome(ImportStatus(), None, {}, Failure.of(error)))

    async def _drive(self) -> Finished:
        hooks = Hooks(
            on_status=self._on_status,
            on_progress=lambda progress: self._report.progress(f"{self._label} {progress.disk}", progress),
            on_record=Attempts(self._record.save, self._line),
        )
        run = ImportRun(self._local.spec, self._local.ports, hooks, recorded=self._record.load())
        outcome = await run.run()
        if outcome.failure is not None or outcome.vm is None:
            return Finished.failed(self._local.spec, outcome)
        return await self._ending(outcome, outcome.vm)

    async def _ending(self, outcome: Outcome, vm: SourceVM) -> Finished:
        spec, target = self._local.spec, self._local.target
        words, failure = "", None
        if self._boot.asked:
            words, failure = await self._first_words(spec, vm)
        state = await target.vm_state(spec, vm)
        paths = {disk.key: target.disk_path(spec, vm, index) for index, disk in enumerate(vm.disks)}
        return Finished(spec, outcome, paths, state, console=words, failure=failure)

    async def _first_words(self, spec: ImportSpec, vm: SourceVM) -> tuple[str, ThresherError | None]:
        """What the guest says first. Silence is a failure only where a proof was asked for."""
        self._line("waiting for the guest's first words on its serial console")
        try:
            return await self._local.target.prove_boot(spec, vm, None, self._boot.timeout_s), None
        except BootError as error:
            return "", error if spec.verify is Verify.BOOT else None

    def _on_status(self, status: ImportStatus) -> None:
        said = (status.import_status.value, phrase(status))
        if said != self._said:
            self._said = said
            self._line(": ".join(part for part in said if part))
        left = next((c.message for c in status.conditions if c.type == "CopiesRemoved"), "")
        if left and left != self._left:  # an interrupted run has no other last words
            self._left = left
            self._line(f"copies are still at the source: {left}")

    def _line(self, text: str) -> None:
        self._report.line(f"{datetime.now().astimezone():%H:%M:%S} {self._label} {text}")
