"""KubeVirt's fields as QEMU's arguments. Purely computational, but for the copy of the EFI variables."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from rig.harvester.kube import Object
from rig.harvester.quantities import parse

OVMF = Path("/usr/share/OVMF")  # Debian's package ovmf
_NICS = {
    "virtio": "virtio-net-pci",
    "e1000": "e1000",
    "e1000e": "e1000e",
    "ne2k_pci": "ne2k_pci",
    "pcnet": "pcnet",
    "rtl8139": "rtl8139",
}
_MIB = 1 << 20


def arguments(spec: Object, claims: Mapping[str, Path], console: Path, variables: Path) -> list[str]:
    """The command that runs a VirtualMachineInstance.

    A TPM is left out (it would need swtpm), and a NIC has a network of its own that leads nowhere.

    Args:
        spec: the instance's spec, ``spec.template.spec`` of its VirtualMachine.
        claims: the files of its claims.
        console: gets what the guest writes to its first serial port.
        variables: where the EFI variables are kept, made if missing.

    Raises:
        ValueError: the spec asks for what KubeVirt would refuse.
    """
    domain = spec["domain"]
    firmware = domain.get("firmware") or {}
    smm = (domain.get("features") or {}).get("smm") is not None
    command = ["qemu-system-x86_64", "-nodefaults", "-accel", "tcg", "-display", "none", "-vga", "std"]
    command += ["-machine", f"q35,smm={'on' if smm else 'off'}", "-cpu", "max", "-monitor", "none"]
    command += ["-m", str(memory(domain) // _MIB), "-smp", _processors(domain)]
    command += ["-serial", f"file:{console}"]
    if "uuid" in firmware:
        command += ["-uuid", firmware["uuid"]]
    if "efi" in (firmware.get("bootloader") or {}):
        command += _efi(firmware["bootloader"]["efi"], variables, smm=smm)
    return [*command, *_disks(spec, claims), *_nics(domain)]


def memory(domain: Object) -> int:
    """What the guest sees, in bytes."""
    guest = (domain.get("memory") or {}).get("guest")
    resources = domain.get("resources") or {}
    asked = guest or (resources.get("requests") or resources.get("limits") or {}).get("memory")
    if not asked:
        raise ValueError("no memory requested")
    return parse(asked)


def _processors(domain: Object) -> str:
    cpu = domain.get("cpu") or {}
    sockets, cores, threads = (int(cpu.get(key, 1)) for key in ("sockets", "cores", "threads"))
    return f"{sockets * cores * threads},sockets={sockets},cores={cores},threads={threads}"


def _efi(efi: Object, variables: Path, *, smm: bool) -> list[str]:
    secure = efi.get("secureBoot", True)  # KubeVirt's default
    if secure and not smm:
        raise ValueError("SecureBoot requires the SMM feature to be enabled")
    code = OVMF / ("OVMF_CODE_4M.secboot.fd" if secure else "OVMF_CODE_4M.fd")
    if not variables.exists():
        shutil.copy(OVMF / ("OVMF_VARS_4M.ms.fd" if secure else "OVMF_VARS_4M.fd"), variables)
    words = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}"]
    words += ["-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
    return [*words, "-global", "driver=cfi.pflash01,property=secure,value=on"] if secure else words


def _disks(spec: Object, claims: Mapping[str, Path]) -> list[str]:
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or []}
    disks = (spec["domain"].get("devices") or {}).get("disks") or []
    buses = {_bus(disk) for disk in disks}
    words = ["-device", "virtio-scsi-pci,id=scsi"] if "scsi" in buses else []
    words += ["-device", "qemu-xhci,id=usb"] if "usb" in buses else []
    ports = iter(range(6))  # those of q35's own AHCI controller
    for index, disk in enumerate(disks):
        claim = volumes[disk["name"]]["persistentVolumeClaim"]["claimName"]
        path = str(claims[claim]).replace(",", ",,")
        words += ["-drive", f"if=none,id=d{index},format=raw,discard=unmap,file={path}"]
        boot = f",bootindex={disk['bootOrder']}" if "bootOrder" in disk else ""
        words += ["-device", f"{_device(_bus(disk), ports)},drive=d{index},serial={disk.get('serial', index)}{boot}"]
    return words


def _bus(disk: Object) -> str:
    return str((disk.get("disk") or {}).get("bus") or "sata")


def _device(bus: str, ports: Iterator[int]) -> str:
    if bus == "sata":
        return f"ide-hd,bus=ide.{next(ports)}"
    found = {"virtio": "virtio-blk-pci", "scsi": "scsi-hd,bus=scsi.0", "usb": "usb-storage,bus=usb.0"}.get(bus)
    if found is None:
        raise ValueError(f"unsupported disk bus {bus!r}")
    return found


def _nics(domain: Object) -> list[str]:
    words: list[str] = []
    for index, nic in enumerate((domain.get("devices") or {}).get("interfaces") or []):
        model = nic.get("model") or "virtio"
        if model not in _NICS:
            raise ValueError(f"unsupported interface model {model!r}")
        mac = f",mac={nic['macAddress'].replace('-', ':')}" if "macAddress" in nic else ""
        words += ["-netdev", f"user,id=n{index},restrict=on"]
        words += ["-device", f"{_NICS[model]},netdev=n{index}{mac}"]
    return words
