"""RSASSA-PKCS1-v1_5 verification with SHA-256 (RFC 8017, 8.2.2) in steps of one product each.

Nothing here is secret. A product of 4096 bits takes some 20 ms, and 1 KiB of heap meanwhile.
"""

_DIGEST_INFO = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
_SQUARINGS = 16  # the exponent is 65537: edge.crypto.publickeys takes no other


class Verify:
    """Whether `signature` of `digest` is valid under the modulus `n`, of `size` bytes: `ok`."""

    __slots__ = ("_expected", "_left", "_n", "_s", "_size", "_x", "ok")

    def __init__(self, n, size, digest, signature):
        info = _DIGEST_INFO + digest
        self._expected = b"\0\1" + b"\xff" * (size - 3 - len(info)) + b"\0" + info
        self._n, self._size = n, size
        self._x = self._s = int.from_bytes(signature, "big")
        self._left = _SQUARINGS if len(signature) == size and self._s < n else -1
        self.ok = False

    def step(self):
        """Do a part of the work; True when all is done."""
        if self._left > 0:
            self._x = self._x * self._x % self._n
        elif self._left == 0:
            power = self._x * self._s % self._n
            self.ok = power.to_bytes(self._size, "big") == self._expected
        self._left -= 1
        return self._left < 0
