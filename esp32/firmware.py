"""MicroPython's official firmware and the file system of a device, in one file for the whole flash.

The firmware is the owner's own download, and is not changed. Its partition table says whether the
file system begins where ours does; what it says otherwise is an error, not a guess.

Sources: ESP-IDF's API guides "Partition Tables" and "App Image Format"; esptool's firmware image
format; MicroPython's ports/esp32
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from esp32.images import OFFSET, SIZE


@dataclass(frozen=True)
class Chip:
    """`begins`: where in the flash its bootloader is. `number`: in the header of its images."""

    number: int
    begins: int
    architecture: str


CHIPS = {
    "esp32": Chip(0, 0x1000, "xtensawin"),
    "esp32s2": Chip(2, 0x1000, "xtensawin"),
    "esp32s3": Chip(9, 0, "xtensawin"),
    "esp32c3": Chip(5, 0, "rv32imc"),
    "esp32c6": Chip(13, 0, "rv32imc"),
}
_MAGIC = 0xE9  # of an image
_TABLE = 0x8000  # where the partition table is
_TABLE_SIZE = 0xC00
_ENTRY = struct.Struct("<2sBBII16sI")  # magic, type, subtype, offset, size, label, flags
_PARTITION = b"\xaa\x50"
_FILES = ("vfs", "ffat")  # what MicroPython calls a file system
_ERASED = b"\xff"


class FirmwareError(Exception):
    """The file is not a firmware that the image fits; its text says why."""


def partitions(firmware: bytes, chip: Chip) -> dict[str, tuple[int, int]]:
    """Offset and end of each partition. Raises FirmwareError if it is no firmware of this chip."""
    if len(firmware) < 24 or firmware[0] != _MAGIC:
        raise FirmwareError("this is no firmware for a chip of Espressif: its first byte is not e9")
    [number] = struct.unpack_from("<H", firmware, 12)
    if number != chip.number:
        names = [name for name, each in CHIPS.items() if each.number == number]
        raise FirmwareError(f"this firmware is for {names[0] if names else 'another chip'}")
    table = firmware[_TABLE - chip.begins :][:_TABLE_SIZE]
    found = {}
    for at in range(0, len(table) - _ENTRY.size + 1, _ENTRY.size):
        magic, _, _, offset, size, label, _ = _ENTRY.unpack_from(table, at)
        if magic != _PARTITION:
            break
        found[label.rstrip(b"\0").decode("ascii", "replace")] = (offset, offset + size)
    if not found:
        raise FirmwareError(
            "no partition table at 0x8000; take the .bin file of a new installation"
        )
    return found


def check(firmware: bytes, chip: Chip) -> None:
    """Whether the file system of this firmware is where the image lies. Raises FirmwareError."""
    found = partitions(firmware, chip)
    own = [found[name] for name in _FILES if name in found]
    # Without such a partition, MicroPython takes all that is behind the last one.
    begin = own[0][0] if own else max([end for _, end in found.values()])
    end = own[0][1] if own else OFFSET + SIZE
    if begin != OFFSET or end < OFFSET + SIZE:
        raise FirmwareError(
            f"its file system begins at {begin:#x}, and the image belongs at {OFFSET:#x}: take the"
            " firmware of a generic board with 4 MiB of flash, not a variant with OTA"
        )
    if chip.begins + len(firmware) > OFFSET:
        raise FirmwareError("it reaches into its own file system; is it a dump of a whole flash?")


def merge(firmware: bytes, image: bytes, chip: Chip) -> bytes:
    """The flash of 4 MiB from address 0 on. Raises FirmwareError."""
    check(firmware, chip)
    whole = _ERASED * chip.begins + firmware
    return whole + _ERASED * (OFFSET - len(whole)) + image
