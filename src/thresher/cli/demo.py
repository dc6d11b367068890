"""``thresher demo``: the main job, shown in under a minute."""

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thresher.api.manifests import Manifests, load_manifests
from thresher.cli.choices import Output
from thresher.cli.results import Finished, print_results
from thresher.cli.run import Boot, Limits, execute, prepare
from thresher.model.errors import BootError
from thresher.model.units import human
from thresher.samples.manifests import sample_manifests
from thresher.samples.ova import DEFAULT_NAME, write_sample_ova
from thresher.samples.server import serve_folder
from thresher.wiring.local import LocalImport, find_vm, remove_local_vm
from thresher.wiring.sources import SourcePool

BOOT_TIMEOUT_S = 120
"""A boot sector speaks within a second; a machine that is busy gets more."""


def run(folder: Path | None) -> int:
    """Make, serve, import and boot the sample VM, and return the exit code. Raises ThresherError."""
    with _workplace(folder) as home:
        ova = home / f"{DEFAULT_NAME}.ova"
        marker = f"proof {secrets.token_hex(4)}"
        _say(f"making a sample VM, {ova.name}: two disks, and a boot sector that will say {marker!r}")
        write_sample_ova(ova, marker)
        with serve_folder(home) as url:
            text = sample_manifests(f"{url}/{ova.name}", DEFAULT_NAME)
            (home / "manifests.yaml").write_text(text, encoding="utf-8")
            _say(f"serving it ({human(ova.stat().st_size)}) at {url} and importing it with these manifests:")
            sys.stdout.write("".join(f"    {line}\n" for line in text.splitlines()))
            _say(f"thresher run -f {home}/manifests.yaml --to {home} --boot")
            code = _import(load_manifests(text), home, marker)
        if folder is not None:
            _say(f"the VM is switched off again and stays in {home / DEFAULT_NAME}")
        return code


def _import(manifests: Manifests, home: Path, marker: str) -> int:
    """Run the demo's import and print how it went. Whatever happens, no VM goes on running."""
    boot = Boot(asked=True, timeout_s=BOOT_TIMEOUT_S)
    local = _prepared(manifests, home, boot)
    vm = asyncio.run(find_vm(local))
    asyncio.run(remove_local_vm(local, vm))  # an earlier demo's: its guest says something else
    try:
        finished = execute(manifests, home, boot, Limits(), sys.stdout)
        print_results(finished, Output.TABLE)
        return _verdict(finished, marker)
    finally:
        asyncio.run(local.target.stop_vm(local.spec, vm))


def _prepared(manifests: Manifests, home: Path, boot: Boot) -> LocalImport:
    vmi = manifests.imports[0]
    return prepare(vmi, SourcePool(manifests).get(manifests.source(vmi.source_ref)), home, boot)


def _verdict(finished: list[Finished], marker: str) -> int:
    code = max(one.exit_code for one in finished)
    if code == 0 and not all(marker in one.console for one in finished):
        raise BootError(f"the VM started, but did not say {marker!r} on its console: see its console.log")
    if code == 0:
        _say(f"the guest itself said {marker!r}: the VM that came out is the one that went in")
    return code


@contextmanager
def _workplace(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="thresher-demo-") as name:
        yield Path(name)


def _say(text: str) -> None:
    sys.stdout.write(f"==> {text}\n")
    sys.stdout.flush()
