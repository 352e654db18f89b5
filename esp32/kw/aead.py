"""ChaCha20-Poly1305 (RFC 8439) under Noise's counter nonce, in place and in pieces.

A frame is up to 64 KiB long and a device has buffers of 1 KiB: so it is processed as it comes, in
pieces of any length, and the tag is compared at the end. Whoever acts on a piece before that has to
know what may be done with unverified plaintext.
"""

from struct import pack, unpack

TAG = 16
_P = (1 << 130) - 5
_CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
_M = 0xFFFFFFFF
_ROUNDS = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)


class Aead:
    """One direction of a channel: begin(), update() any number of times, then tag() or check()."""

    def __init__(self, key):
        if len(key) != 32:
            raise ValueError("a key is 32 bytes")
        self._state = list(unpack("<12I", b"expand 32-byte k" + key)) + [0, 0, 0, 0]

    def begin(self, counter, seal, ad=b""):
        """Start the message number `counter`; `ad` is authenticated with it."""
        self._seal = seal
        self._state[12:16] = (0, 0, counter & _M, counter >> 32)
        key = self._block()
        self._r = int.from_bytes(key[:16], "little") & _CLAMP
        self._pad = int.from_bytes(key[16:32], "little")
        self._h = self._length = 0
        self._left = self._held = b""
        self._absorb(ad + bytes(-len(ad) % 16))
        self._ad = len(ad)

    def update(self, buf, start, end):
        """Seal or open buf[start:end] in place."""
        text = bytes(buf[start:end])
        while len(self._left) < len(text):
            self._left += self._block()
        done = bytes([a ^ b for a, b in zip(text, self._left)])
        self._left = self._left[len(text) :]
        self._absorb(done if self._seal else text)
        self._length += len(text)
        buf[start:end] = done

    def tag(self, into, at):
        """Write the tag of all that was updated into into[at : at + 16]."""
        self._absorb(bytes(-self._length % 16) + pack("<QQ", self._ad, self._length))
        tag = (self._h + self._pad) & ((1 << 128) - 1)
        into[at : at + TAG] = tag.to_bytes(16, "little")

    def check(self, buf, at):
        """Whether buf[at : at + 16] is the tag; the time does not depend on where it differs."""
        tag = bytearray(TAG)
        self.tag(tag, 0)
        different = 0
        for i in range(TAG):
            different |= tag[i] ^ buf[at + i]
        return different == 0

    def _absorb(self, data):
        data = self._held + data
        whole = len(data) & ~15
        for i in range(0, whole, 16):
            block = int.from_bytes(data[i : i + 16], "little") | 1 << 128
            self._h = (self._h + block) * self._r % _P
        self._held = data[whole:]

    def _block(self):
        x = list(self._state)
        for _ in range(10):
            for a, b, c, d in _ROUNDS:
                for p, q, r, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                    x[p] = (x[p] + x[q]) & _M
                    t = x[r] ^ x[p]
                    x[r] = (t << n | t >> (32 - n)) & _M
        out = pack("<16I", *[(a + b) & _M for a, b in zip(x, self._state)])
        self._state[12] += 1
        return out
