"""The local target: a folder per VM with its raw disks, its descriptions, and the VM itself run with QEMU."""

from thresher.targets.local.target import LocalTarget

__all__ = ["LocalTarget"]
