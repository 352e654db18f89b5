"""ChaCha20-Poly1305 (RFC 8439) with Noise's counter nonce, on Python's integers.

One integer holds the same word of many ChaCha20 blocks, each in the lower half of a lane of 64
bits. One addition adds all lanes, and the upper halves receive the carries until the mask clears
them. 64 lanes are about ten times as fast as one block at a time. Portable: runs under CPython and
MicroPython.
"""

from struct import unpack

from edge.crypto.errors import CryptoError, DecryptError, NonceExhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.crypto.interface import Buffer

_TAG = 16
_LAST_COUNTER = (1 << 64) - 1  # reserved by Noise for rekeying
_LANES = 64
_BATCH = _LANES * 64  # bytes
_SIGMA = unpack("<4I", b"expand 32-byte k")
_P = (1 << 130) - 5
_CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF


class CipherState:
    """See edge.crypto.interface.CipherState."""

    __slots__ = ("_counter", "_key")

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise CryptoError(f"a cipher key is 32 bytes, not {len(key)}")
        self._key = bytes(key)
        self._counter = 0

    def seal_into(
        self, plaintext: "Buffer", out: "bytearray | memoryview", aad: bytes = b""
    ) -> int:
        nonce = self._nonce()
        size = len(plaintext)
        target = _room(out, size + _TAG)
        mac_key = _crypt(self._key, nonce, memoryview(plaintext), target)
        target[size:] = _poly1305(mac_key, aad, target[:size])
        self._counter += 1
        return size + _TAG

    def open_into(
        self, ciphertext: "Buffer", out: "bytearray | memoryview", aad: bytes = b""
    ) -> int:
        nonce = self._nonce()
        size = len(ciphertext) - _TAG
        if size < 0:
            raise DecryptError(f"a ciphertext of {len(ciphertext)} bytes has no tag")
        target = _room(out, size)
        source = memoryview(ciphertext)
        tag = _poly1305(_keystream(self._key, nonce, 0, 1)[:32], aad, source[:size])
        difference = 0
        for ours, theirs in zip(tag, source[size:]):  # noqa: B905 - MicroPython has no strict=
            difference |= ours ^ theirs
        if difference:
            raise DecryptError("the ciphertext's tag does not match")
        _crypt(self._key, nonce, source[:size], target)
        self._counter += 1
        return size

    def _nonce(self) -> bytes:
        if self._counter == _LAST_COUNTER:
            raise NonceExhausted("all 2**64 - 1 counters of this key are used")
        return bytes(4) + self._counter.to_bytes(8, "little")


def _room(out: "bytearray | memoryview", size: int) -> memoryview:
    if len(out) < size:
        raise ValueError(f"{size} bytes do not fit into a buffer of {len(out)}")
    return memoryview(out)[:size]


def _crypt(key: bytes, nonce: bytes, source: memoryview, target: memoryview) -> bytes:
    """XOR `source` with the key stream into `target`; return the one-time key of Poly1305."""
    size = len(source)
    first = _keystream(key, nonce, 0, min(_LANES, 1 + (size + 63) // 64))
    stream = memoryview(first)[64:]  # Nuitka 4.3.3 fails on this and the next in one statement
    pos = 0
    while pos < size:
        stop = min(pos + len(stream), size)
        word = int.from_bytes(source[pos:stop], "little")
        word ^= int.from_bytes(stream[: stop - pos], "little")
        target[pos:stop] = word.to_bytes(stop - pos, "little")
        pos = stop
        blocks = min(_LANES, (size - pos + 63) // 64)
        stream = memoryview(_keystream(key, nonce, 1 + (pos + 63) // 64, blocks))
    return first[:32]


def _keystream(key: bytes, nonce: bytes, counter: int, blocks: int) -> bytes:
    """Compute `blocks` (at most _LANES) ChaCha20 blocks of 64 bytes from block `counter` on."""
    ones = _ONES & ((1 << 64 * blocks) - 1)
    mask = ones * 0xFFFFFFFF
    start = [word * ones for word in _SIGMA + unpack("<8I", key)]
    start.append(counter * ones + (_COUNTING & mask))
    start += [word * ones for word in unpack("<3I", nonce)]
    x = list(start)
    for _ in range(10):
        for a, b, c, d in _DOUBLE_ROUND:
            x[a], x[b], x[c], x[d] = _quarter_round(x[a], x[b], x[c], x[d], mask)
    out = bytearray(64 * blocks)
    for i in range(0, 16, 2):
        low, high = (x[i] + start[i]) & mask, (x[i + 1] + start[i + 1]) & mask
        pairs = (low | high << 32).to_bytes(8 * blocks, "little")
        for block in range(blocks):
            at = 64 * block + 4 * i
            out[at : at + 8] = pairs[8 * block : 8 * block + 8]
    return bytes(out)


_ONES = sum([1 << 64 * lane for lane in range(_LANES)])
_COUNTING = sum([lane << 64 * lane for lane in range(_LANES)])
_DOUBLE_ROUND = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)


def _quarter_round(a: int, b: int, c: int, d: int, mask: int) -> "tuple[int, int, int, int]":
    a = (a + b) & mask
    d ^= a
    d = (d << 16 | d >> 16) & mask
    c = (c + d) & mask
    b ^= c
    b = (b << 12 | b >> 20) & mask
    a = (a + b) & mask
    d ^= a
    d = (d << 8 | d >> 24) & mask
    c = (c + d) & mask
    b ^= c
    b = (b << 7 | b >> 25) & mask
    return a, b, c, d


def _poly1305(key: bytes, aad: bytes, ciphertext: memoryview) -> bytes:
    """The tag of RFC 8439, 2.8: both parts padded to 16 bytes, then their lengths."""
    r = int.from_bytes(key[:16], "little") & _CLAMP
    total = 0
    lengths = len(aad).to_bytes(8, "little") + len(ciphertext).to_bytes(8, "little")
    for part in (memoryview(aad), ciphertext, memoryview(lengths)):
        for pos in range(0, len(part), 16):
            total = (total + int.from_bytes(part[pos : pos + 16], "little") + (1 << 128)) * r % _P
    return ((total + int.from_bytes(key[16:], "little")) & ((1 << 128) - 1)).to_bytes(16, "little")
