"""A real Linux on a disk, built from the distribution's packages: no root, no mounts, seconds.

The kernel comes from ``apt-get download`` (no root needed) and is cached; busybox is the whole user land. The
disk has an MBR, a FAT partition that syslinux boots from, and an ext4 root. Its initrd finds the root by its
label, checks the SHA-256 of a file on it and says on the serial console what it saw.
"""

import hashlib
import lzma
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rig.disks import require, text
from rig.golang import cache_dir, locked
from thresher.model.units import MIB, SECTOR

KERNEL_PACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")
"""Debian's and Ubuntu's names for the newest kernel for virtual machines."""
MODULES = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
)
"""What a kernel needs to see a virtio disk, in the order of loading; those it has built in have no file."""
BUSYBOX = Path("/bin/busybox")
MBR = Path("/usr/lib/syslinux/mbr/mbr.bin")
ROOT_LABEL = "guest-root"
_BOOT_START, _BOOT_SIZE = 1 * MIB, 40 * MIB
_ROOT_START, _ROOT_SIZE = 41 * MIB, 24 * MIB
_DISK_SIZE = 66 * MIB
_ENV = os.environ | {"PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"}

_INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1 </dev/ttyS0
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in {modules}; do [ -f /$module.ko ] && insmod /$module.ko; done
for try in 1 2 3 4 5 6 7 8 9 10; do
  root=$(findfs LABEL={label} 2>/dev/null) && break
  sleep 1
done
mount -t ext4 -o ro,noload "$root" /root || echo "guest: no root file system"
cd /root && sha256sum -c SHA256SUMS && echo "guest: $(cat nonce) is alive on $root"
echo
echo "guest login: "
while :; do sleep 3600; done
"""
# noload: the check must not write to the disk that it proves.


@dataclass(frozen=True, slots=True)
class LinuxDisk:
    """A bootable disk and what it says once it is up.

    Attributes:
        path: the raw image.
        marker: a line on the serial console, with the disk's own nonce and the partition it runs from.
    """

    path: Path
    marker: str


def build(folder: Path, nonce: str) -> LinuxDisk:
    """Build the disk in ``folder``; ``nonce`` is what this one says that no other does."""
    require("syslinux", "mcopy", "mkfs.vfat", "mke2fs", "sfdisk", "dpkg-deb")
    assert BUSYBOX.exists(), "busybox-static is missing; `make setup` installs it"
    assert MBR.exists(), "syslinux-common is missing; `make setup` installs it"
    disk = folder / "linux.raw"
    with TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        boot, root = _boot_partition(work), _root_partition(work, nonce)
        _assemble(disk, boot, root)
    return LinuxDisk(disk, f"guest: {nonce} is alive on /dev/vda2")


def kernel() -> Path:
    """A folder with the newest kernel (``vmlinuz``) and the modules of MODULES, from the cache or apt."""
    package = _kernel_package()
    home = cache_dir("debian") / package
    with locked(cache_dir("debian") / ".lock"):
        if not home.exists():
            print(f"==> downloading {package}", flush=True)
            with TemporaryDirectory(dir=home.parent) as name:
                unpacked = _download(package, Path(name))
                _keep(unpacked, home.with_suffix(".part"))
            home.with_suffix(".part").rename(home)
    return home


def _kernel_package() -> str:
    """The versioned package that the distribution's meta package depends on."""
    for meta in KERNEL_PACKAGES:
        found = subprocess.run(["apt-cache", "depends", meta], check=False, capture_output=True, text=True)
        if names := re.findall(r"Depends: (linux-image-\d\S+)", found.stdout):
            return str(names[0])
    raise AssertionError(f"apt knows none of {', '.join(KERNEL_PACKAGES)}; run: apt-get update")


def _download(package: str, work: Path) -> Path:
    unsandboxed = "APT::Sandbox::User="  # as root, apt would drop to a user who may not write here
    subprocess.run(["apt-get", "download", "-qq", "-o", unsandboxed, package], check=True, cwd=work)
    (archive,) = work.glob("*.deb")
    unpacked = work / "unpacked"
    subprocess.run(["dpkg-deb", "-x", str(archive), str(unpacked)], check=True)
    return unpacked


def _keep(unpacked: Path, home: Path) -> None:
    """Keep of a kernel package what the guest needs, and let the other ninety MB go."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (image,) = (unpacked / "boot").glob("vmlinuz-*")
    shutil.copyfile(image, home / "vmlinuz")
    for module in MODULES:
        for found in unpacked.rglob(f"{module}.ko*"):
            data = found.read_bytes()
            (home / f"{module}.ko").write_bytes(lzma.decompress(data) if found.suffix == ".xz" else data)


def _newc(name: str, mode: int, data: bytes, number: int) -> bytes:
    """One member of a cpio archive in the "newc" format (Linux: Documentation/driver-api/early-userspace)."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def _initrd() -> bytes:
    """Busybox, the modules and the init script, as an archive that the kernel unpacks."""
    init = _INIT.format(modules=" ".join(MODULES), label=ROOT_LABEL)
    members = [(folder, 0o40755, b"") for folder in ("bin", "dev", "proc", "sys", "root")]
    members += [("bin/busybox", 0o100755, BUSYBOX.read_bytes()), ("init", 0o100755, init.encode())]
    members += [(path.name, 0o100644, path.read_bytes()) for path in sorted(kernel().glob("*.ko"))]
    members.append(("TRAILER!!!", 0, b""))
    return b"".join(_newc(*member, number) for number, member in enumerate(members, 1))


def _boot_partition(work: Path) -> Path:
    """A FAT file system with syslinux, the kernel and the initrd, made without mounting it."""
    image = work / "boot.img"
    (work / "initrd").write_bytes(_initrd())
    (work / "syslinux.cfg").write_text(
        "DEFAULT linux\nLABEL linux\n  KERNEL vmlinuz\n  INITRD initrd\n  APPEND console=ttyS0,115200 panic=1 quiet\n"
    )
    image.touch()
    os.truncate(image, _BOOT_SIZE)
    hidden = str(_BOOT_START // SECTOR)
    files = [str(path) for path in (kernel() / "vmlinuz", work / "initrd", work / "syslinux.cfg")]
    for command in (
        ["mkfs.vfat", "-F", "16", "-h", hidden, str(image)],
        ["mcopy", "-i", str(image), *files, "::"],
        ["syslinux", "--install", str(image)],
    ):
        subprocess.run(command, check=True, env=_ENV, stdout=subprocess.DEVNULL)
    return image


def _root_partition(work: Path, nonce: str) -> Path:
    """An ext4 file system with the nonce, four MiB of data and their checksums."""
    tree, image = work / "root", work / "root.img"
    tree.mkdir()
    (tree / "nonce").write_text(nonce + "\n")
    (tree / "data").write_bytes(text(4 * MIB, 21))
    sums = [f"{hashlib.sha256((tree / n).read_bytes()).hexdigest()}  {n}\n" for n in ("nonce", "data")]
    (tree / "SHA256SUMS").write_text("".join(sums))
    size = f"{_ROOT_SIZE // 1024}k"
    command = ["mke2fs", "-q", "-t", "ext4", "-L", ROOT_LABEL, "-d", str(tree), str(image), size]
    subprocess.run(command, check=True, env=_ENV, stdout=subprocess.DEVNULL)
    return image


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The blocks of ``data`` that are not zero, with their offsets: the rest stay holes."""
    for at in range(0, len(data), 4096):
        block = data[at : at + 4096]
        if any(block):
            yield at, block


def _assemble(disk: Path, boot: Path, root: Path) -> None:
    """Put boot sector, partition table and both partitions into one image."""
    with disk.open("wb") as handle:
        handle.write(MBR.read_bytes())
        for start, image in ((_BOOT_START, boot), (_ROOT_START, root)):
            for at, block in _blocks(image.read_bytes()):
                handle.seek(start + at)
                handle.write(block)
        handle.truncate(_DISK_SIZE)
    table = (
        "label: dos\n"
        f"start={_BOOT_START // SECTOR}, size={_BOOT_SIZE // SECTOR}, type=6, bootable\n"
        f"start={_ROOT_START // SECTOR}, size={_ROOT_SIZE // SECTOR}, type=83\n"
    )
    command = ["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(disk)]
    subprocess.run(command, input=table, check=True, text=True, env=_ENV, stdout=subprocess.DEVNULL)
