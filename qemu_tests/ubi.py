"""An erased flash with one empty UBI volume: the kernel's drivers/mtd/ubi/ubi-media.h.

ubiformat and ubimkvol would make it; the kernel formats the volume as UBIFS when it is mounted.
"""

from __future__ import annotations

import struct
import zlib

ERASE_BLOCK = 128 * 1024
_HEADERS = (64, 128)  # offsets of the volume's header and of the data
_LAYOUT_VOLUME = 0x7FFFEFFF
_DYNAMIC, _REJECT = 1, 5  # kinds of a volume; what who does not know the layout volume shall do
_VOLUMES = 128


def flash(blocks: int, name: bytes = b"cache") -> bytes:
    """The content of so many erase blocks; two hold the table of volumes."""
    volume = blocks * 3 // 4  # the rest is for bad blocks and wear levelling
    padded = name.ljust(128, b"\0")
    first = struct.pack(">IIIBBH128sB23x", volume, 1, 0, _DYNAMIC, 0, len(name), padded, 0)
    empty = bytes(len(first))
    table = _summed(first) + _summed(empty) * (_VOLUMES - 1)
    content = [_block(table, copy) for copy in range(2)]
    content += [_block(b"", 0)] * (blocks - 2)
    return b"".join(content)


def _block(table: bytes, copy: int) -> bytes:
    counter = _summed(struct.pack(">4sB3xQIII32x", b"UBI#", 1, 1, *_HEADERS, 1))
    header = b""
    if table:
        kind = (b"UBI!", 1, _DYNAMIC, 0, _REJECT, _LAYOUT_VOLUME, copy)
        header = _summed(struct.pack(">4sBBBBII4xIIII4xQ12x", *kind, 0, 0, 0, 0, copy))
    return (counter + header + table).ljust(ERASE_BLOCK, b"\xff")


def _summed(data: bytes) -> bytes:
    return data + struct.pack(">I", zlib.crc32(data) ^ 0xFFFFFFFF)
