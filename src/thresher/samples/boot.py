"""A boot sector that says hello: 16-bit code, written out byte by byte.

It talks to COM1 alone (a 16550 UART at I/O port 0x3F8), so that a headless VM shows it in its serial log, and
then halts with interrupts off. It waits for nothing but the UART's own ready bit.
"""

import struct

from thresher.model.units import SECTOR

_LOADED_AT = 0x7C00  # where a PC BIOS puts the boot sector (BIOS Boot Specification 1.01)
_TABLE = 446  # the partition table's place in the sector; code and text end before it
PARTITION_START = 2048
"""First sector of the one partition: 1 MiB, where today's partitioning tools begin."""
GREETING = "Hello from the imported guest."
DEMO_TAG = "THRESHER-DEMO"

# Each line is one instruction. Jumps are relative, so that only the text's address depends on the place.
_BEFORE_TEXT_ADDRESS = bytes.fromhex(
    "FA"  # 00        cli
    "FC"  # 01        cld
    "31C0"  # 02        xor ax, ax
    "8ED8"  # 04        mov ds, ax
    "8ED0"  # 06        mov ss, ax
    "BC007C"  # 08        mov sp, 0x7c00
    "BAFB03"  # 0b        mov dx, 0x3fb       ; line control register
    "B003"  # 0e        mov al, 3           ; 8 bits, no parity, 1 stop bit, divisor latch off
    "EE"  # 10        out dx, al
    "BE"  # 11        mov si, ....        ; the text's address, two bytes, follows
)
_AFTER_TEXT_ADDRESS = bytes.fromhex(
    "AC"  # 14  next: lodsb
    "84C0"  # 15        test al, al         ; the text ends with a zero
    "7412"  # 17        jz done
    "88C3"  # 19        mov bl, al
    "BAFD03"  # 1b        mov dx, 0x3fd       ; line status register
    "EC"  # 1e  wait: in al, dx
    "A820"  # 1f        test al, 0x20       ; transmitter empty?
    "74FB"  # 21        jz wait
    "BAF803"  # 23        mov dx, 0x3f8       ; data register
    "88D8"  # 26        mov al, bl
    "EE"  # 28        out dx, al
    "EBE9"  # 29        jmp next
    "F4"  # 2b  done: hlt
    "EBFD"  # 2c        jmp done            ; should something wake it after all
)
_CODE_SIZE = len(_BEFORE_TEXT_ADDRESS) + 2 + len(_AFTER_TEXT_ADDRESS)


def boot_sector(marker: str, disk_sectors: int = 1 << 21) -> bytes:
    """Make the first sector of a disk that boots and prints ``marker`` on COM1.

    Args:
        marker: printable ASCII, to tell this guest from others.
        disk_sectors: size of the whole disk, for the partition table.

    Returns:
        512 bytes: code, text, a table with one active partition, the signature 0x55 0xAA.

    Raises:
        ValueError: the marker is not printable ASCII or does not fit, or the disk has no room for it.
    """
    if not (marker.isascii() and marker.isprintable()):
        raise ValueError(f"a marker needs printable ASCII, not {marker!r}")
    text = f"\r\n{GREETING}\r\n{DEMO_TAG} {marker}\r\n\0".encode("ascii")
    room = _TABLE - _CODE_SIZE
    if len(text) > room:
        raise ValueError(f"a marker of {len(marker)} characters is {len(text) - room} too long")
    address = struct.pack("<H", _LOADED_AT + _CODE_SIZE)
    code = _BEFORE_TEXT_ADDRESS + address + _AFTER_TEXT_ADDRESS + text
    sector = code.ljust(_TABLE, b"\0") + _partition(disk_sectors) + bytes(3 * 16) + b"\x55\xaa"
    assert len(sector) == SECTOR  # noqa: S101 -- a sum of constants
    return sector


def _partition(disk_sectors: int) -> bytes:
    """One entry: active, Linux, addressed by LBA (the cylinder fields hold what says "see the LBA")."""
    if not PARTITION_START < disk_sectors < 1 << 32:
        raise ValueError(f"a disk of {disk_sectors} sectors has no room for its partition or is beyond an MBR")
    by_lba = b"\xfe\xff\xff"
    return struct.pack("<B3sB3sII", 0x80, by_lba, 0x83, by_lba, PARTITION_START, disk_sectors - PARTITION_START)
