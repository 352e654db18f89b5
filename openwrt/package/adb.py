"""apk-tools' ADB container, written: values, objects, blocks, signatures.

Source: apk-v3(5), and for what it leaves open (alignment, deduplication, what is signed) the
behaviour of apk-tools 3.0.6: `apk mkpkg` of the same files yields the same bytes.

A value is a word of 32 bits, little-endian: four bits of type, 28 of an immediate number or of the
offset where the rest stands. An object or array is a count of words, itself included, and a word
for each field; missing ones at the end are left out.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Sequence

NULL = 0
_INT, _INT_32, _INT_64 = 0x10000000, 0x20000000, 0x30000000
_BLOB_8, _BLOB_16, _BLOB_32 = 0x80000000, 0x90000000, 0xA0000000
_OBJECT = 0xE0000000
_IMMEDIATE = 0x0FFFFFFF

BLOCK_ADB, BLOCK_SIGNATURE, BLOCK_DATA = 0, 1, 2
_ALIGNMENT = 8  # of blocks
_MAX_BLOCK = 0x3FFFFFFF  # beyond it an extended header would be needed

_SHA512 = 4  # APK_DIGEST_SHA512
_KEY_ID = 16  # bytes

Sign = Callable[[bytes], bytes]


class AdbError(Exception):
    """What is to be written does not fit into the format."""


class Database:
    """The inside of an ADB block, which grows; equal pieces are stored once."""

    def __init__(self) -> None:
        self.data = bytearray(8)  # versions, both 0, and the root
        self._known: dict[bytes, int] = {}

    def blob(self, data: bytes, shared: bool = True) -> int:
        """`shared`: may be one with an equal piece elsewhere."""
        if not data:
            return NULL
        if len(data) > 0xFFFF:
            return _BLOB_32 | self._put(struct.pack("<I", len(data)) + data, 4, shared)
        if len(data) > 0xFF:
            return _BLOB_16 | self._put(struct.pack("<H", len(data)) + data, 2, shared)
        return _BLOB_8 | self._put(bytes([len(data)]) + data, 1, shared)

    def text(self, text: str) -> int:
        return self.blob(text.encode())

    def integer(self, number: int) -> int:
        if number > 0xFFFFFFFF:
            return _INT_64 | self._put(struct.pack("<Q", number), 4)
        if number > _IMMEDIATE:
            return _INT_32 | self._put(struct.pack("<I", number), 4)
        return _INT | number

    def object(self, fields: dict[int, int]) -> int:
        """By field number, from 1."""
        count = max([number for number, value in fields.items() if value != NULL], default=0)
        return self._words([fields.get(number, NULL) for number in range(1, count + 1)])

    def array(self, items: Sequence[int]) -> int:
        return self._words([item for item in items if item != NULL])

    def root(self, value: int) -> None:
        struct.pack_into("<I", self.data, 4, value)

    def patch(self, value: int, data: bytes) -> None:
        """Overwrite the blob of fewer than 256 bytes that `value` stands for."""
        start = (value & _IMMEDIATE) + 1
        self.data[start : start + len(data)] = data

    def _words(self, values: Sequence[int]) -> int:
        if not values:
            return NULL
        words = struct.pack(f"<{len(values) + 1}I", len(values) + 1, *values)
        return _OBJECT | self._put(words, 4)

    def _put(self, piece: bytes, alignment: int, shared: bool = True) -> int:
        at = self._known.get(piece)
        if shared and at is not None and at % alignment == 0:
            return at
        self.data += bytes(-len(self.data) % alignment)
        at = len(self.data)
        if at > _IMMEDIATE:
            raise AdbError("more than 256 MiB of metadata")
        self.data += piece
        if shared:
            self._known[piece] = at
        return at


def container(schema: int, adb: bytes, signature: bytes, blocks: Sequence[bytes]) -> bytes:
    """A whole file, compressed. `signature`: from sign(), or empty; `blocks`: of data."""
    parts = [b"ADB.", struct.pack("<I", schema), _block(BLOCK_ADB, adb)]
    if signature:
        parts.append(_block(BLOCK_SIGNATURE, signature))
    parts += [_block(BLOCK_DATA, block) for block in blocks]
    deflate = zlib.compressobj(9, wbits=-15)
    return b"ADBd" + deflate.compress(b"".join(parts)) + deflate.flush()


def sign(schema: int, adb: bytes, key_id: bytes, signer: Sign) -> bytes:
    """What a signature block holds. `signer` hashes what it is given with SHA-512 and signs that;
    `key_id`: the start of the SHA-512 of the public key as its algorithm encodes it.
    """
    header = bytes([0, _SHA512]) + key_id[:_KEY_ID]
    signed = struct.pack("<I", schema) + header + hashlib.sha512(adb).digest()
    return header + signer(signed)


def _block(kind: int, payload: bytes) -> bytes:
    size = 4 + len(payload)
    if size > _MAX_BLOCK:
        raise AdbError(f"a block of {len(payload)} bytes")
    return struct.pack("<I", kind << 30 | size) + payload + bytes(-size % _ALIGNMENT)
