"""SHA-512 (FIPS 180-4), of which MicroPython has none; its hashlib has SHA-256."""

from kw import _sha512 as kernel

_BLOCK = 128


class Sha512:
    """As hashlib's, but for reset(), and that nothing can be added after digest()."""

    __slots__ = ("_block", "_size", "_state")

    def __init__(self):
        self._state = bytearray(kernel.BYTES)
        self._block = bytearray(_BLOCK)
        self.reset()

    def reset(self):
        """Forget all data."""
        kernel.start(self._state, kernel.INITIAL)
        self._size = 0

    def update(self, data):
        """Take bytes, a bytearray, or a memoryview of bytes."""
        block = self._block
        used = self._size % _BLOCK
        self._size += len(data)
        for byte in data:
            block[used] = byte
            used += 1
            if used == _BLOCK:
                kernel.compress(self._state, block, kernel.ROUNDS)
                used = 0

    def digest(self):
        """The 64 bytes."""
        size = self._size * 8
        self.update(b"\x80")
        while self._size % _BLOCK != _BLOCK - 16:
            self.update(b"\0")
        self.update(size.to_bytes(16, "big"))
        state, digest = self._state, bytearray(64)
        for i in range(64):
            digest[i] = state[(i & 56) + 7 - (i & 7)]
        return bytes(digest)


_one = Sha512()


def sha512(*parts):
    """The digest, 64 bytes, of the parts joined."""
    _one.reset()
    for part in parts:
        _one.update(part)
    return _one.digest()
