"""What the bytes on the disk mean: segments, and the records of the index. No I/O.

A segment is a file with a run of consecutive pieces of one cached file. It is written once from its
start to its end, sealed, and from then on only read and removed:

    header (HEADER bytes)   serial, what file it is of and which piece is first; checksum
    pieces                  one after the other, each PIECE bytes but the last of the file
    row                     the hash of each piece (edge/wire/merkle.py)
    seal (SEAL bytes)       how many pieces; checksum of the row and of this

So the segments alone suffice to build the index. One without a seal counts for nothing. Numbers
are little-endian; checksums are CRC-32, as they are against accidents.
"""

from __future__ import annotations

import struct
from binascii import crc32

from edge.cache import names as naming
from edge.wire.merkle import HASH, PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = 256
SEAL = 16
MAX_NAMES = 4
MAX_FILE = 1 << 50  # bytes: pieces are counted in 32 bits
NAME = 33  # bytes of the longest name

# Flags of a file. WHOLE: all of it was right as a whole; PROVEN: so its root stands for its names.
PRIVATE, PINNED, WHOLE, PROVEN = 1, 2, 4, 8

_MAGIC, _END = b"KwS1", b"KwE1"
_HEAD = struct.Struct("<4sIQIBB")
_SEAL = struct.Struct("<4sIII")
_FILE = struct.Struct("<BHQB")
_SEGMENT = struct.Struct("<BHHIII")
_CUT = struct.Struct("<BHI")
_NUMBER = struct.Struct("<BI")
_HOUR = struct.Struct("<BIQ")
_ROW = struct.Struct("<BHI")


class LayoutError(Exception):
    """These bytes are not what they should be."""


class Header:
    """What a segment says of itself. `first`: its first piece; `size`: bytes of the whole file."""

    __slots__ = ("first", "flags", "names", "serial", "size")

    def __init__(self, serial: int, size: int, first: int, flags: int, names: list[bytes]) -> None:
        self.serial = serial
        self.size = size
        self.first = first
        self.flags = flags
        self.names = names

    def encode(self) -> bytes:
        """HEADER bytes."""
        head = _HEAD.pack(
            _MAGIC, self.serial, self.size, self.first, self.flags, len(self.names)
        ) + encode_names(self.names)
        body = head.ljust(HEADER - 4, b"\0")
        return body + crc32(body).to_bytes(4, "little")

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Raises LayoutError."""
        if len(data) != HEADER or crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            raise LayoutError("no header of a segment")
        magic, serial, size, first, flags, count = _HEAD.unpack_from(data)
        if magic != _MAGIC or size > MAX_FILE or first * PIECE >= size:
            raise LayoutError("not a segment of this version")
        return cls(serial, size, first, flags, decode_names(data, _HEAD.size, count))


def span(size: int, first: int, count: int) -> int:
    """Bytes of `count` pieces from `first` on, of a file of `size` bytes."""
    return min((first + count) * PIECE, size) - first * PIECE


def segment_size(size: int, first: int, count: int) -> int:
    """Bytes on the disk of a segment with these pieces."""
    return HEADER + span(size, first, count) + count * HASH + SEAL


def seal(serial: int, row: bytes | bytearray) -> bytes:
    """What follows the pieces: their hashes, and the seal."""
    count = len(row) // HASH
    checksum = crc32(struct.pack("<II", serial, count), crc32(row))
    return bytes(row) + _SEAL.pack(_END, serial, count, checksum)


def sealed_count(data: bytes, serial: int) -> int:
    """How many pieces the seal `data`, the last SEAL bytes of a segment, tells; 0: it is none."""
    if len(data) != SEAL:
        return 0
    magic, owner, count, _ = _SEAL.unpack(data)
    return count if magic == _END and owner == serial else 0


def is_sealed(row: bytes, data: bytes) -> bool:
    """Whether the seal `data` is that of `row`."""
    return seal(int.from_bytes(data[4:8], "little"), row)[-SEAL:] == data


def encode_names(names: Sequence[bytes]) -> bytes:
    """Names one after the other; the kind of each tells its length."""
    return b"".join(names)


def decode_names(data: bytes, at: int, count: int) -> list[bytes]:
    """The `count` names in `data` from `at` on. Raises LayoutError."""
    if not 0 < count <= MAX_NAMES:
        raise LayoutError("no names, or too many")
    found = []
    for _ in range(count):
        kind = data[at] if at < len(data) else 0
        end = at + 1 + naming.SIZES.get(kind, 0)
        if kind not in naming.SIZES or end > len(data):
            raise LayoutError("not a name of a file")
        found.append(data[at:end])
        at = end
    return found


# --- records of the index ---

FILE, SEGMENT, CUT, DROP, FORGET, HOUR, SERIAL, ROW = range(1, 9)


def file_record(at: int, size: int, flags: int, names: Sequence[bytes]) -> bytes:
    """Row `at` of the table of files is this file."""
    return _FILE.pack(FILE, at, size, flags) + bytes([len(names)]) + encode_names(names)


def segment_record(slot: int, at: int, serial: int, first: int, count: int) -> bytes:
    """In `slot` is a segment of the file in row `at`, with `count` pieces from `first` on."""
    return _SEGMENT.pack(SEGMENT, slot, at, serial, first, count)


def cut_record(slot: int, count: int) -> bytes:
    """Of the segment in `slot`, only the first `count` pieces are right."""
    return _CUT.pack(CUT, slot, count)


def drop_record(slot: int) -> bytes:
    """The segment in `slot` is gone."""
    return struct.pack("<BH", DROP, slot)


def forget_record(at: int) -> bytes:
    """The file in row `at` is gone, with its segments."""
    return struct.pack("<BH", FORGET, at)


def hour_record(hour: int, written: int) -> bytes:
    """In the hour of running with this number, `written` bytes were written."""
    return _HOUR.pack(HOUR, hour, written)


def serial_record(serial: int) -> bytes:
    """No segment has this serial or a higher one."""
    return _NUMBER.pack(SERIAL, serial)


def row_record(at: int, serial: int) -> bytes:
    """The proven row of the file in row `at` is in the file `serial`; 0: there is none."""
    return _ROW.pack(ROW, at, serial)


_FIXED = {
    SEGMENT: _SEGMENT,
    CUT: _CUT,
    DROP: struct.Struct("<BH"),
    FORGET: struct.Struct("<BH"),
    HOUR: _HOUR,
    SERIAL: _NUMBER,
    ROW: _ROW,
}


def decode_record(data: bytes) -> tuple[int, tuple[int, ...], list[bytes]]:
    """The kind of a record, its numbers, and the names of a file. Raises LayoutError."""
    kind = data[0] if data else 0
    if kind == FILE and len(data) > _FILE.size:
        _, at, size, flags = _FILE.unpack_from(data)
        if size > MAX_FILE:
            raise LayoutError("too large a file")
        return kind, (at, size, flags), decode_names(data, _FILE.size + 1, data[_FILE.size])
    form = _FIXED.get(kind)
    if form is None or len(data) != form.size:
        raise LayoutError("not a record of this version")
    return kind, form.unpack(data)[1:], []
