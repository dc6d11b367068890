"""The local target: what a VM needs, in a folder of its own."""

import asyncio
import errno
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from thresher.model.errors import BootError, TargetError, TargetFull
from thresher.model.naming import image_name, target_name
from thresher.model.spec import ImportSpec
from thresher.model.units import Bytes
from thresher.model.vm import FirmwareType, Loss, SourceVM
from thresher.ports import VmState
from thresher.targets import manifests
from thresher.targets.local import qemu
from thresher.targets.local.arguments import Files, Firmware, qemu_arguments
from thresher.targets.local.console import last_words, wait_for_console
from thresher.targets.local.domain import domain_xml

_OWNER = "import.json"
"""Says whose folder it is, so that no import writes over another's VM."""
STOP_TIMEOUT_S = 10.0
"""How long a VM gets to end before it is made to."""


class LocalTarget:
    """VMs in folders: ``<folder>/<target name>/`` (:class:`thresher.ports.Target`).

    Each holds ``disk-N.raw``, ``domain.xml`` for libvirt, ``manifests.yaml`` as Harvester would get them,
    and of a VM that was started ``console.log``, ``qemu.pid``, ``qemu.log`` (why it did not start) and
    ``efi-vars.fd``. A later process finds a running VM again by its pid file.

    Args:
        folder: where the VMs' folders are made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def home(self, spec: ImportSpec, vm: SourceVM) -> Path:
        """The VM's folder. Raises UsageError if the target name asked for is not valid."""
        return self._folder / target_name(spec, vm)

    def disk_path(self, spec: ImportSpec, vm: SourceVM, index: int) -> Path:
        """Where the raw bytes of disk ``index`` are written. A blank folder is this import's from now on."""
        home = self.home(spec, vm)
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _target_error(f"the folder {home} cannot be made", error) from error
        if not any(home.iterdir()):
            _write(home / _OWNER, json.dumps({"import": f"{spec.namespace}/{spec.name}", "uid": spec.uid}) + "\n")
        return home / f"disk-{index}.raw"

    def _is_foreign(self, home: Path, spec: ImportSpec) -> bool:
        """Whether another import, or somebody else, put something there."""
        try:
            owner = json.loads((home / _OWNER).read_text(encoding="utf-8"))
            return not isinstance(owner, dict) or owner.get("uid") != spec.uid
        except FileNotFoundError:
            return home.is_dir() and any(home.iterdir())
        except (OSError, ValueError):
            return True

    async def findings(self, spec: ImportSpec, vm: SourceVM) -> Sequence[Loss]:
        """What the translation cannot carry over."""
        return manifests.findings(spec, vm)

    async def discard(self, spec: ImportSpec, vm: SourceVM) -> None:
        """Remove the VM's folder. Raises TargetError where the VM runs, or it cannot be removed."""
        home = self.home(spec, vm)
        if self._is_foreign(home, spec) or not home.exists():
            return
        if qemu.running_pid(home / "qemu.pid") is not None:
            raise TargetError(f"{vm.name} runs from {home}, so that nothing is removed: stop it first.")
        try:
            await asyncio.to_thread(shutil.rmtree, home)
        except OSError as error:
            raise _target_error(f"the folder {home} cannot be removed", error) from error

    def console_path(self, spec: ImportSpec, vm: SourceVM) -> Path:
        """The file that holds what the VM says on its serial console."""
        return self.home(spec, vm) / "console.log"

    async def create_vm(self, spec: ImportSpec, vm: SourceVM) -> None:
        """Describe the VM beside its disks. Raises TargetError where a disk is missing or cannot be used."""
        await asyncio.to_thread(self._create, spec, vm)

    def _create(self, spec: ImportSpec, vm: SourceVM) -> None:
        disks = self._disks(spec, vm)
        refs = [
            None if manifests.is_blank(disk) or spec.writes_volumes else _image_ref(spec, disk.key, path)
            for disk, path in zip(vm.disks, disks, strict=True)
        ]
        objects = [
            manifests.image(spec, vm, index, manifests.Download(disks[index].as_uri()))
            for index, ref in enumerate(refs)
            if ref is not None
        ]
        if spec.writes_volumes:
            objects += [manifests.volume(spec, vm, index) for index in range(len(vm.disks))]
        objects.append(manifests.virtual_machine(spec, vm, refs))
        home = self.home(spec, vm)
        _write(home / "manifests.yaml", manifests.to_yaml(objects))
        _write(home / "domain.xml", domain_xml(spec, vm, disks, kvm=qemu.kvm_works()))

    def _disks(self, spec: ImportSpec, vm: SourceVM) -> tuple[Path, ...]:
        paths = tuple(self.disk_path(spec, vm, index) for index in range(len(vm.disks)))
        for path, disk in zip(paths, vm.disks, strict=True):
            if not path.is_file():
                raise TargetError(f"Disk {disk.key} of {vm.name} is not at {path}: run the import again to fetch it.")
        return paths

    async def start_vm(self, spec: ImportSpec, vm: SourceVM) -> None:
        """Start the VM with QEMU, where it is not running yet.

        Raises:
            TargetError: QEMU, the firmware or a disk is missing.
            BootError: QEMU refused, in its own words.
        """
        await asyncio.to_thread(self._start, spec, vm)

    def _start(self, spec: ImportSpec, vm: SourceVM) -> None:
        home = self.home(spec, vm)
        if qemu.running_pid(home / "qemu.pid") is not None:
            return
        log, console = home / "qemu.log", self.console_path(spec, vm)
        disks = self._disks(spec, vm)
        files = Files(disks, console, home / "qemu.pid", self._firmware(home, vm))
        for leftover in (log, console):
            leftover.unlink(missing_ok=True)
        try:
            qemu.start(qemu_arguments(spec, vm, files, kvm=qemu.kvm_works()))
        except BootError as error:
            _write(log, f"{error}\n")
            raise

    def _firmware(self, home: Path, vm: SourceVM) -> Firmware | None:
        if vm.firmware.type is not FirmwareType.EFI:
            return None
        code, template = qemu.firmware_files(secure_boot=vm.firmware.secure_boot)
        variables = home / "efi-vars.fd"
        if not variables.exists():
            try:
                part = variables.with_suffix(".part")
                shutil.copyfile(template, part)
                part.replace(variables)
            except OSError as error:
                raise _target_error(f"{variables} cannot be written", error) from error
        return Firmware(code, variables)

    async def vm_state(self, spec: ImportSpec, vm: SourceVM) -> VmState:
        """Whether it is whole, disks and description, whether it runs, and what it or QEMU said last."""
        home = self.home(spec, vm)
        if self._is_foreign(home, spec):
            return VmState(exists=False, running=False, message=f"{home} is not this import's", foreign=True)
        disks = (home / f"disk-{index}.raw" for index in range(len(vm.disks)))
        exists = (home / "domain.xml").is_file() and all(disk.is_file() for disk in disks)
        running = qemu.running_pid(home / "qemu.pid") is not None
        return VmState(exists, running, self._message(home, vm, running=running))

    def _message(self, home: Path, vm: SourceVM, *, running: bool) -> str:
        log, console = home / "qemu.log", home / "console.log"
        if log.is_file():
            return log.read_text(encoding="utf-8").strip()
        if not running and not console.is_file():
            return "not started"
        words = last_words(console)
        said = f"console said: {words}" if words else "its console is silent"
        without = ", without its TPM, which is not emulated here" if vm.firmware.tpm else ""
        return f"{'runs' if running else 'ran and ended'}{without}, {said}"

    async def stop_vm(self, spec: ImportSpec, vm: SourceVM, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Switch the VM off, where it runs. Raises TargetError where that fails."""
        await asyncio.to_thread(qemu.stop, self.home(spec, vm) / "qemu.pid", timeout_s)

    async def prove_boot(self, spec: ImportSpec, vm: SourceVM, marker: str | None, timeout_s: float) -> str:
        """Wait for the VM's sign of life, ``marker`` or anything, and return what its console said.

        Raises:
            BootError: none came in time, or the VM ended without one.
        """
        pid_file = self.home(spec, vm) / "qemu.pid"
        console = self.console_path(spec, vm)
        return await wait_for_console(console, marker, timeout_s, lambda: qemu.running_pid(pid_file) is not None)


def _image_ref(spec: ImportSpec, key: str, path: Path) -> manifests.ImageRef:
    return manifests.ImageRef(image_name(spec.uid, key), Bytes(path.stat().st_size))


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise _target_error(f"{path} cannot be written", error) from error


def _target_error(what: str, error: OSError) -> TargetError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return TargetFull(f"The disk is full, {what}: make room and run the import again.")
    reason = error.strerror or str(error)
    return TargetError(f"{what[0].upper()}{what[1:]}: {reason}. Check the folder that VMs are imported to.")
